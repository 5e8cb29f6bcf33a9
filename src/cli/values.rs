//! `values`.

use clap::{Args, Subcommand, ValueEnum};

use super::{DryRun, region};
use crate::image::Mirror;
use crate::sync::assignment::NameMap;

/// Print what makes the rewrite last through upgrades
///
/// An image that `sync-images` has rewritten is written again by whoever owns the workload: Helm at the next upgrade, an
/// operator, a GitOps repository. This prints the same names in the form that the owner takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See which policy would rename images as pods are created
  kubectl castai-privatelink values policy

  # Have it in the cluster
  kubectl castai-privatelink values policy --apply")]
pub struct ValuesArguments {
    #[command(subcommand)]
    pub kind: ValuesCommand,
}

#[derive(Debug, Subcommand)]
pub enum ValuesCommand {
    /// Print a policy that renames Cast AI's images as pods are created
    ///
    /// A MutatingAdmissionPolicy with its binding where the API server serves that, else the same for Kyverno. Init
    /// containers that webhooks inject are renamed too; pods of others are left alone. It never stops a pod.
    Policy(PolicyArguments),
}

/// Where images are, and what they are called there.
#[derive(Debug, Args)]
pub struct MirrorArguments {
    /// Registry that images are mirrored to; the ECR of the cluster's account and region without it
    #[arg(long, value_name = "HOST[/PATH]")]
    pub registry: Option<Mirror>,

    /// AWS region of the cluster; taken from its nodes without it
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,

    /// Name of a public repository in the mirror; may be repeated
    #[arg(long = "map", value_name = "PRIVATE=PUBLIC")]
    pub maps: Vec<NameMap>,
}

#[derive(Debug, Args)]
pub struct PolicyArguments {
    #[command(flatten)]
    pub mirror: MirrorArguments,

    /// What is renamed: the repositories that the registry is seen to hold, or all that begin like Cast AI's
    #[arg(long, value_enum, value_name = "EXTENT", default_value_t = Extent::Mirrored)]
    pub extent: Extent,

    /// Who carries the policy out; found out by asking the API server without it
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub engine: Option<Engine>,

    /// Apply the policy instead of printing it
    #[arg(long)]
    pub apply: bool,

    /// With --apply, show what would be done: `client` asks nobody, `server` (meant by the bare flag) has the API server check it
    #[arg(
        long,
        value_enum,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = DryRun::None,
        default_missing_value = "server",
        requires = "apply"
    )]
    pub dry_run: DryRun,

    /// With --apply, go on without asking
    #[arg(long, short, requires = "apply")]
    pub yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Extent {
    Mirrored,
    Prefixes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Kubernetes,
    Kyverno,
}
