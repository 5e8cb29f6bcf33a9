//! How workloads are changed: tried or done, and how long each rollout is waited for.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration;
use crate::cluster::PatchMode;
use crate::sync::rollout::Options;
use crate::sync::settings;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    None,
    Client,
    Server,
}

impl DryRun {
    /// What is tried, and by whom; none where changes are made.
    pub const fn setting(self) -> Option<settings::DryRun> {
        match self {
            Self::None => None,
            Self::Client => Some(settings::DryRun::Client),
            Self::Server => Some(settings::DryRun::Server),
        }
    }
}

#[derive(Debug, Args)]
pub struct DryRunArguments {
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
}

#[derive(Debug, Args)]
pub struct RolloutArguments {
    /// Wait for the rollouts
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub wait: bool,

    /// Longest wait for one rollout
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,

    /// How long a component that was broken before may take to become ready after its containers have started
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s", hide_short_help = true)]
    pub settle_time: Duration,
}

impl RolloutArguments {
    /// The flags as options of a rollout; without a dry run they change the cluster.
    pub fn options(&self, dry_run: DryRun) -> Options {
        Options {
            mode: if dry_run == DryRun::None { PatchMode::Apply } else { PatchMode::DryRun },
            wait: self.wait,
            timeout: self.timeout,
            settle_time: self.settle_time,
            ..Options::default()
        }
    }
}
