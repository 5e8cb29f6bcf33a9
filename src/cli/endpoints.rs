//! `endpoints`.

mod list;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

pub use self::list::ListArguments;
pub use self::target::TargetArguments;
use self::target::id_of_vpc;
use super::{DryRun, duration, region};
use crate::endpoints::apply::Mode;
use crate::endpoints::run::Options;
use crate::model::image::Mirror;
use crate::model::name_map::NameMap;
use crate::sync::settings::MirrorSettings;

/// The VPC endpoints through which a cluster reaches Cast AI
///
/// An endpoint connects the VPC to one of Cast AI's endpoint services.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # List Cast AI's endpoint services in all regions
  kubectl castai-privatelink endpoints list

  # Those of one region, for a script
  kubectl castai-privatelink endpoints list --region us-east-1 -o json

  # The endpoints that the VPC of the cluster has, and what is missing
  kubectl castai-privatelink endpoints list --in-vpc

  # Show what the cluster's VPC lacks
  kubectl castai-privatelink endpoints plan

  # The same with the endpoints of AWS that isolated nodes need
  kubectl castai-privatelink endpoints plan --with-aws-endpoints

  # Create it, after a confirmation prompt
  kubectl castai-privatelink endpoints create --with-aws-endpoints

  # Terraform code for the same, with repositories for the images
  kubectl castai-privatelink images -o json >inventory.json
  kubectl castai-privatelink endpoints terraform --inventory inventory.json --out castai-privatelink

  # Print a script that creates it with the AWS CLI, and run that
  kubectl castai-privatelink endpoints aws-cli >endpoints.sh
  bash endpoints.sh

  # Without access to the cluster, as the owner of a shared VPC
  kubectl castai-privatelink endpoints plan --region us-east-1 --vpc vpc-0123 --subnet subnet-0456 --subnet subnet-0789")]
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
    ///
    /// With --in-vpc or --vpc, it reads the VPC as `plan` does, and lists the endpoints that exist: state, private DNS,
    /// subnets, security groups, and what is missing. A missing endpoint is a result and no error: the exit code is 1
    /// only if a problem prevents an endpoint from working, or if something could not be read.
    List(ListArguments),
    /// Show which endpoints, rules and tags the VPC of the cluster lacks, and what they cost; changes nothing
    ///
    /// Finds VPC and subnets from the cluster's nodes, node groups and node classes, or from --vpc and --subnet. With these
    /// two and --region, no cluster is needed. Endpoints get one address in each zone that nodes have and the service
    /// supports. Existing endpoints are used, and get what they lack. The exit code is 1 if a problem prevents a part
    /// of the plan.
    Plan(PlanArguments),
    /// Create the endpoints, rules and tags that the VPC of the cluster lacks
    ///
    /// Carries out the plan after a confirmation prompt, and waits until the endpoints are available. Running again is safe:
    /// it continues what was interrupted, fixes what was changed by hand since, and changes nothing else. Nothing is
    /// removed or narrowed. The exit code is 1 if something of the plan could not be done.
    Create(CreateArguments),
    /// Print Terraform code that leads to the same as `create`, or write it into a folder
    ///
    /// A module, and a configuration that calls it for the VPC of the cluster. What `create` made is imported; endpoints of
    /// others stay theirs and get what they lack. Needs Terraform 1.5 or later, or OpenTofu. The exit code is 1 if a
    /// problem prevents a part of the plan.
    Terraform(TerraformArguments),
    /// Print a script of AWS CLI calls that leads to the same state as `create`
    ///
    /// For those who may run AWS commands only themselves, or want to read each one before. The script is for bash. It looks
    /// up what exists and adds what is missing, so that it can be run again, and waits until the endpoints are available.
    /// The exit code is 1 if a problem prevents a part of the plan; the script then has the other parts.
    AwsCli(TargetArguments),
    /// Delete what `create` made: endpoints, security groups and subnet tags that carry this plugin's tag
    ///
    /// Everything else stays, also attributes of the VPC that were turned on. All clusters in the VPC lose their private
    /// way to Cast AI.
    Delete(DeleteArguments),
}

impl EndpointsCommand {
    /// Whether it may change something in AWS.
    pub fn may_change(&self) -> bool {
        match self {
            Self::List(_) | Self::Plan(_) | Self::Terraform(_) | Self::AwsCli(_) => false,
            Self::Create(CreateArguments { change, .. }) | Self::Delete(DeleteArguments { change, .. }) => {
                change.dry_run == DryRun::None
            }
        }
    }
}

#[derive(Debug, Args)]
pub struct PlanArguments {
    #[command(flatten)]
    pub target: TargetArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = EndpointsFormat::Table)]
    pub output: EndpointsFormat,
}

#[derive(Debug, Args)]
pub struct TerraformArguments {
    #[command(flatten)]
    pub target: TargetArguments,

    /// Folder to write the files into (default: print them)
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,

    /// Replace files that exist and differ
    #[arg(long, requires = "out")]
    pub overwrite: bool,

    /// Inventory of `images -o json`: also generate an ECR repository for each of its images
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,

    /// Registry of the repositories (default: `castai-privatelink` in the ECR of the cluster's account and region)
    #[arg(long, value_name = "HOST[/PATH]", requires = "inventory")]
    pub registry: Option<Mirror>,

    /// Name of a public repository in the mirror; may be repeated
    #[arg(long = "map", value_name = "PRIVATE=PUBLIC", requires = "inventory")]
    pub maps: Vec<NameMap>,
}

impl TerraformArguments {
    /// Where the images are mirrored to.
    pub fn mirror(&self) -> MirrorSettings {
        MirrorSettings {
            registries: self.registry.iter().cloned().collect(),
            region: self.target.vpc.region.clone(),
            maps: self.maps.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub struct CreateArguments {
    #[command(flatten)]
    pub target: TargetArguments,

    #[command(flatten)]
    pub change: ChangeArguments,
}

#[derive(Debug, Args)]
pub struct DeleteArguments {
    /// AWS region of the VPC (default: the cluster's)
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// VPC of the endpoints (default: the cluster's)
    #[arg(long, value_name = "ID", value_parser = id_of_vpc)]
    pub vpc: Option<String>,

    #[command(flatten)]
    pub change: ChangeArguments,
}

/// How changes in AWS are made.
#[derive(Debug, Args)]
pub struct ChangeArguments {
    /// Show what would be changed: `client` sends no request that changes something; `server` (the default of the flag
    /// without a value) lets EC2 check the caller's permissions for each request
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = DryRun::None,
        default_missing_value = "server"
    )]
    pub dry_run: DryRun,

    /// Skip the confirmation prompt
    #[arg(long, short)]
    pub yes: bool,

    /// Wait until the endpoints are available (delete always waits, because security groups are in use until then)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub wait: bool,

    /// Timeout of the wait
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    pub timeout: Duration,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = EndpointsFormat::Table)]
    pub output: EndpointsFormat,
}

impl ChangeArguments {
    /// How requests are made; `None` for a client dry run, which makes none.
    pub const fn options(&self) -> Option<Options> {
        let mode = match self.dry_run {
            DryRun::None => Mode::Change,
            DryRun::Server => Mode::DryRun,
            DryRun::Client => return None,
        };
        Some(Options { mode, wait: self.wait, timeout: self.timeout })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EndpointsFormat {
    Table,
    Json,
    Yaml,
}
