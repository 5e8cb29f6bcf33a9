//! `preflight`.

mod pods;

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand, ValueEnum};

pub use self::pods::{PodArguments, PreflightCleanupArguments};
use super::mirror::MirrorArguments;
use super::selection::KnowledgeFileArguments;
use super::{OutputFormat, duration};
use crate::castai::endpoints::Protocol;
use crate::error::CommandError;
use crate::model::knowledge::Knowledge;
use crate::preflight::check::Check;
use crate::preflight::checks::{self, CHECKS};
use crate::preflight::machine::{self, MetadataService};
use crate::preflight::selection::Selection;
use crate::preflight::vantage::inputs::InputSettings;
use crate::preflight::{Endpoint, Settings};
use crate::transport;

/// Prove that this cluster can reach Cast AI privately
///
/// Checks, for each Cast AI endpoint that the cluster's components are configured with and each PrivateLink service
/// of the region, that its name resolves to private addresses and that TCP, TLS and HTTP or gRPC work; and that
/// ECR can be used. Network facts count only from inside the VPC: on a machine elsewhere they are Unknown. Pods look from
/// the subnets of the nodes: on a terminal, preflight prompts before it creates them. The exit code is 1 if a
/// check fails or could not run.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  # Check the current context's cluster
  kubectl castai-privatelink preflight

  # Check from a machine that uses the VPC's DNS but is not an EC2 instance
  kubectl castai-privatelink preflight --here=inside

  # Check from the nodes too, without a prompt
  kubectl castai-privatelink preflight --yes

  # As JSON, without the checks of ECR's API
  kubectl castai-privatelink preflight -o json --skip=CPL302,CPL303

  # Why is there a check, and what fixes it?
  kubectl castai-privatelink preflight explain CPL211"
)]
pub struct PreflightArguments {
    #[command(subcommand)]
    pub command: Option<PreflightCommand>,

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

    /// Report only checks with these codes (see `preflight list`); may be repeated
    #[arg(long, value_name = "CODE,…", value_parser = codes(), hide_possible_values = true, value_delimiter = ',', ignore_case = true)]
    pub only: Vec<String>,

    /// Codes of checks to skip; may be repeated
    #[arg(long, value_name = "CODE,…", value_parser = codes(), hide_possible_values = true, value_delimiter = ',', ignore_case = true)]
    pub skip: Vec<String>,

    #[command(flatten)]
    pub pods: PodArguments,
}

#[derive(Debug, Subcommand)]
pub enum PreflightCommand {
    /// List the checks
    ///
    /// Needs no cluster. `-o wide` includes permissions and required checks.
    List(PreflightListArguments),
    /// Explain checks: why each matters, what it requires, and what fixes it
    ///
    /// Needs no cluster. docs/checks.md has the same text.
    Explain(PreflightExplainArguments),
    /// Remove probe pods that a killed run left in the cluster
    ///
    /// A run removes its pods at its end, also if it fails or is interrupted. This deletes what has the labels of such pods, in
    /// all namespaces without -n, including that of a run in progress. Images in the registry stay.
    Cleanup(PreflightCleanupArguments),
}

#[derive(Debug, Args)]
pub struct PreflightListArguments {
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

#[derive(Debug, Args)]
pub struct PreflightExplainArguments {
    /// Code of the check, such as CPL211
    #[arg(value_name = "CODE", required = true, value_parser = codes(), hide_possible_values = true, ignore_case = true)]
    pub codes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Here {
    Inside,
    Outside,
}

fn codes() -> PossibleValuesParser {
    CHECKS.iter().map(|check| PossibleValue::new(check.code).help(check.title)).into()
}

/// Codes are accepted in any case.
fn in_capitals(codes: &[String]) -> Vec<String> {
    codes.iter().map(|code| code.to_uppercase()).collect()
}

impl PreflightExplainArguments {
    /// The checks, in the order in which they are named.
    pub fn checks(&self) -> Vec<&'static Check> {
        in_capitals(&self.codes).iter().filter_map(|code| checks::find(code)).collect()
    }
}

impl PreflightArguments {
    /// The flags as settings.
    ///
    /// # Errors
    /// TLS cannot be set up, or a flag for pods is invalid.
    pub fn settings(&self) -> Result<Settings, CommandError> {
        let variable = |name: &str| std::env::var(name).ok();
        let mut settings = Settings::new(transport::tls()?);
        settings.timeout = self.timeout;
        settings.metadata_timeout = self.metadata_timeout;
        settings.pods = self.pods.settings()?;
        settings.selection = Selection { only: in_capitals(&self.only), skip: in_capitals(&self.skip) };
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
