//! `preflight`.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, ValueEnum};

use super::mirror::MirrorArguments;
use super::selection::KnowledgeFileArguments;
use super::{OutputFormat, duration};
use crate::castai::endpoints::Protocol;
use crate::error::CommandError;
use crate::model::knowledge::Knowledge;
use crate::preflight::checks::CHECKS;
use crate::preflight::machine::{self, MetadataService};
use crate::preflight::selection::Selection;
use crate::preflight::vantage::inputs::InputSettings;
use crate::preflight::{Endpoint, Settings};
use crate::transport;

/// Prove that this cluster can reach Cast AI privately
///
/// Checks, for each Cast AI endpoint that the cluster's components are configured with and each PrivateLink service
/// of the region, that its name resolves to private addresses and that TCP, TLS and HTTP or gRPC work; and that
/// ECR can be used. Network facts count only from inside the VPC: elsewhere they are Unknown. The exit code is 1 if a
/// check fails or could not run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Check the current context's cluster
  kubectl castai-privatelink preflight

  # Check from a machine that uses the VPC's DNS but is not an EC2 instance
  kubectl castai-privatelink preflight --here=inside

  # As JSON, without the checks of ECR's API
  kubectl castai-privatelink preflight -o json --exclude=CPL302 --exclude=CPL303")]
pub struct PreflightArguments {
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,

    /// Whether this machine is inside the cluster's VPC (default: detected from instance metadata)
    #[arg(long, value_enum, value_name = "WHERE")]
    pub here: Option<Here>,

    #[command(flatten)]
    pub mirror: MirrorArguments,

    #[command(flatten)]
    pub knowledge: KnowledgeFileArguments,

    /// Timeout of one request of one check
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub timeout: Duration,

    /// Timeout of reading this machine's instance metadata
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1s", hide_short_help = true)]
    pub metadata_timeout: Duration,

    /// Additional HTTPS endpoint to check; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub https: Vec<Endpoint>,

    /// Additional gRPC endpoint to check; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub grpc: Vec<Endpoint>,

    /// Report only the check with this code; may be repeated
    #[arg(long, value_name = "CODE", value_parser = codes(), hide_possible_values = true)]
    pub only: Vec<String>,

    /// Code of a check to skip; may be repeated
    #[arg(long, value_name = "CODE", value_parser = codes(), hide_possible_values = true)]
    pub exclude: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Here {
    Inside,
    Outside,
}

fn codes() -> PossibleValuesParser {
    CHECKS.iter().map(|check| PossibleValue::new(check.code).help(check.title)).into()
}

impl PreflightArguments {
    /// The flags as settings.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn settings(&self) -> Result<Settings, CommandError> {
        let variable = |name: &str| std::env::var(name).ok();
        let mut settings = Settings::new(transport::tls()?);
        settings.timeout = self.timeout;
        settings.metadata_timeout = self.metadata_timeout;
        settings.selection = Selection { only: self.only.clone(), exclude: self.exclude.clone() };
        settings.here = self.here.map(|here| match here {
            Here::Inside => machine::Here::Inside,
            Here::Outside => machine::Here::Outside,
        });
        settings.metadata = MetadataService::from_variables(
            variable("AWS_EC2_METADATA_DISABLED").as_deref(),
            variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").as_deref(),
        );
        Ok(settings)
    }

    /// The flags for what is read from cluster and account.
    pub fn wanted(&self, namespace: Option<String>, knowledge: Knowledge) -> InputSettings {
        let of = |endpoints: &[Endpoint], protocol: Protocol| {
            endpoints.iter().map(move |endpoint| (endpoint.clone(), protocol)).collect::<Vec<_>>()
        };
        InputSettings {
            namespace,
            registry: self.mirror.registry.clone(),
            region: self.mirror.region.clone(),
            maps: self.mirror.maps.clone(),
            knowledge,
            extra: [of(&self.https, Protocol::Https), of(&self.grpc, Protocol::Grpc)].concat(),
        }
    }
}
