//! The half that changes the cluster: rewriting by a lock, and what that would do.

use std::collections::BTreeMap;

use super::{Options, Outcome, WorkloadReport};
use crate::cluster::PatchMode;
use crate::event::{Event, Observer, Stage};
use crate::model::workload::Workload;
use crate::ownership::claims;
use crate::model::owner::Owner;
use crate::ownership::owners;
use crate::sync::discover::snapshot::ClusterSnapshot;
use crate::sync::rewrite::{Rewrite, Rewriter};
use crate::sync::settings::{DryRun, Settings};

/// Decides by the lock, and leaves to their owners what those would put back at once.
fn decide<'r>(
    cluster: &'r ClusterSnapshot,
    rewriter: Rewriter<'r>,
    settings: &Settings,
) -> impl Fn(&Workload) -> Option<Rewrite> + Sync + use<'r> {
    let force = settings.force;
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
pub(in crate::sync) fn count_patches(
    cluster: &ClusterSnapshot,
    rewriter: Rewriter<'_>,
    settings: &Settings,
) -> usize {
    let rewrites = cluster.workloads.iter().filter_map(decide(cluster, rewriter, settings));
    rewrites.filter(|rewrite| matches!(rewrite, Rewrite::Patch(_))).count()
}

/// What rewriting would do, without asking the server.
pub(in crate::sync) fn preview(
    cluster: &ClusterSnapshot,
    rewriter: Rewriter<'_>,
    settings: &Settings,
) -> Vec<WorkloadReport> {
    with_owners(cluster, super::preview(&cluster.workloads, &decide(cluster, rewriter, settings)))
}

/// What rewriting would do: by the server's own dry run, or by us alone.
pub(in crate::sync) async fn dry_run(
    cluster: &ClusterSnapshot,
    rewriter: Rewriter<'_>,
    settings: &Settings,
    dry_run: DryRun,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    match dry_run {
        DryRun::Client => preview(cluster, rewriter, settings),
        DryRun::Server => {
            let options = Options { mode: PatchMode::DryRun, ..Options::default() };
            patch_all(cluster, rewriter, settings, options, observer).await
        }
    }
}

/// Rewrites what the lock allows.
pub(in crate::sync) async fn roll_out(
    cluster: &ClusterSnapshot,
    rewriter: Rewriter<'_>,
    settings: &Settings,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    patch_all(cluster, rewriter, settings, settings.rollout, observer).await
}

async fn patch_all(
    cluster: &ClusterSnapshot,
    rewriter: Rewriter<'_>,
    settings: &Settings,
    options: Options,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    observer(Event::Stage(Stage::Rewrite));
    let connection = &cluster.environment.connection;
    let decide = decide(cluster, rewriter, settings);
    let reports = super::roll_out(connection, &cluster.workloads, &decide, options, observer).await;
    with_owners(cluster, reports)
}

/// Names who writes the images too that were or would be changed, and whose claim keeps the private ones.
fn with_owners(cluster: &ClusterSnapshot, mut reports: Vec<WorkloadReport>) -> Vec<WorkloadReport> {
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
