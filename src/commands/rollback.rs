//! `rollback`: records on workloads → patches → rollout → report.

mod confirmation;
mod unwatched;

use super::{CommandError, ExitStatus, selection};
use crate::cli::{Arguments, DryRun, RollbackArguments};
use crate::cluster;
use crate::output::{self, rollback as text};
use crate::sync::rollback::run::{Settings, run as restore_images};
use crate::sync::rollback::{RollbackReport, named};

pub(super) async fn run(
    arguments: &Arguments,
    wanted: &RollbackArguments,
) -> Result<ExitStatus, CommandError> {
    let dry_run = wanted.dry_run.dry_run;
    let settings = settings(arguments, wanted)?;
    let connection = cluster::connect(&arguments.connection.flags(&settings.knowledge)).await?;
    let progress = arguments.progress();
    let unwatched = unwatched::Guard::new(&progress);
    let confirm = async |report: &RollbackReport| {
        progress.clear();
        let is_confirmed = confirmation::confirm(wanted, &connection, report).await?;
        unwatched.set(is_confirmed && dry_run == DryRun::None && wanted.rollout.wait);
        Ok(is_confirmed)
    };
    let report =
        Box::pin(restore_images(&settings, &connection, &|event| progress.observe(event), confirm)).await;
    unwatched.set(false);
    progress.clear();
    let report = report?;
    if report.is_declined {
        output::say("nothing was changed");
    } else {
        text::done(&report, wanted.output)?;
    }
    Ok(if report.needs_attention() { ExitStatus::Attention } else { ExitStatus::Done })
}

/// The flags as settings, with the file read that they name.
pub(super) fn settings(arguments: &Arguments, wanted: &RollbackArguments) -> Result<Settings, CommandError> {
    let dry_run = wanted.dry_run.dry_run;
    let workloads = named::parse(&wanted.workloads)
        .map_err(|error| CommandError::with_hint(format!("error: {error}"), error.hint()))?;
    Ok(Settings {
        scope: arguments.connection.scope(wanted.selector.as_ref()),
        workloads,
        dry_run: dry_run.setting(),
        knowledge: selection::knowledge_file(&wanted.knowledge)?,
        rollout: wanted.rollout.options(dry_run),
    })
}
