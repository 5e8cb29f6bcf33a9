//! `preflight`.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};

use super::{OutputFormat, duration, region};
use crate::model::image::Mirror;
use crate::preflight::Endpoint;
use crate::preflight::checks::CHECKS;

/// Prove that this cluster can reach Cast AI privately
///
/// Checks, for each Cast AI endpoint that the cluster's components are configured with and each PrivateLink service
/// of the region, that its name resolves to private addresses and that TCP, TLS and HTTP or gRPC answer; and that
/// ECR can be used. Network facts count only from inside the VPC: elsewhere they are Unknown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Check the current context's cluster
  kubectl castai-privatelink preflight

  # Check from a machine whose DNS is the VPC's, though it is no EC2 instance
  kubectl castai-privatelink preflight --here=inside

  # As JSON, failing also where something could not be looked at
  kubectl castai-privatelink preflight -o json --fail-on=unknown")]
pub struct PreflightArguments {
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,

    /// Whether this machine is inside the cluster's VPC; found out by instance metadata without it
    #[arg(long, value_enum, value_name = "WHERE")]
    pub here: Option<Here>,

    /// AWS region of the cluster; taken from its nodes without it
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// Registry that images are mirrored to; `castai-privatelink` in the ECR of the cluster's account and region without it
    #[arg(long, value_name = "HOST[/PATH]")]
    pub registry: Option<Mirror>,

    /// Longest wait for one answer of one check
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub timeout: Duration,

    /// Longest wait for this machine's instance metadata
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1s", hide_short_help = true)]
    pub metadata_timeout: Duration,

    /// A further HTTPS endpoint to check; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub https: Vec<Endpoint>,

    /// A further gRPC endpoint to check; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub grpc: Vec<Endpoint>,

    /// Report this check alone, by its code; may be repeated
    #[arg(long, value_name = "CODE", value_parser = codes(), hide_possible_values = true)]
    pub only: Vec<String>,

    /// Leave this check out of the report, by its code; may be repeated
    #[arg(long, value_name = "CODE", value_parser = codes(), hide_possible_values = true)]
    pub exclude: Vec<String>,

    /// The mildest result that makes the exit code 1
    #[arg(long, value_enum, value_name = "RESULT", default_value_t = FailOn::Fail)]
    pub fail_on: FailOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Here {
    Inside,
    Outside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Warn,
    Fail,
    Unknown,
}

fn codes() -> PossibleValuesParser {
    CHECKS.iter().map(|check| PossibleValue::new(check.code).help(check.title)).into()
}
