//! The main job: discover → plan → mirror → verify → rewrite → rollout.

pub mod artifact;
pub mod discover;
pub mod mirror;
mod mirroring;
pub mod plan;
pub mod presence;
pub mod provenance;
pub mod report;
pub mod rewrite;
pub mod rollback;
pub mod rollout;
pub mod settings;
pub mod status;
pub mod target;
pub mod verify;

use self::discover::gather;
use self::mirroring::Mirroring;
use self::report::{Proposal, SyncReport};
use self::rollout::changes::Changes;
use self::settings::{Ports, Settings};
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::plan::Plan;

/// Runs the stages in `settings`. Calls `approve` before anything is changed.
///
/// # Errors
/// A whole stage failed. Failures of single images and workloads are in the report.
pub async fn run(
    settings: &Settings,
    ports: &Ports,
    observer: Observer<'_>,
    approve: impl AsyncFnOnce(&Proposal<'_>) -> Result<bool, CommandError>,
) -> Result<SyncReport, CommandError> {
    let stages = settings.stages;
    settings.artifacts.check()?;

    observer(Event::Stage(Stage::Discover));
    let mut cluster = gather::read_cluster(settings, ports).await?;
    let filter = settings.filter.clone().below(target::known_mirror(settings, cluster.as_ref()));
    let inventory = gather::inventory(settings, &filter, cluster.as_ref(), observer);
    settings.artifacts.inventory.write(&inventory)?;
    if (inventory.images.is_empty() && settings.artifacts.plan.given().is_none())
        || !(stages.mirror || stages.rewrite)
    {
        return Ok(SyncReport::discovered(&inventory));
    }

    // With a lock from another machine, the lock states what is verified; otherwise the registries do.
    let mirroring = if let Some(lock) = settings.artifacts.lock.given() {
        Mirroring::of_lock(lock.clone(), &inventory, settings, observer)?
    } else {
        let region = settings.mirror.region.as_deref();
        let described = cluster.as_ref().map(|cluster| cluster.environment.cluster(region));
        let described = described.as_ref().or_else(|| inventory.clusters.first());
        Mirroring::plan(settings, &ports.network, &inventory, described, observer).await?
    };
    let expected = mirroring.expected_lock(stages.mirror);
    let rewriter = mirroring.rewriter(&expected, &filter);
    let rewritten = cluster.as_ref().filter(|_| stages.rewrite);
    let changes = rewritten.map(|cluster| Changes::decide(cluster, rewriter, settings));
    let cluster_plans = rewritten.zip(changes.as_ref()).zip(mirroring.mirror());
    let cluster_plans =
        cluster_plans.map(|((cluster, changes), mirror)| changes.plan(cluster, mirror, &filter.knowledge));
    let plan = mirroring
        .plan_made()
        .map(|plan| Plan { cluster_plans: cluster_plans.into_iter().collect(), ..plan.clone() });
    if let Some(plan) = &plan {
        settings.artifacts.plan.write(plan)?;
    }
    let mut planned = mirroring.planned_report(&inventory, plan, stages.mirror);
    if let Some(dry_run) = settings.dry_run {
        if let Some((cluster, changes)) = rewritten.zip(changes) {
            planned.workloads = changes.dry_run(cluster, rewriter, settings, dry_run, observer).await;
        }
        return Ok(planned.with_traffic(mirroring.traffic()));
    }
    let patches = changes.as_ref().map_or(0, Changes::patches);
    if let Some((cluster, changes)) = rewritten.zip(changes.as_ref()) {
        planned.workloads = changes.preview(cluster);
    }
    let (copies, upload_bytes) = mirroring.copies();
    let proposal = Proposal { planned: &planned, copies, upload_bytes, patches };
    if !approve(&proposal).await? {
        return Ok(planned.declined());
    }

    // Only what the registry itself confirms is added to the lock, and only images in the lock are used for rewriting.
    let (mut report, lock) = mirroring.carry_out(settings, &inventory, observer).await?;
    settings.artifacts.lock.write(&lock)?;
    if let Some((cluster, changes)) = cluster.as_mut().zip(changes) {
        if report.has_copied() {
            cluster.read_workloads_again(&settings.scope).await?;
        }
        let rewriter = mirroring.rewriter(&lock, &filter);
        let changes = changes.confirm(cluster, &expected, rewriter, settings);
        report.workloads = changes.roll_out(cluster, rewriter, settings, observer).await;
    }
    Ok(report.with_traffic(mirroring.traffic()))
}
