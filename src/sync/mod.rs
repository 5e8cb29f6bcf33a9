//! The main job: discover → plan → mirror → verify → rewrite → rollout.

pub mod artifact;
mod cluster_rewrites;
pub mod destination_repositories;
mod destinations;
pub mod discover;
mod distance;
pub mod earlier_run;
mod gather;
pub mod images;
pub mod mirror;
pub mod mirror_choice;
pub mod plan;
pub mod presence;
pub mod provenance;
pub mod public;
pub mod report;
pub mod rewrite_manifests;
pub mod rewrite_workload;
pub mod rollback;
pub mod rollout;
pub mod settings;
pub mod status;
pub mod verify;

use self::cluster_rewrites::{ClusterRewrites, Rules};
use self::destinations::Destinations;
use self::discover::beside;
use self::report::{Proposal, SyncReport};
use self::settings::{Ports, Settings};
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::plan::Plan;

/// Runs the stages in `settings`. Calls `confirm` before anything is changed.
///
/// # Errors
/// A whole stage failed. Failures of single images and workloads are in the report.
pub async fn run(
    settings: &Settings,
    ports: &Ports,
    observer: Observer<'_>,
    confirm: impl AsyncFnOnce(&Proposal<'_>) -> Result<bool, CommandError>,
) -> Result<SyncReport, CommandError> {
    let stages = settings.stages;
    settings.artifacts.check()?;

    observer(Event::Stage(Stage::Discover));
    let clusters = gather::read_clusters(settings, ports).await?;
    let filter = settings.filter.clone().below(mirror_choice::known_mirrors(settings, &clusters));
    let filter = clusters.iter().fold(filter, |filter, cluster| beside(filter, &cluster.workloads));
    let inventory = gather::inventory(settings, &filter, &clusters, observer);
    gather::hint_at_earlier_runs(settings, &filter, &clusters, observer);
    settings.artifacts.inventory.write(&inventory)?;
    if (inventory.images.is_empty() && settings.artifacts.plan.given().is_none())
        || !(stages.mirror || stages.rewrite)
    {
        return Ok(SyncReport::discovered(&inventory));
    }

    let region = settings.mirror.region.as_deref();
    let connected: Vec<_> = clusters.iter().map(|cluster| cluster.environment.cluster(region)).collect();
    for conflict in clusters.iter().filter_map(|cluster| cluster.environment.account_conflict()) {
        observer(Event::Warning(conflict));
    }
    // With a lock from another machine, the lock states what is verified; otherwise the registries do.
    let destinations = if let Some(lock) = settings.artifacts.lock.given() {
        Destinations::of_lock(lock.clone(), &inventory, settings, observer)?
    } else {
        let described = if connected.is_empty() { &inventory.clusters } else { &connected };
        Destinations::plan(settings, &ports.network, &inventory, described, observer).await?
    };
    let expected = destinations.expected_lock(stages.mirror);
    let rules = Rules { destinations: &destinations, filter: &filter, settings };
    let clusters = if stages.rewrite { clusters } else { Vec::new() };
    let mut rewrites = ClusterRewrites::decide(clusters, rules, &expected);
    let plan = destinations.plan_made();
    let plan = plan.map(|plan| Plan { cluster_plans: rewrites.plans(), ..plan.clone() });
    if let Some(plan) = &plan {
        settings.artifacts.plan.write(plan)?;
    }
    let mut planned = destinations.planned_report(&inventory, plan, stages.mirror);
    if let Some(dry_run) = settings.dry_run {
        planned.workloads = rewrites.dry_run(dry_run, observer).await;
        return Ok(planned.with_traffic(destinations.traffic()));
    }
    planned.workloads = rewrites.preview();
    planned.clusters = connected;
    let (copies, upload_bytes) = destinations.copies();
    let proposal = Proposal { planned: &planned, copies, upload_bytes, patches: rewrites.patches() };
    if !confirm(&proposal).await? {
        return Ok(planned.declined());
    }

    // Only what the registry itself confirms is added to the lock, and only images in the lock are used for rewrites.
    let (mut report, lock) = destinations.carry_out(settings, &inventory, observer).await?;
    settings.artifacts.lock.write(&lock)?;
    if report.has_copied() {
        let unread = rewrites.read_workloads_again().await?;
        report.notes.extend(unread.notes);
        report.unlisted.extend(unread.unlisted);
    }
    report.workloads = rewrites.roll_out(&lock, observer).await;
    Ok(report.with_traffic(destinations.traffic()))
}
