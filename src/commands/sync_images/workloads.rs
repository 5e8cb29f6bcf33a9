//! The half that changes the cluster: rewriting by a lock, and what that would do.

use std::collections::BTreeMap;

use crate::cli::{DryRun, SyncArguments};
use crate::cluster::PatchMode;
use crate::commands::survey::Survey;
use crate::event::{Event, Observer, Stage};
use crate::model::workload::Workload;
use crate::ownership::claims;
use crate::ownership::owners::{self, Owner};
use crate::sync::rewrite::{Rewrite, Rewriter};
use crate::sync::rollout::{self, Options, Outcome, WorkloadReport};

/// Decides by the lock, and leaves to their owners what those would put back at once.
fn decide<'r>(
    cluster: &'r Survey,
    rewriter: Rewriter<'r>,
    sync: &SyncArguments,
) -> impl Fn(&Workload) -> Option<Rewrite> + Sync + use<'r> {
    let force = sync.force;
    move |workload| match rewriter.rewrite(workload)? {
        Rewrite::Patch(patch) if !force && !patch.changes.is_empty() => {
            let owners = owners::owners(workload, &cluster.surroundings);
            Some(match owners.iter().find(|owner| owner.heals) {
                Some(Owner { name, reverts, .. }) => Rewrite::HeldBack(format!(
                    "{name} {reverts}: change the image where {name} takes it from, or use --force"
                )),
                None => Rewrite::Patch(patch),
            })
        }
        other => Some(other),
    }
}

/// How many workloads would be patched.
pub(super) fn count_patches(cluster: &Survey, rewriter: Rewriter<'_>, sync: &SyncArguments) -> usize {
    let rewrites = cluster.workloads.iter().filter_map(decide(cluster, rewriter, sync));
    rewrites.filter(|rewrite| matches!(rewrite, Rewrite::Patch(_))).count()
}

/// What rewriting would do, without asking the server.
pub(super) fn preview_alone(
    cluster: &Survey,
    rewriter: Rewriter<'_>,
    sync: &SyncArguments,
) -> Vec<WorkloadReport> {
    with_owners(cluster, rollout::preview(&cluster.workloads, &decide(cluster, rewriter, sync)))
}

/// What rewriting would do: by the server's own dry run, or by us alone.
pub(super) async fn preview(
    cluster: &Survey,
    rewriter: Rewriter<'_>,
    sync: &SyncArguments,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    if sync.dry_run == DryRun::Client {
        return preview_alone(cluster, rewriter, sync);
    }
    let options = Options { mode: PatchMode::DryRun, ..Options::default() };
    roll_out(cluster, rewriter, sync, options, observer).await
}

/// Rewrites what the lock allows.
pub(super) async fn rewrite(
    cluster: &Survey,
    rewriter: Rewriter<'_>,
    sync: &SyncArguments,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    let options = Options {
        mode: PatchMode::Apply,
        wait: sync.wait,
        timeout: sync.timeout,
        settle_time: sync.settle_time,
        ..Options::default()
    };
    roll_out(cluster, rewriter, sync, options, observer).await
}

async fn roll_out(
    cluster: &Survey,
    rewriter: Rewriter<'_>,
    sync: &SyncArguments,
    options: Options,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    observer(Event::Stage(Stage::Rewrite));
    let connection = &cluster.scene.connection;
    let decide = decide(cluster, rewriter, sync);
    let reports = rollout::roll_out(connection, &cluster.workloads, &decide, options, observer).await;
    with_owners(cluster, reports)
}

/// Names who writes the images too that were or would be changed, and whose claim keeps the private ones.
fn with_owners(cluster: &Survey, mut reports: Vec<WorkloadReport>) -> Vec<WorkloadReport> {
    let workloads: BTreeMap<_, _> =
        cluster.workloads.iter().map(|workload| (&workload.name, workload)).collect();
    for report in &mut reports {
        let Some(workload) = workloads.get(&report.workload) else { continue };
        if !report.changes.is_empty() {
            report.owners = owners::owners(workload, &cluster.surroundings);
        }
        if matches!(
            report.outcome,
            Outcome::Updated | Outcome::Unchanged | Outcome::Planned | Outcome::DryRunOk
        ) {
            report.claim = claims::of_workload(workload, &report.changes, &report.released);
        }
    }
    reports
}
