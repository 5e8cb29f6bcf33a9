//! The half that changes the cluster: rewriting by a lock, and what that would do.

use super::Cluster;
use crate::cli::{Arguments, DryRun, SyncArguments};
use crate::cluster::workload::Workload;
use crate::cluster::{self, Connection, Listed, PatchMode};
use crate::event::{Event, Observer, Stage};
use crate::sync::rewrite::{Rewrite, Rewriter};
use crate::sync::rollout::{self, Options, WorkloadReport};

/// The workloads that flags admit.
pub(super) async fn list(
    connection: &Connection,
    arguments: &Arguments,
    sync: &SyncArguments,
) -> Result<Listed, cluster::Error> {
    let namespace = arguments.connection.namespace.as_deref();
    cluster::list_workloads(connection, namespace, sync.selector.as_deref()).await
}

/// How many workloads would be patched.
pub(super) fn count_patches(workloads: &[Workload], rewriter: Rewriter<'_>) -> usize {
    let rewrites = workloads.iter().filter_map(|workload| rewriter.rewrite(workload));
    rewrites.filter(|rewrite| matches!(rewrite, Rewrite::Patch(_))).count()
}

/// What rewriting would do: by the server's own dry run, or by us alone.
pub(super) async fn preview(
    cluster: &Cluster,
    rewriter: Rewriter<'_>,
    dry_run: DryRun,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    if dry_run == DryRun::Client {
        return rollout::preview(&cluster.workloads, rewriter);
    }
    let options = Options { mode: PatchMode::DryRun, ..Options::default() };
    roll_out(cluster, rewriter, options, observer).await
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
    roll_out(cluster, rewriter, options, observer).await
}

async fn roll_out(
    cluster: &Cluster,
    rewriter: Rewriter<'_>,
    options: Options,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    observer(Event::Stage(Stage::Rewrite));
    let connection = &cluster.scene.connection;
    rollout::roll_out(connection, &cluster.workloads, rewriter, options, observer).await
}
