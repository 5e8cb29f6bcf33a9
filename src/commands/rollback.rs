//! `rollback`: what is recorded on workloads → patches → rollout → report.

use std::cell::Cell;

use super::{CommandError, Ending, question};
use crate::cli::{Arguments, DryRun, RollbackArguments};
use crate::cluster;
use crate::output::progress::Progress;
use crate::output::table::count;
use crate::output::{self, rollback as text};
use crate::sync::rollback::RollbackReport;
use crate::sync::rollback::run::{Settings, run as put_back};

pub(super) async fn run(arguments: &Arguments, wanted: &RollbackArguments) -> Result<Ending, CommandError> {
    let dry_run = wanted.dry_run.dry_run;
    let settings = Settings {
        scope: arguments.connection.scope(wanted.selector.as_ref()),
        workloads: wanted.workloads.clone(),
        dry_run: dry_run.setting(),
        rollout: wanted.rollout.options(dry_run),
    };
    let connection = cluster::connect(&arguments.connection.flags()).await?;
    let progress = Progress::new(arguments.logging.verbosity);
    let unwatched = Unwatched { progress: &progress, is_begun: Cell::new(false) };
    let approve = async |report: &RollbackReport| {
        progress.clear();
        let is_approved = approve(wanted, report).await?;
        unwatched.is_begun.set(is_approved && dry_run == DryRun::None && wanted.rollout.wait);
        Ok(is_approved)
    };
    let report = put_back(&settings, &connection, &|event| progress.observe(event), approve).await;
    unwatched.is_begun.set(false);
    progress.clear();
    let report = report?;
    if report.is_declined {
        output::say("nothing was changed");
    } else {
        text::done(&report, wanted.output)?;
    }
    Ok(if report.needs_attention() { Ending::Attention } else { Ending::Done })
}

/// Says what nodes will need again, and asks before anything is changed.
async fn approve(wanted: &RollbackArguments, report: &RollbackReport) -> Result<bool, CommandError> {
    let (dry_run, changed) = (wanted.dry_run.dry_run, report.planned_changes());
    if changed > 0 && dry_run != DryRun::Client {
        output::warning(&public_again(report, wanted.rollout.wait));
    }
    if dry_run != DryRun::None || report.workloads.is_empty() || wanted.yes {
        return Ok(true);
    }
    let work = if changed > 0 {
        format!("put the former images of {} back", count(changed, "workload"))
    } else {
        format!("remove the outdated record or claim of {}", count(report.workloads.len(), "workload"))
    };
    question::ask(work, || text::show_planned(report)).await
}

/// Says, where the run is interrupted, what no later rollback sees to: the record of an image goes with the image.
struct Unwatched<'a> {
    progress: &'a Progress,
    is_begun: Cell<bool>,
}

impl Drop for Unwatched<'_> {
    fn drop(&mut self) {
        if !self.is_begun.get() {
            return;
        }
        self.progress.clear();
        output::say(
            "note: what was rolled back is not watched any more: where it cannot run, `kubectl castai-privatelink \
             sync-images` brings the private images back",
        );
    }
}

/// What a careful person wants to know before nodes need the internet again.
fn public_again(report: &RollbackReport, wait: bool) -> String {
    let hosts = report.hosts().into_iter().collect::<Vec<_>>().join(", ");
    let consequence = if wait {
        "a component that is healthy now and breaks by it gets the private images again, and the run stops there"
    } else {
        "a component that cannot stays broken, because its rollout is not waited for"
    };
    format!("nodes need to pull from {hosts} again: {consequence}")
}
