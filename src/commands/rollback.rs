//! `rollback`: records on workloads → patches → rollout → report.

use std::cell::Cell;

use super::{CommandError, ExitStatus, discovery, question};
use crate::cli::{Arguments, DryRun, RollbackArguments};
use crate::cluster::{self, Connection};
use crate::output::progress::Progress;
use crate::output::table::count;
use crate::output::{self, rollback as text};
use crate::sync::rollback::run::{Settings, run as put_back};
use crate::sync::rollback::{RollbackReport, named};

pub(super) async fn run(
    arguments: &Arguments,
    wanted: &RollbackArguments,
) -> Result<ExitStatus, CommandError> {
    let dry_run = wanted.dry_run.dry_run;
    let settings = settings(arguments, wanted)?;
    let connection = cluster::connect(&arguments.connection.flags(&settings.knowledge)).await?;
    let progress = arguments.progress();
    let unwatched = WatchGuard { progress: &progress, is_begun: Cell::new(false) };
    let approve = async |report: &RollbackReport| {
        progress.clear();
        let is_approved = approve(wanted, &connection, report).await?;
        unwatched.is_begun.set(is_approved && dry_run == DryRun::None && wanted.rollout.wait);
        Ok(is_approved)
    };
    let report = Box::pin(put_back(&settings, &connection, &|event| progress.observe(event), approve)).await;
    unwatched.is_begun.set(false);
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
        knowledge: discovery::knowledge_file(&wanted.knowledge)?,
        rollout: wanted.rollout.options(dry_run),
    })
}

/// Prints the registries that nodes will need again, and asks for confirmation.
async fn approve(
    wanted: &RollbackArguments,
    connection: &Connection,
    report: &RollbackReport,
) -> Result<bool, CommandError> {
    let (dry_run, changed) = (wanted.dry_run.dry_run, report.planned_changes());
    if changed > 0 && dry_run != DryRun::Client {
        output::warning(&public_again(report, wanted.rollout.wait));
    }
    if dry_run != DryRun::None || !report.is_anything_planned() {
        return Ok(true);
    }
    let (name, account) = (&connection.name, connection.eks.as_ref().and_then(|eks| eks.account.as_deref()));
    if wanted.yes {
        text::show_cluster(name, account);
        return Ok(true);
    }
    let work = if changed > 0 {
        format!("restore the original images of {} in cluster {name}", count(changed, "workload"))
    } else {
        format!(
            "remove the outdated record or field ownership of {} in cluster {name}",
            count(report.workloads.len(), "workload")
        )
    };
    question::confirm(work, || text::show_planned(report, name, account)).await
}

/// Warns, if the run is interrupted, about restored workloads that no later rollback will watch: the record of an image
/// is removed together with the image.
struct WatchGuard<'a> {
    progress: &'a Progress,
    is_begun: Cell<bool>,
}

impl Drop for WatchGuard<'_> {
    fn drop(&mut self) {
        if !self.is_begun.get() {
            return;
        }
        self.progress.clear();
        output::say(
            "note: rollouts are no longer watched; if a workload cannot run, restore its private images \
             with `kubectl castai-privatelink sync-images`",
        );
    }
}

/// What to know before nodes need the internet again.
fn public_again(report: &RollbackReport, wait: bool) -> String {
    let hosts = report.hosts().into_iter().collect::<Vec<_>>().join(", ");
    let consequence = if wait {
        "if a rollout fails, it is reverted to the private image and the rollback stops"
    } else {
        "rollouts are not watched, and a workload that cannot pull its image is not reverted"
    };
    format!("nodes will pull from {hosts} again: {consequence}")
}
