//! The half that changes the cluster: rewriting by a lock, and what that would do.

use std::collections::BTreeSet;

use super::{Cluster, ExpectedLock};
use crate::cli::{Arguments, DryRun, SyncArguments};
use crate::cluster::workload::Workload;
use crate::cluster::{self, Connection, PatchMode};
use crate::commands::Stop;
use crate::event::{Event, Observer, Stage};
use crate::image::Image;
use crate::sync::discover::ImageFilter;
use crate::sync::lock::Lock;
use crate::sync::rewrite::{Rewrite, Rewriter};
use crate::sync::rollout::{self, Options, WorkloadReport};

/// The workloads that flags admit.
pub(super) async fn list(
    connection: &Connection,
    arguments: &Arguments,
    sync: &SyncArguments,
) -> Result<(Vec<Workload>, Vec<String>), cluster::Error> {
    let namespace = arguments.connection.namespace.as_deref();
    cluster::list_workloads(connection, namespace, sync.selector.as_deref()).await
}

/// How many workloads would be patched.
pub(super) fn count_patches(
    cluster: &Cluster,
    filter: &ImageFilter,
    lock: &ExpectedLock,
    left_alone: &BTreeSet<Image>,
) -> usize {
    let rewriter = Rewriter { lock, filter, left_alone };
    let rewrites = cluster.workloads.iter().filter_map(|workload| rewriter.rewrite(workload));
    rewrites.filter(|rewrite| matches!(rewrite, Rewrite::Patch(_))).count()
}

/// What rewriting would do: by the server's own dry run, or by us alone.
pub(super) async fn preview(
    cluster: &Cluster,
    filter: &ImageFilter,
    lock: &ExpectedLock,
    left_alone: &BTreeSet<Image>,
    sync: &SyncArguments,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    let rewriter = Rewriter { lock, filter, left_alone };
    if sync.dry_run == DryRun::Client {
        return rollout::preview(&cluster.workloads, rewriter);
    }
    observer(Event::Stage(Stage::Rewrite));
    let options = Options { mode: PatchMode::DryRun, ..Options::default() };
    rollout::roll_out(&cluster.scene.connection, &cluster.workloads, rewriter, options, observer)
        .await
        .workloads
}

/// Rewrites what the lock allows. After a long copy the workloads are read anew, because others work too.
#[expect(clippy::too_many_arguments, reason = "each is a plain value from the command's one screen")]
pub(super) async fn rewrite(
    cluster: &Cluster,
    arguments: &Arguments,
    sync: &SyncArguments,
    filter: &ImageFilter,
    lock: &Lock,
    left_alone: &BTreeSet<Image>,
    time_has_passed: bool,
    observer: Observer<'_>,
) -> Result<Vec<WorkloadReport>, Stop> {
    let connection = &cluster.scene.connection;
    let fresh = if time_has_passed { Some(list(connection, arguments, sync).await?.0) } else { None };
    observer(Event::Stage(Stage::Rewrite));
    let rewriter = Rewriter { lock, filter, left_alone };
    let options = Options {
        mode: PatchMode::Apply,
        wait: sync.wait,
        timeout: sync.timeout,
        settle_time: sync.settle_time,
        ..Options::default()
    };
    let workloads = fresh.as_ref().unwrap_or(&cluster.workloads);
    Ok(rollout::roll_out(connection, workloads, rewriter, options, observer).await.workloads)
}
