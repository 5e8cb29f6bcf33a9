//! `rollback`: what is recorded on workloads → patches → rollout → report.

use super::{CommandError, Ending, question, scene};
use crate::cli::{Arguments, DryRun, RollbackArguments};
use crate::cluster::{self, Listed, PatchMode};
use crate::event::{Event, Observer, Stage};
use crate::output::progress::Progress;
use crate::output::table::count;
use crate::output::{self, rollback as text};
use crate::sync::rollback::{RollbackReport, decide, left_alone};
use crate::sync::rollout::{self, Options, Outcome, WorkloadReport};

pub(super) async fn run(arguments: &Arguments, rollback: &RollbackArguments) -> Result<Ending, CommandError> {
    let progress = Progress::new(arguments.logging.verbosity);
    let ending = put_back(arguments, rollback, &progress).await;
    progress.clear();
    ending
}

async fn put_back(
    arguments: &Arguments,
    rollback: &RollbackArguments,
    progress: &Progress,
) -> Result<Ending, CommandError> {
    let observer: Observer<'_> = &|event| progress.observe(event);
    observer(Event::Stage(Stage::Discover));
    let connection = scene::connect(arguments).await?;
    let namespace = arguments.connection.namespace.as_deref();
    let Listed { mut workloads, notes, unlisted } =
        cluster::list_workloads(&connection, namespace, rollback.selector.as_deref()).await?;
    progress.clear();
    for note in &notes {
        output::warning(note);
    }
    workloads.retain(|workload| {
        let names = &rollback.workloads;
        names.is_empty() || names.iter().any(|named| named.is(&workload.name))
    });
    let left: Vec<_> = workloads.iter().flat_map(left_alone).collect();
    let planned = rollout::preview(&workloads, &decide);
    let mut report = RollbackReport::new(left, notes, unlisted);
    let known = |name: &_| {
        let left = report.left_alone.iter().map(|left| &left.workload);
        planned.iter().map(|planned| &planned.workload).chain(left).any(|workload| workload == name)
    };
    for named in &rollback.workloads {
        let mut found = workloads.iter().filter(|workload| named.is(&workload.name)).peekable();
        if found.peek().is_none() {
            report.not_found.push(named.to_string());
        } else if !found.any(|workload| known(&workload.name)) {
            report.not_recorded.push(named.to_string());
        }
    }
    report.workloads = planned;

    let options = Options {
        mode: if rollback.dry_run == DryRun::None { PatchMode::Apply } else { PatchMode::DryRun },
        wait: rollback.wait,
        timeout: rollback.timeout,
        settle_time: rollback.settle_time,
        ..Options::default()
    };
    let changed = report.workloads.iter().filter(|workload| is_planned(workload)).count();
    if changed > 0 && rollback.dry_run != DryRun::Client {
        output::warning(&public_again(&report, rollback.wait));
    }
    if rollback.dry_run == DryRun::None && !report.workloads.is_empty() && !rollback.yes {
        let work = if changed > 0 {
            format!("put the former images of {} back", count(changed, "workload"))
        } else {
            format!("remove the outdated record or claim of {}", count(report.workloads.len(), "workload"))
        };
        if !question::ask(work, || text::show_planned(&report)).await? {
            output::say("nothing was changed");
            return Ok(Ending::Attention);
        }
    }
    if rollback.dry_run != DryRun::Client {
        observer(Event::Stage(Stage::Rewrite));
        let is_watched = rollback.dry_run == DryRun::None && rollback.wait;
        let unwatched = is_watched.then(|| Unwatched(progress));
        report.workloads = rollout::roll_out(&connection, &workloads, &decide, options, observer).await;
        std::mem::forget(unwatched);
        progress.clear();
    }
    text::done(&report, rollback.output)?;
    Ok(if report.needs_attention() { Ending::Attention } else { Ending::Done })
}

/// Says, where the run is interrupted, what no later rollback sees to: the record of an image goes with the image.
struct Unwatched<'a>(&'a Progress);

impl Drop for Unwatched<'_> {
    fn drop(&mut self) {
        self.0.clear();
        output::say(
            "note: what was rolled back is not watched any more: where it cannot run, `kubectl castai-privatelink \
             sync-images` brings the private images back",
        );
    }
}

fn is_planned(workload: &WorkloadReport) -> bool {
    workload.outcome == Outcome::Planned && !workload.changes.is_empty()
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
