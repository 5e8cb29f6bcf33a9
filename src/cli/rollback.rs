//! `rollback`.

use std::time::Duration;

use clap::Args;

use super::{DryRun, OutputFormat, duration};
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

    /// Show what would be done: `client` sends the API server no patch, `server` (meant by the bare flag) has the API server check every patch
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

    /// Go on without asking
    #[arg(long, short)]
    pub yes: bool,

    /// Wait for the rollouts
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub wait: bool,

    /// Longest wait for one rollout
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,

    /// How long a component that was broken before may take to become ready after its containers have started
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s", hide_short_help = true)]
    pub settle_time: Duration,

    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}
