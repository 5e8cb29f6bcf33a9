//! `preflight`.

mod pods;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum, ValueHint};

pub use self::pods::{PodArguments, PreflightCleanupArguments};
use super::mirror::MirrorArguments;
use super::selection::KnowledgeFileArguments;
use super::{OutputFormat, PreflightFormat, duration};
use crate::castai::endpoints::Protocol;
use crate::error::CommandError;
use crate::model::knowledge::Knowledge;
use crate::output::format::FileFormat;
use crate::preflight::check::Check;
use crate::preflight::checks::{self, CHECKS};
use crate::preflight::ignore::Ignore;
use crate::preflight::machine::{self, MetadataService};
use crate::preflight::selection::Selection;
use crate::preflight::time_limit::TimeLimit;
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

  # Wait until new endpoints work, and fail after 15 minutes
  kubectl castai-privatelink preflight --wait --timeout=15m

  # In CI: test results, without a problem that is known and accepted
  kubectl castai-privatelink preflight -o junit --ignore=CPL211=api.cast.ai

  # A page for colleagues, without account IDs
  kubectl castai-privatelink preflight --report=preflight.html

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
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = PreflightFormat::Table)]
    pub output: PreflightFormat,

    /// Whether this machine is inside the cluster's VPC (default: detected from instance metadata)
    #[arg(long, value_enum, value_name = "WHERE")]
    pub here: Option<Here>,

    /// Also write the report to this file: FILE.html is a page with a drawing of each path, FILE.tar.gz has all formats
    /// and the evidence
    #[arg(long, value_name = "FILE", value_parser = report_file(), value_hint = ValueHint::AnyPath)]
    pub report: Option<ReportFile>,

    /// Keep account IDs and secrets in the file of --report
    #[arg(long, requires = "report")]
    pub no_redact: bool,

    #[command(flatten)]
    pub mirror: MirrorArguments,

    #[command(flatten)]
    pub knowledge: KnowledgeFileArguments,

    /// Repeat the checks until nothing needs attention, after this interval (default: 10s), for at most --timeout
    #[arg(long, value_name = "INTERVAL", value_parser = interval, num_args = 0..=1, require_equals = true, default_missing_value = "10s")]
    pub wait: Option<Duration>,

    /// Time limit of the whole run; what is not checked by then is Unknown; 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub timeout: Duration,

    /// Timeout of one request of one check
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub probe_timeout: Duration,

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

    /// Problems that do not count, of a check or of one of its subjects: they stay visible and do not change the exit
    /// code; may be repeated
    #[arg(long, value_name = "CODE[=SUBJECT],…", value_delimiter = ',')]
    pub ignore: Vec<Ignore>,

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

/// The file of `--report`, and the format that its name selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    pub path: PathBuf,
    pub format: FileFormat,
}

fn report_file() -> impl TypedValueParser<Value = ReportFile> {
    OsStringValueParser::new().try_map(|path: OsString| match FileFormat::of_name(&path.to_string_lossy()) {
        Some(format) => Ok(ReportFile { path: path.into(), format }),
        None => Err("expected a file name that ends in .html or .tar.gz"),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Here {
    Inside,
    Outside,
}

fn codes() -> PossibleValuesParser {
    CHECKS.iter().map(|check| PossibleValue::new(check.code).help(check.title)).into()
}

/// A duration between two runs. Without a pause, the name servers of the VPC would limit our requests.
fn interval(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|interval| {
        if interval.is_zero() { Err("expected a duration above 0".to_owned()) } else { Ok(interval) }
    })
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
        settings.limit = TimeLimit::new(self.timeout);
        settings.timeout = self.probe_timeout;
        settings.metadata_timeout = self.metadata_timeout;
        settings.pods = self.pods.settings()?;
        settings.selection = Selection { only: in_capitals(&self.only), skip: in_capitals(&self.skip) };
        settings.ignores.clone_from(&self.ignore);
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
            timeout: self.timeout,
            namespace,
            registry: self.mirror.registry.clone(),
            region: self.mirror.region.clone(),
            maps: self.mirror.maps.clone(),
            knowledge,
            extra: [of(&self.https, Protocol::Https), of(&self.grpc, Protocol::Grpc)].concat(),
        }
    }
}
