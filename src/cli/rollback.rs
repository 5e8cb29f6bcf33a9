//! `rollback`.

use clap::Args;

use super::{DryRunArguments, KnowledgeFileArguments, OutputFormat, RolloutArguments};

/// Restore the images that sync-images replaced
///
/// The original images are recorded on each workload, so that no request is sent to a registry or to AWS. Only images
/// that have not changed since sync-images are restored: a component that was upgraded since is never downgraded. The
/// mirrored images stay in the registry.
///
/// Waits for each rollout. If a healthy component becomes unhealthy with its original images, for example because nodes
/// cannot pull them, its private images are restored and the run stops; with --wait=false the original images stay.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # See what would be restored
  kubectl castai-privatelink rollback --dry-run

  # Restore everything
  kubectl castai-privatelink rollback

  # Only one component
  kubectl castai-privatelink rollback deployment/castai-agent -n castai-agent

  # Two components of one type
  kubectl castai-privatelink rollback deploy castai-agent castai-evictor")]
pub struct RollbackArguments {
    /// Workloads to roll back, as TYPE NAME... or TYPE/NAME... (default: all)
    #[arg(value_name = "TYPE[/NAME]")]
    pub workloads: Vec<String>,

    /// Label selector that workloads must match
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    pub selector: Option<String>,

    #[command(flatten)]
    pub knowledge: KnowledgeFileArguments,

    #[command(flatten)]
    pub dry_run: DryRunArguments,

    /// Skip the confirmation prompt
    #[arg(long, short)]
    pub yes: bool,

    #[command(flatten)]
    pub rollout: RolloutArguments,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
