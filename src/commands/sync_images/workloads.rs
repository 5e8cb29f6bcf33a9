//! The half that changes the cluster: rewriting by a lock, and what that would do.

use std::collections::BTreeMap;

use super::Cluster;
use crate::cli::{Arguments, DryRun, SyncArguments};
use crate::cluster::custom::Resource;
use crate::cluster::release::{Release, Search};
use crate::cluster::workload::Workload;
use crate::cluster::{self, Connection, Listed, PatchMode};
use crate::event::{Event, Observer, Stage};
use crate::sync::discover::{is_release_wanted, release_namespaces, releases_of};
use crate::sync::claims;
use crate::sync::ownership::{self, Owner};
use crate::sync::rewrite::{Rewrite, Rewriter};
use crate::sync::rollout::{self, Options, Outcome, WorkloadReport};

/// The workloads that flags admit.
pub(super) async fn list(
    connection: &Connection,
    arguments: &Arguments,
    sync: &SyncArguments,
) -> Result<Listed, cluster::Error> {
    let namespace = arguments.connection.namespace.as_deref();
    cluster::list_workloads(connection, namespace, sync.selector.as_deref()).await
}

/// The Helm releases that `workloads` belong to, and those that look like Cast AI's. A selector chooses workloads alone,
/// and leaves releases out.
pub(super) async fn releases(
    connection: &Connection,
    arguments: &Arguments,
    sync: &SyncArguments,
    workloads: &[Workload],
) -> Result<(Vec<Release>, Vec<String>), cluster::Error> {
    if sync.selector.is_some() {
        return Ok((Vec::new(), Vec::new()));
    }
    let of_workloads = releases_of(workloads);
    let search = Search {
        namespace: arguments.connection.namespace.as_deref(),
        likely: release_namespaces(workloads),
        is_wanted: &|namespace, name| is_release_wanted(&of_workloads, namespace, name),
    };
    cluster::list_releases(connection, search).await
}

/// Custom resources of Cast AI's; a selector leaves them out too.
pub(super) async fn resources(
    connection: &Connection,
    arguments: &Arguments,
    sync: &SyncArguments,
) -> Result<(Vec<Resource>, Vec<String>), cluster::Error> {
    if sync.selector.is_some() {
        return Ok((Vec::new(), Vec::new()));
    }
    cluster::list_custom_resources(connection, arguments.connection.namespace.as_deref()).await
}

/// Decides by the lock, and leaves to their owners what those would put back at once.
fn decide<'r>(
    cluster: &'r Cluster,
    rewriter: Rewriter<'r>,
    sync: &SyncArguments,
) -> impl Fn(&Workload) -> Option<Rewrite> + Sync + use<'r> {
    let force = sync.force;
    move |workload| match rewriter.rewrite(workload)? {
        Rewrite::Patch(patch) if !force && !patch.changes.is_empty() => {
            let owners = ownership::owners(workload, &cluster.surroundings);
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
pub(super) fn count_patches(cluster: &Cluster, rewriter: Rewriter<'_>, sync: &SyncArguments) -> usize {
    let rewrites = cluster.workloads.iter().filter_map(decide(cluster, rewriter, sync));
    rewrites.filter(|rewrite| matches!(rewrite, Rewrite::Patch(_))).count()
}

/// What rewriting would do, without asking the server.
pub(super) fn preview_alone(
    cluster: &Cluster,
    rewriter: Rewriter<'_>,
    sync: &SyncArguments,
) -> Vec<WorkloadReport> {
    with_owners(cluster, rollout::preview(&cluster.workloads, &decide(cluster, rewriter, sync)))
}

/// What rewriting would do: by the server's own dry run, or by us alone.
pub(super) async fn preview(
    cluster: &Cluster,
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
    cluster: &Cluster,
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
    cluster: &Cluster,
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
fn with_owners(cluster: &Cluster, mut reports: Vec<WorkloadReport>) -> Vec<WorkloadReport> {
    let workloads: BTreeMap<_, _> =
        cluster.workloads.iter().map(|workload| (&workload.name, workload)).collect();
    for report in &mut reports {
        let Some(workload) = workloads.get(&report.workload) else { continue };
        if !report.changes.is_empty() {
            report.owners = ownership::owners(workload, &cluster.surroundings);
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
