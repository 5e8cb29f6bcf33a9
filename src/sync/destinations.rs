//! The stages that fill the destinations: which they are, what to copy, copying and verifying; or a lock instead.

mod lock;
mod planning;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::planning::{assigned, fresh, renewed, warn_of_unused_replacements};
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::image::ecr::EcrRegistry;
use crate::model::image::{Image, Mirror};
use crate::model::inventory::{Cluster, Inventory};
use crate::model::lock::Lock;
use crate::model::plan::{DestinationPlan, Plan, PlannedImage, Step};
use crate::model::traffic::HostTraffic;
use crate::store::{self, Store};
use crate::sync::mirror::{self, Mirrored};
use crate::sync::plan::assignment::ImageSource;
use crate::sync::plan::tree::ManifestCache;
use crate::sync::report::{ImageReport, ImageResult, RunOutcome, SyncReport};
use crate::sync::settings::Settings;
use crate::sync::verify::{PlanAge, verify};
use crate::sync::{distance, mirror_choice};
use crate::transport;

/// Where verified images come from: registries that are planned, or a lock that was made where they could be planned.
pub(super) enum Destinations<'o> {
    Planned(Box<Planned<'o>>),
    Locked {
        lock: Lock,
        /// Of each destination in the lock's order.
        skipped_images: Vec<BTreeSet<Image>>,
        /// Images that were not compared with their sources when the lock was written, or whose sources are unknown.
        not_compared: Vec<ImageReport>,
    },
}

pub(super) struct Planned<'o> {
    sources: Store<'o>,
    /// In the plan's order, as are the images that each leaves alone.
    destinations: Vec<Store<'o>>,
    skipped_images: Vec<BTreeSet<Image>>,
    plan: Plan,
    age: PlanAge,
    cache: ManifestCache,
}

impl<'o> Destinations<'o> {
    /// What a lock states about its registries. Nothing but the cluster is needed then.
    pub(super) fn of_lock(
        lock: Lock,
        inventory: &Inventory,
        settings: &Settings,
        observer: Observer<'_>,
    ) -> Result<Self, CommandError> {
        mirror_choice::locked_mirror(&lock, None)?;
        let mirrors: Vec<_> = lock.destinations.iter().map(|locked| locked.mirror.clone()).collect();
        mirror_choice::refuse_maps(&mirrors, &settings.mirror.maps)?;
        let (mut skipped_images, mut not_compared) = (Vec::new(), Vec::new());
        for (locked, mirror) in lock.destinations.iter().zip(&mirrors) {
            let mut skipped = BTreeSet::new();
            for assignment in assigned(inventory, mirror, settings, observer) {
                let entry = lock::entry(locked, &assignment);
                let is_skipped = match &assignment.source {
                    ImageSource::Reachable(_) => true,
                    ImageSource::Unknown(_) => entry.is_none(),
                    ImageSource::Known(_) | ImageSource::InvalidName(_) => false,
                };
                if is_skipped {
                    skipped.extend(assignment.used_by.iter().map(|used| used.image.clone()));
                }
                not_compared.extend(lock::not_compared(entry, &assignment));
            }
            skipped_images.push(skipped);
        }
        Ok(Self::Locked { lock, skipped_images, not_compared })
    }

    /// Finds out which registries are meant, and what they lack.
    pub(super) async fn plan(
        settings: &Settings,
        network: &transport::Settings,
        inventory: &Inventory,
        clusters: &[Cluster],
        observer: Observer<'o>,
    ) -> Result<Self, CommandError> {
        observer(Event::Stage(Stage::Plan));
        let given = settings.artifacts.plan.given();
        let mirrors = match given {
            Some(plan) => plan.destinations.iter().map(|planned| planned.mirror.clone()).collect(),
            None => mirror_choice::all_chosen(network, &settings.mirror, clusters).await?,
        };
        if mirrors.is_empty() {
            return Err(CommandError::new("error: the plan has no destination"));
        }
        for warning in distance::warnings(clusters, &mirrors) {
            observer(Event::Warning(warning));
        }
        if given.is_none() {
            let note = mirror_choice::by_credentials(&mirrors, &settings.mirror, clusters);
            note.into_iter().map(Event::Note).for_each(observer);
        }
        let is_ecr = |mirror: &Mirror| EcrRegistry::of_host(&mirror.registry).is_some();
        if !settings.repository_settings.is_empty() && !mirrors.iter().any(is_ecr) {
            observer(Event::Warning(
                "--repository-settings has no effect: the registry is not an ECR".to_owned(),
            ));
        }
        mirrors.iter().try_for_each(mirror_choice::refuse_path)?;
        mirror_choice::refuse_maps(&mirrors, &settings.mirror.maps)?;
        let stores = store::open(&mirrors, network, settings.limits, observer).await?;
        let stores =
            stores.reading_through(&settings.source_registries).creating(&settings.repository_settings);
        let cache = ManifestCache::default();
        let (plan, age) = if let Some(plan) = given {
            (renewed(plan, settings, &stores, &cache).await?, PlanAge::Stored)
        } else {
            (fresh(&mirrors, settings, inventory, &stores, &cache, observer).await?, PlanAge::Fresh)
        };
        for note in &plan.notes {
            observer(Event::Warning(note.clone()));
        }
        warn_of_unused_replacements(&plan, settings, observer);
        let skipped_images = |plan: &DestinationPlan| {
            let skipped = plan.images.iter().filter(|image| matches!(image.step, Step::Skip { .. }));
            skipped.flat_map(|image| image.used_by.iter().map(|used| used.image.clone())).collect()
        };
        Ok(Self::Planned(Box::new(Planned {
            sources: stores.sources(),
            destinations: mirrors.iter().map(|mirror| stores.destination(mirror)).collect(),
            skipped_images: plan.destinations.iter().map(skipped_images).collect(),
            plan,
            age,
            cache,
        })))
    }

    pub(super) const fn plan_made(&self) -> Option<&Plan> {
        match self {
            Self::Planned(planned) => Some(&planned.plan),
            Self::Locked { .. } => None,
        }
    }

    fn mirrors(&self) -> Vec<&Mirror> {
        match self {
            Self::Planned(planned) => planned.plan.destinations.iter().map(|plan| &plan.mirror).collect(),
            Self::Locked { lock, .. } => lock.destinations.iter().map(|locked| &locked.mirror).collect(),
        }
    }

    /// Index of the destination whose names the workloads of `cluster` get. There is at least one destination.
    pub(super) fn of_cluster(&self, cluster: &Cluster) -> usize {
        let mirrors = self.mirrors();
        let nearest = mirror_choice::mirror_of_cluster(Some(cluster), mirrors.iter().copied());
        mirrors.iter().position(|mirror| Some(*mirror) == nearest).unwrap_or_default()
    }

    /// Images as written that the destination with this index does not need.
    pub(super) fn skipped_images(&self, destination: usize) -> &BTreeSet<Image> {
        match self {
            Self::Planned(planned) => &planned.skipped_images[destination],
            Self::Locked { skipped_images, .. } => &skipped_images[destination],
        }
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
            Self::Planned(planned) => {
                let (plans, now) = (planned.plan.destinations.iter(), Timestamp::now());
                lock::new(plans.map(|plan| lock::expected_destination(plan, copying, now)).collect(), now)
            }
        }
    }

    /// The report of a dry run.
    pub(super) fn planned_report(
        &self,
        inventory: &Inventory,
        plan: Option<Plan>,
        copying: bool,
    ) -> SyncReport {
        let report =
            self.report(inventory, &Mirrored::new(), |image| match (image.step.to_write(), copying) {
                (Some(_), false) => (ImageResult::Missing, Some(NOT_COPIED.to_owned())),
                (Some(_), true) => (ImageResult::written(&image.step), None),
                (None, _) => settled(image),
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
        let plans = &planned.plan.destinations;
        let mirrored = if settings.stages.mirror && self.copies().0 > 0 {
            observer(Event::Stage(Stage::Mirror));
            let pairs = planned.destinations.iter().zip(plans);
            let destinations: Vec<_> =
                pairs.map(|(store, plan)| mirror::Destination { store, plan }).collect();
            let uploads = &planned.plan.uploads;
            let (sources, attestations) = (&planned.sources, settings.attestations);
            mirror::mirror(sources, &destinations, uploads, attestations, &planned.cache, observer).await
        } else {
            Mirrored::new()
        };
        observer(Event::Stage(Stage::Verify));
        let (mut locked, mut failures) = (Vec::new(), BTreeMap::new());
        for (destination, plan) in planned.destinations.iter().zip(plans) {
            let verified = verify(destination, plan, &mirrored, planned.age).await;
            locked.push(verified.locked);
            failures.extend(verified.failures);
        }
        let report = self.report(inventory, &mirrored, |image| {
            let failure = match mirrored.get(&image.destination) {
                Some(Err(error)) => Some(error),
                _ => failures.get(&image.destination),
            };
            match (image.step.to_write(), failure) {
                (_, Some(error)) => (ImageResult::Failed, Some(error.clone())),
                (Some(_), None) if !settings.stages.mirror => {
                    (ImageResult::Missing, Some(NOT_COPIED.to_owned()))
                }
                (Some(_), None) => (ImageResult::written(&image.step), None),
                (None, None) => settled(image),
            }
        });
        Ok((report, lock::new(locked, Timestamp::now())))
    }

    /// The traffic with each host.
    pub(super) fn traffic(&self) -> Vec<(String, HostTraffic)> {
        match self {
            Self::Planned(planned) => planned.sources.traffic().into_iter().collect(),
            Self::Locked { .. } => Vec::new(),
        }
    }

    fn report(
        &self,
        inventory: &Inventory,
        mirrored: &Mirrored,
        result: impl Fn(&PlannedImage) -> (ImageResult, Option<String>),
    ) -> SyncReport {
        let mut report = SyncReport::new(self.mirrors().into_iter().cloned().collect(), inventory);
        if let Self::Planned(planned) = self {
            report.notes.extend(planned.plan.notes.iter().cloned());
            let images = planned.plan.destinations.iter().flat_map(|plan| &plan.images);
            report.images = images
                .map(|image| {
                    let (result, message) = result(image);
                    let written = mirrored.get(&image.destination).and_then(|written| written.as_ref().ok());
                    match written.and_then(|written| written.reduced.as_ref()) {
                        Some(reduced) if result.is_written() => {
                            ImageReport::without_attestations(image, result, reduced)
                        }
                        _ => ImageReport::from_planned(image, result, message),
                    }
                })
                .collect();
            report.unreachable_sources = unreachable_sources(&report.images, &planned.sources);
        } else if let Self::Locked { not_compared, .. } = self {
            report.images.clone_from(not_compared);
        }
        report
    }
}

/// The hosts of the failed images' sources, if no source that is needed can be reached.
fn unreachable_sources(images: &[ImageReport], sources: &Store<'_>) -> BTreeSet<String> {
    let needed =
        images.iter().filter(|image| image.result == ImageResult::Failed || image.result.is_written());
    let needed: Vec<_> = needed.map(|image| &image.image).collect();
    if !needed.iter().all(|image| sources.is_unreachable(image)) {
        return BTreeSet::new();
    }
    needed.into_iter().map(|image| sources.repository_of(image).host).collect()
}

const NOT_COPIED: &str = "not found in the registry, and --no-mirror skips copying: run without \
                          --no-mirror first";

/// The result of an image that needs no copy.
fn settled(image: &PlannedImage) -> (ImageResult, Option<String>) {
    match (&image.step, &image.not_compared) {
        (Step::Failed { error }, _) => (ImageResult::Failed, Some(error.clone())),
        (_, Some(cause)) if image.tag_removed => (ImageResult::TagRemoved, Some(cause.clone())),
        (_, Some(cause)) => (ImageResult::NotCompared, Some(cause.clone())),
        (Step::Skip { reason: why }, None) => (ImageResult::Skipped, Some(why.clone())),
        (Step::UpToDate { .. } | Step::Copy { .. } | Step::Replace { .. }, None) => {
            (ImageResult::UpToDate, None)
        }
    }
}
