//! `preflight cleanup`: removes what an earlier run could not.

use crate::cli::{Arguments, DryRun, PreflightCleanupArguments};
use crate::cluster;
use crate::cluster::probe_pods::DeleteMode;
use crate::commands::{CommandError, ExitStatus};
use crate::model::knowledge::Knowledge;
use crate::output::preflight::pods as text;
use crate::preflight::vantage::pod::leftovers;

pub(super) async fn run(
    arguments: &Arguments,
    cleanup: &PreflightCleanupArguments,
) -> Result<ExitStatus, CommandError> {
    let connection = cluster::connect(&arguments.connection.flags(&Knowledge::default())).await?;
    let (mode, suffix) = match cleanup.dry_run.dry_run {
        DryRun::None => (DeleteMode::Delete, ""),
        DryRun::Client => (DeleteMode::None, " (dry run)"),
        DryRun::Server => (DeleteMode::DryRun, " (server dry run)"),
    };
    let leftovers = leftovers::remove(&connection, arguments.connection.namespace.as_deref(), mode).await?;
    text::removed(&leftovers, suffix)?;
    let is_clean = leftovers.iter().all(|leftover| leftover.failure.is_none());
    Ok(if is_clean { ExitStatus::Done } else { ExitStatus::Attention })
}
