//! How workloads are changed: tried or done, and how long each rollout is waited for.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration;
use crate::cluster::PatchMode;
use crate::sync::settings;
use crate::sync::settings::RolloutOptions;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    None,
    Client,
    Server,
}

impl DryRun {
    /// What a dry run checks, and where. None: changes are made.
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
    /// Show what would be changed: `client` sends no patch to the API server; `server` (the default of the flag without
    /// a value) validates each patch with a server dry run
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

    /// Timeout of one rollout
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,

    /// Grace period for a component that was unhealthy before to become ready after its containers have started
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s", hide_short_help = true)]
    pub settle_time: Duration,
}

impl RolloutArguments {
    /// The flags as options of a rollout; without a dry run they change the cluster.
    pub fn options(&self, dry_run: DryRun) -> RolloutOptions {
        RolloutOptions {
            mode: if dry_run == DryRun::None { PatchMode::Apply } else { PatchMode::DryRun },
            wait: self.wait,
            timeout: self.timeout,
            settle_time: self.settle_time,
            ..RolloutOptions::default()
        }
    }
}
