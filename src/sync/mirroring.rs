//! Mirroring as a stage: choose the registry, plan, copy and verify; or use a lock instead.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::image::{Image, Mirror};
use crate::model::inventory::{API_VERSION, Cluster, Inventory};
use crate::model::lock::{Lock, LockKind, LockedDestination, LockedImage};
use crate::model::plan::{DestinationPlan, Plan, PlanKind, PlannedImage, Step};
use crate::model::traffic::HostTraffic;
use crate::store::{self, Error, Stores};
use crate::sync::discover::ImageFilter;
use crate::sync::mirror::{self, Mirrored};
use crate::sync::plan::assign_all;
use crate::sync::plan::assignment::{Assignment, Source};
use crate::sync::plan::prepare::{Wanted, prepare, renew};
use crate::sync::plan::tree::ManifestCache;
use crate::sync::report::{ImageReport, ImageResult, RunOutcome, SyncReport};
use crate::sync::rewrite::Rewriter;
use crate::sync::settings::Settings;
use crate::sync::target;
use crate::sync::verify::{PlanAge, verify};
use crate::transport;

/// The source of verified images: a registry for which a copy is planned, or a lock.
pub(super) enum Mirroring<'o> {
    Planned(Box<Planned<'o>>),
    Locked { lock: Lock, mirror: Mirror, skipped_images: BTreeSet<Image> },
}

pub(super) struct Planned<'o> {
    stores: Stores<'o>,
    plan: Plan,
    age: PlanAge,
    cache: ManifestCache,
    skipped_images: BTreeSet<Image>,
}

impl<'o> Mirroring<'o> {
    /// Trusts a lock about the content of its registry, so that only the cluster is needed.
    pub(super) fn of_lock(
        lock: Lock,
        inventory: &Inventory,
        settings: &Settings,
        observer: Observer<'_>,
    ) -> Result<Self, CommandError> {
        let mirror = locked_mirror(&lock)?.clone();
        target::refuse_maps(&mirror, &settings.mirror.maps)?;
        let skipped_images = assigned(inventory, &mirror, settings, observer)
            .into_iter()
            .filter(|assignment| matches!(assignment.source, Source::Reachable(_)))
            .flat_map(|assignment| assignment.used_by)
            .map(|used| used.image)
            .collect();
        Ok(Self::Locked { lock, mirror, skipped_images })
    }

    /// Chooses the registry, and plans what to copy.
    pub(super) async fn plan(
        settings: &Settings,
        network: &transport::Settings,
        inventory: &Inventory,
        cluster: Option<&Cluster>,
        observer: Observer<'o>,
    ) -> Result<Self, CommandError> {
        observer(Event::Stage(Stage::Plan));
        let given = settings.artifacts.plan.given();
        let mirror = match given {
            Some(plan) => planned_destination(plan)?.mirror.clone(),
            None => target::chosen(network, &settings.mirror, cluster).await?,
        };
        target::refuse_path(&mirror)?;
        target::refuse_maps(&mirror, &settings.mirror.maps)?;
        let movable = target::movable_tags(&mirror, settings.mirror.registry.as_ref(), &settings.replace);
        let stores = store::open(&mirror, network, settings.limits, observer).await?;
        let Stores { sources, destination } = &stores;
        let cannot = |error: Error| CommandError::new(format!("error: {error}"));
        let (plan, age, cache) = if let Some(plan) = given {
            let planned = planned_destination(plan)?;
            let prepared = renew(destination, planned, movable).await.map_err(cannot)?;
            let notes = plan.notes.iter().cloned().chain(prepared.notes).collect();
            let plan =
                Plan { destinations: vec![prepared.plan], uploads: prepared.uploads, notes, ..plan.clone() };
            (plan, PlanAge::Stored, prepared.cache)
        } else {
            let clusters = inventory.clusters.iter();
            let wanted = Wanted {
                assignments: assigned(inventory, &mirror, settings, observer),
                node_platforms: clusters.flat_map(|cluster| cluster.platforms.iter().cloned()).collect(),
                detail: settings.detail,
                movable,
            };
            let prepared = prepare(sources, destination, &mirror, wanted).await.map_err(cannot)?;
            let plan = Plan {
                api_version: API_VERSION.to_owned(),
                kind: PlanKind::Plan,
                created: Timestamp::now(),
                clusters: inventory.clusters.clone(),
                destinations: vec![prepared.plan],
                uploads: prepared.uploads,
                cluster_plans: Vec::new(),
                notes: prepared.notes,
            };
            (plan, PlanAge::Fresh, prepared.cache)
        };
        for note in &plan.notes {
            observer(Event::Warning(note.clone()));
        }
        warn_of_unused_replacements(planned_destination(&plan)?, settings, observer);
        let skipped_images = planned_destination(&plan)?
            .images
            .iter()
            .filter(|image| matches!(image.step, Step::Skip { .. }))
            .flat_map(|image| image.used_by.iter().map(|used| used.image.clone()))
            .collect();
        Ok(Self::Planned(Box::new(Planned { stores, plan, age, cache, skipped_images })))
    }

    pub(super) const fn plan_made(&self) -> Option<&Plan> {
        match self {
            Self::Planned(planned) => Some(&planned.plan),
            Self::Locked { .. } => None,
        }
    }

    pub(super) fn mirror(&self) -> Option<&Mirror> {
        match self {
            Self::Planned(planned) => planned.plan.destinations.first().map(|plan| &plan.mirror),
            Self::Locked { mirror, .. } => Some(mirror),
        }
    }

    /// Decides on patches with `lock`.
    pub(super) const fn rewriter<'r>(&'r self, lock: &'r Lock, filter: &'r ImageFilter) -> Rewriter<'r> {
        let skipped_images = match self {
            Self::Planned(planned) => &planned.skipped_images,
            Self::Locked { skipped_images, .. } => skipped_images,
        };
        Rewriter { lock, filter, skipped_images }
    }

    /// The number of images to copy, and the bytes to upload.
    pub(super) fn copies(&self) -> (usize, u64) {
        let Self::Planned(planned) = self else { return (0, 0) };
        let plans = &planned.plan.destinations;
        let images = plans.iter().flat_map(|plan| &plan.images);
        let copied = images.filter(|image| image.step.to_write().is_some()).count();
        (copied, plans.iter().map(|plan| plan.estimate.upload_bytes).sum())
    }

    /// The lock that the plan would result in. `copying`: whether missing images are copied.
    pub(super) fn expected_lock(&self, copying: bool) -> Lock {
        match self {
            Self::Locked { lock, .. } => lock.clone(),
            Self::Planned(planned) => new_lock(
                planned.plan.destinations.iter().map(|plan| expected_destination(plan, copying)).collect(),
            ),
        }
    }

    /// The report of a dry run.
    pub(super) fn planned_report(
        &self,
        inventory: &Inventory,
        plan: Option<Plan>,
        copying: bool,
    ) -> SyncReport {
        let report = self.report(inventory, |image| match (image.step.to_write(), copying) {
            (Some(_), false) => (ImageResult::Missing, Some(NOT_COPIED.to_owned())),
            (Some(_), true) => (ImageResult::written(&image.step), None),
            (None, _) => settled(&image.step),
        });
        // Without copying, there is no plan to report.
        SyncReport { end: RunOutcome::Planned(plan.filter(|_| copying)), ..report }
    }

    /// Copies missing images, and verifies everything.
    pub(super) async fn carry_out(
        &self,
        settings: &Settings,
        inventory: &Inventory,
        observer: Observer<'_>,
    ) -> Result<(SyncReport, Lock), CommandError> {
        let planned = match self {
            Self::Locked { lock, .. } => {
                return Ok((
                    SyncReport { end: RunOutcome::Done, ..self.planned_report(inventory, None, false) },
                    lock.clone(),
                ));
            }
            Self::Planned(planned) => planned,
        };
        let plan = planned_destination(&planned.plan)?;
        let Stores { sources, destination } = &planned.stores;
        let mirrored = if settings.stages.mirror && self.copies().0 > 0 {
            observer(Event::Stage(Stage::Mirror));
            let targets = [mirror::Target { store: destination, plan }];
            let uploads = &planned.plan.uploads;
            mirror::mirror(sources, &targets, uploads, &planned.cache, observer).await
        } else {
            Mirrored::new()
        };
        observer(Event::Stage(Stage::Verify));
        let verified = verify(destination, plan, &mirrored, planned.age).await;
        let failures: BTreeMap<&Image, &String> =
            verified.failures.iter().map(|(image, error)| (image, error)).collect();
        let report = self.report(inventory, |image| {
            let failure = match mirrored.get(&image.destination) {
                Some(Err(error)) => Some(error),
                _ => failures.get(&image.destination).copied(),
            };
            match (image.step.to_write(), failure) {
                (_, Some(error)) => (ImageResult::Failed, Some(error.clone())),
                (Some(_), None) if !settings.stages.mirror => {
                    (ImageResult::Missing, Some(NOT_COPIED.to_owned()))
                }
                (Some(_), None) => (ImageResult::written(&image.step), None),
                (None, None) => settled(&image.step),
            }
        });
        Ok((report, new_lock(vec![verified.locked])))
    }

    /// The traffic with each host.
    pub(super) fn traffic(&self) -> Vec<(String, HostTraffic)> {
        match self {
            Self::Planned(planned) => planned.stores.destination.traffic().into_iter().collect(),
            Self::Locked { .. } => Vec::new(),
        }
    }

    fn report(
        &self,
        inventory: &Inventory,
        result: impl Fn(&PlannedImage) -> (ImageResult, Option<String>),
    ) -> SyncReport {
        let mut report = SyncReport::new(self.mirror().cloned(), inventory);
        if let Self::Planned(planned) = self {
            report.notes.extend(planned.plan.notes.iter().cloned());
            let images = planned.plan.destinations.iter().flat_map(|plan| &plan.images);
            report.images = images
                .map(|image| {
                    let (result, message) = result(image);
                    ImageReport::from_planned(image, result, message)
                })
                .collect();
        }
        report
    }
}

/// The assignments, with a warning for each `--map` that matches no image, which is probably misspelt.
fn assigned(
    inventory: &Inventory,
    mirror: &Mirror,
    settings: &Settings,
    observer: Observer<'_>,
) -> Vec<Assignment> {
    let region = settings.mirror.region_of(inventory.clusters.first(), mirror);
    assign_all(inventory, mirror, &settings.mirror.maps, region.as_deref(), observer)
}

/// A warning for each `--replace` without effect.
fn warn_of_unused_replacements(plan: &DestinationPlan, settings: &Settings, observer: Observer<'_>) {
    let mirror = &plan.mirror;
    for name in &settings.replace {
        let is_named = |image: &PlannedImage| {
            let path = image.destination.path();
            name == path || *name == format!("{}/{path}", mirror.registry)
        };
        if settings.mirror.registry.is_none() && mirror.is_own() {
            observer(Event::Warning(format!(
                "--replace {name} has no effect: tags in {mirror} are replaced by default"
            )));
        } else if !plan.images.iter().any(is_named) {
            observer(Event::Warning(format!("--replace {name} matches no repository in {mirror}")));
        }
    }
}

const NOT_COPIED: &str = "not found in the registry, and --no-mirror skips copying: run without \
                          --no-mirror first";

/// The result of an image that needs no copy.
fn settled(step: &Step) -> (ImageResult, Option<String>) {
    match step {
        Step::Skip { reason: why } => (ImageResult::Skipped, Some(why.clone())),
        Step::Failed { error } => (ImageResult::Failed, Some(error.clone())),
        Step::UpToDate { .. } | Step::Copy { .. } | Step::Replace { .. } => (ImageResult::UpToDate, None),
    }
}

fn planned_destination(plan: &Plan) -> Result<&DestinationPlan, CommandError> {
    plan.destinations.first().ok_or_else(|| CommandError::new("error: the plan has no destination"))
}

/// The mirror of a lock.
pub(in crate::sync) fn locked_mirror(lock: &Lock) -> Result<&Mirror, CommandError> {
    let locked = lock.destinations.first();
    locked.map(|locked| &locked.mirror).ok_or_else(|| CommandError::new("error: the lock has no destination"))
}

fn new_lock(destinations: Vec<LockedDestination>) -> Lock {
    Lock {
        api_version: API_VERSION.to_owned(),
        kind: LockKind::Lock,
        created: Timestamp::now(),
        destinations,
    }
}

fn expected_destination(plan: &DestinationPlan, copying: bool) -> LockedDestination {
    let now = Timestamp::now();
    let locked = |image: &PlannedImage| {
        let content = image.step.content().filter(|_| copying || image.step.to_write().is_none())?;
        Some(LockedImage::new(image.source.as_ref()?, &image.destination, content, now))
    };
    LockedDestination { mirror: plan.mirror.clone(), images: plan.images.iter().filter_map(locked).collect() }
}
