//! `endpoints`.

use clap::{Args, Subcommand, ValueEnum};

use super::region;

/// The VPC endpoints through which a cluster reaches Cast AI
///
/// An endpoint connects the VPC to one of Cast AI's endpoint services.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # List Cast AI's endpoint services in all regions
  kubectl castai-privatelink endpoints list

  # Those of one region, for a script
  kubectl castai-privatelink endpoints list --region us-east-1 -o json")]
pub struct EndpointsArguments {
    #[command(subcommand)]
    pub command: EndpointsCommand,
}

#[derive(Debug, Subcommand)]
pub enum EndpointsCommand {
    /// List Cast AI's endpoint services: what each is for, its hosts, who needs it, and its name in each region
    ///
    /// Sends no request. The names that Cast AI's guide uses are next to ours. The exit code is 1 if no service is known in
    /// the region.
    List(ListArguments),
}

#[derive(Debug, Args)]
pub struct ListArguments {
    /// AWS region whose services are listed (default: all regions)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = EndpointsFormat::Table)]
    pub output: EndpointsFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EndpointsFormat {
    Table,
    Json,
    Yaml,
}
