//! `rollback`.

use clap::Args;

use super::{DryRunArguments, OutputFormat, RolloutArguments};
use crate::sync::rollback::Named;

/// Put back the images that sync-images replaced
///
/// What stood there before is recorded on each workload itself, so that neither a registry nor AWS is asked. Only what
/// is still as sync-images left it goes back: a component that was upgraded since is never downgraded. The mirrored
/// images stay in the registry.
///
/// Each rollout is waited for. A component that was healthy and is not with its former images, for example because
/// nodes cannot pull them, gets the private images again, and the run stops there; with --wait=false it keeps the former
/// ones.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See what would be put back
  kubectl castai-privatelink rollback --dry-run

  # Put everything back
  kubectl castai-privatelink rollback

  # Only one component
  kubectl castai-privatelink rollback deployment/castai-agent -n castai-agent")]
pub struct RollbackArguments {
    /// Workloads to roll back; all without it
    #[arg(value_name = "TYPE/NAME")]
    pub workloads: Vec<Named>,

    /// Label selector that workloads must match
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    pub selector: Option<String>,

    #[command(flatten)]
    pub dry_run: DryRunArguments,

    /// Go on without asking
    #[arg(long, short)]
    pub yes: bool,

    #[command(flatten)]
    pub rollout: RolloutArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
