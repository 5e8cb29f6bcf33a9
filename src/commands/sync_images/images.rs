//! The half that fills the registry: which registry, what to copy, copying and verifying; or a lock instead.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::request::Request;
use crate::cli::{Arguments, OutputFormat, SyncArguments};
use crate::commands::survey::Survey;
use crate::commands::{CommandError, registry};
use crate::event::{Event, Observer, Stage};
use crate::model::image::ecr::EcrRegistry;
use crate::model::image::{Image, Mirror};
use crate::model::inventory::{API_VERSION, Inventory};
use crate::model::lock::{Lock, LockKind, LockedDestination, LockedImage};
use crate::model::plan::{DestinationPlan, Plan, PlanKind, PlannedImage, Step};
use crate::output::table::{bytes, count};
use crate::registry::Client;
use crate::sync::destination::Destination;
use crate::sync::discover::ImageFilter;
use crate::sync::mirror::{Mirrored, mirror};
use crate::sync::plan::assignment::{Assignment, Source, assign, unused_maps};
use crate::sync::plan::prepare::{Detail, Wanted, prepare, renew};
use crate::sync::plan::tree::Store;
use crate::sync::report::{ImageReport, ImageResult, SyncReport};
use crate::sync::rewrite::Rewriter;
use crate::sync::verify::{PlanAge, verify};

/// Where verified images come from: a registry that is asked, or a lock that was made where it could be asked.
pub(super) enum Registry<'o> {
    Asked(Box<Asked<'o>>),
    Locked { lock: Lock, mirror: Mirror, left_alone: BTreeSet<Image> },
}

pub(super) struct Asked<'o> {
    client: Client<'o>,
    destination: Destination,
    plan: Plan,
    age: PlanAge,
    store: Store,
    left_alone: BTreeSet<Image>,
}

impl<'o> Registry<'o> {
    /// Takes a lock's word for what is in its registry. Nothing but the cluster is needed then.
    pub(super) fn of_lock(
        lock: Lock,
        inventory: &Inventory,
        sync: &SyncArguments,
    ) -> Result<Self, CommandError> {
        let mirror = locked_mirror(&lock)?.clone();
        registry::refuse_maps(&mirror, &sync.maps)?;
        let region = region(sync, inventory, &mirror);
        let left_alone = assigned(inventory, &mirror, sync, region.as_deref())
            .into_iter()
            .filter(|assignment| matches!(assignment.source, Source::Reachable(_)))
            .flat_map(|assignment| assignment.used_by)
            .map(|used| used.image)
            .collect();
        Ok(Self::Locked { lock, mirror, left_alone })
    }

    /// Finds out which registry is meant, and what it lacks.
    pub(super) async fn plan(
        arguments: &Arguments,
        sync: &SyncArguments,
        request: &Request,
        inventory: &Inventory,
        cluster: Option<&Survey>,
        observer: Observer<'o>,
    ) -> Result<Self, CommandError> {
        observer(Event::Stage(Stage::Plan));
        let mirror = match &request.plan {
            Some(plan) => planned_destination(plan)?.mirror.clone(),
            None => chosen_mirror(arguments, sync, inventory, cluster).await?,
        };
        registry::refuse_path(&mirror)?;
        registry::refuse_maps(&mirror, &sync.maps)?;
        let movable = registry::movable_tags(&mirror, sync.registry.as_ref(), &sync.replace);
        let (client, destination) = registry::open(arguments, &mirror, observer).await?;
        let (plan, age, store) = if let Some(plan) = &request.plan {
            let prepared = renew(&client, &destination, planned_destination(plan)?, movable)
                .await
                .map_err(|error| CommandError::new(format!("error: {error}")))?;
            let notes = plan.notes.iter().cloned().chain(prepared.notes).collect();
            let plan = Plan { destinations: vec![prepared.plan], notes, ..plan.clone() };
            (plan, PlanAge::Stored, prepared.store)
        } else {
            let region = region(sync, inventory, &mirror);
            let clusters = inventory.clusters.iter();
            let wanted = Wanted {
                assignments: assigned(inventory, &mirror, sync, region.as_deref()),
                node_platforms: clusters.flat_map(|cluster| cluster.platforms.iter().cloned()).collect(),
                detail: detail(sync),
                movable,
            };
            let prepared = prepare(&client, &destination, &mirror, wanted)
                .await
                .map_err(|error| CommandError::new(format!("error: {error}")))?;
            let plan = Plan {
                api_version: API_VERSION.to_owned(),
                kind: PlanKind::Plan,
                created: Timestamp::now(),
                clusters: inventory.clusters.clone(),
                destinations: vec![prepared.plan],
                notes: prepared.notes,
            };
            (plan, PlanAge::Fresh, prepared.store)
        };
        for note in &plan.notes {
            crate::output::warning(note);
        }
        warn_of_unused_replacements(planned_destination(&plan)?, sync);
        let left_alone = planned_destination(&plan)?
            .images
            .iter()
            .filter(|image| matches!(image.step, Step::LeaveAlone { .. }))
            .flat_map(|image| image.used_by.iter().map(|used| used.image.clone()))
            .collect();
        Ok(Self::Asked(Box::new(Asked { client, destination, plan, age, store, left_alone })))
    }

    pub(super) const fn plan_made(&self) -> Option<&Plan> {
        match self {
            Self::Asked(asked) => Some(&asked.plan),
            Self::Locked { .. } => None,
        }
    }

    pub(super) fn mirror(&self) -> Option<&Mirror> {
        match self {
            Self::Asked(asked) => asked.plan.destinations.first().map(|plan| &plan.mirror),
            Self::Locked { mirror, .. } => Some(mirror),
        }
    }

    /// What decides on patches by `lock`.
    pub(super) const fn rewriter<'r>(&'r self, lock: &'r Lock, filter: &'r ImageFilter) -> Rewriter<'r> {
        let left_alone = match self {
            Self::Asked(asked) => &asked.left_alone,
            Self::Locked { left_alone, .. } => left_alone,
        };
        Rewriter { lock, filter, left_alone }
    }

    /// How many images would be copied, and how many bytes that uploads.
    pub(super) fn copies(&self) -> (usize, u64) {
        let Self::Asked(asked) = self else { return (0, 0) };
        let plans = &asked.plan.destinations;
        let images = plans.iter().flat_map(|plan| &plan.images);
        let copied = images.filter(|image| image.step.to_write().is_some()).count();
        (copied, plans.iter().map(|plan| plan.estimate.upload_bytes).sum())
    }

    /// A lock that stands for what the plan promises. `copying` says whether what is missing is copied.
    pub(super) fn expected_lock(&self, copying: bool) -> Lock {
        match self {
            Self::Locked { lock, .. } => lock.clone(),
            Self::Asked(asked) => new_lock(
                asked.plan.destinations.iter().map(|plan| expected_destination(plan, copying)).collect(),
            ),
        }
    }

    /// The report of a dry run.
    pub(super) fn planned_report(&self, inventory: &Inventory, copying: bool) -> SyncReport {
        self.report(inventory, |image| match (image.step.to_write(), copying) {
            (Some(_), false) => (ImageResult::Missing, Some(NOT_COPIED.to_owned())),
            (Some(_), true) => (ImageResult::written(&image.step), None),
            (None, _) => settled(&image.step),
        })
    }

    /// Copies what is missing, and verifies everything.
    pub(super) async fn carry_out(
        &self,
        request: &Request,
        sync: &SyncArguments,
        inventory: &Inventory,
        observer: Observer<'_>,
    ) -> Result<(SyncReport, Lock), CommandError> {
        let asked = match self {
            Self::Locked { lock, .. } => return Ok((self.planned_report(inventory, false), lock.clone())),
            Self::Asked(asked) => asked,
        };
        let plan = planned_destination(&asked.plan)?;
        let mirrored = if request.halves.mirror && self.copies().0 > 0 {
            observer(Event::Stage(Stage::Mirror));
            let jobs = usize::from(sync.jobs);
            mirror(&asked.client, &asked.destination, plan, &asked.store, jobs, observer).await
        } else {
            Mirrored::new()
        };
        observer(Event::Stage(Stage::Verify));
        let verified = verify(&asked.client, &asked.destination, plan, &mirrored, asked.age).await;
        let failures: BTreeMap<&Image, &String> =
            verified.failures.iter().map(|(image, error)| (image, error)).collect();
        let report = self.report(inventory, |image| {
            let failure = match mirrored.get(&image.destination) {
                Some(Err(error)) => Some(error),
                _ => failures.get(&image.destination).copied(),
            };
            match (image.step.to_write(), failure) {
                (_, Some(error)) => (ImageResult::Failed, Some(error.clone())),
                (Some(_), None) if !request.halves.mirror => {
                    (ImageResult::Missing, Some(NOT_COPIED.to_owned()))
                }
                (Some(_), None) => (ImageResult::written(&image.step), None),
                (None, None) => settled(&image.step),
            }
        });
        Ok((report, new_lock(vec![verified.locked])))
    }

    /// One line for each host that was spoken to.
    pub(super) fn traffic(&self) -> Vec<String> {
        let Self::Asked(asked) = self else {
            return Vec::new();
        };
        let line = |(host, traffic): (String, crate::registry::HostTraffic)| {
            let requests = count(usize::try_from(traffic.requests).unwrap_or(usize::MAX), "request");
            format!("{host}: {requests}, {} sent, {} received", bytes(traffic.sent), bytes(traffic.received))
        };
        asked.client.traffic().into_iter().map(line).collect()
    }

    fn report(
        &self,
        inventory: &Inventory,
        result: impl Fn(&PlannedImage) -> (ImageResult, Option<String>),
    ) -> SyncReport {
        let mut report = SyncReport::new(self.mirror().cloned(), inventory);
        if let Self::Asked(asked) = self {
            report.notes.extend(asked.plan.notes.iter().cloned());
            let images = asked.plan.destinations.iter().flat_map(|plan| &plan.images);
            report.images = images
                .map(|image| {
                    let (result, message) = result(image);
                    ImageReport::of(image, result, message)
                })
                .collect();
        }
        report
    }
}

/// The assignments, and a word about each `--map` that decides none of them: most likely it is misspelt.
fn assigned(
    inventory: &Inventory,
    mirror: &Mirror,
    sync: &SyncArguments,
    region: Option<&str>,
) -> Vec<Assignment> {
    let assignments = assign(inventory, mirror, &sync.maps, region);
    for map in unused_maps(&assignments, &sync.maps) {
        crate::output::warning(&format!("--map {map} matches no image: compare both names with the images'"));
    }
    assignments
}

/// A word about each `--replace` that allows nothing.
fn warn_of_unused_replacements(plan: &DestinationPlan, sync: &SyncArguments) {
    for name in &sync.replace {
        let is_named = |image: &PlannedImage| {
            let path = image.destination.path();
            name == path || *name == format!("{}/{path}", plan.mirror.registry)
        };
        if sync.registry.is_none() && plan.mirror.is_own() {
            let mirror = &plan.mirror;
            crate::output::warning(&format!(
                "--replace {name} is not needed: every tag in {mirror} may be moved"
            ));
        } else if !plan.images.iter().any(is_named) {
            crate::output::warning(&format!(
                "--replace {name} matches no image's repository in {}",
                plan.mirror
            ));
        }
    }
}

/// What is up to date is read as well where somebody will read about it: that costs a request per manifest.
fn detail(sync: &SyncArguments) -> Detail {
    let is_told = matches!(sync.output, OutputFormat::Wide | OutputFormat::Json | OutputFormat::Yaml);
    if sync.lock.is_some() || is_told { Detail::Content } else { Detail::Digest }
}

const NOT_COPIED: &str = "the registry does not hold what is wanted, and --no-mirror says not to copy it: run without --no-mirror first";

/// The result of a step that mirroring does not touch.
fn settled(step: &Step) -> (ImageResult, Option<String>) {
    match step {
        Step::LeaveAlone { why } => (ImageResult::LeftAlone, Some(why.clone())),
        Step::Failed { error } => (ImageResult::Failed, Some(error.clone())),
        Step::UpToDate { .. } | Step::Copy { .. } | Step::Replace { .. } => (ImageResult::UpToDate, None),
    }
}

fn planned_destination(plan: &Plan) -> Result<&DestinationPlan, CommandError> {
    plan.destinations.first().ok_or_else(|| CommandError::new("error: the plan holds no destination"))
}

/// The cluster's region, as the user says or as the inventory has it. Nodes have to reach the mirror in any case, so that
/// its region serves where nobody knows theirs.
pub(super) fn region(sync: &SyncArguments, inventory: &Inventory, mirror: &Mirror) -> Option<String> {
    sync.region
        .clone()
        .or_else(|| inventory.clusters.first()?.region.clone())
        .or_else(|| Some(EcrRegistry::of_host(&mirror.registry)?.region))
}

/// The mirror that a lock speaks of.
pub(super) fn locked_mirror(lock: &Lock) -> Result<&Mirror, CommandError> {
    let locked = lock.destinations.first();
    locked
        .map(|locked| &locked.mirror)
        .ok_or_else(|| CommandError::new("error: the lock holds no destination, so it proves nothing"))
}

/// The registry that the user names, or else the ECR of the cluster's account and region.
pub(super) async fn chosen_mirror(
    arguments: &Arguments,
    sync: &SyncArguments,
    inventory: &Inventory,
    cluster: Option<&Survey>,
) -> Result<Mirror, CommandError> {
    let described = match cluster {
        Some(cluster) => Some(cluster.scene.cluster(sync.region.as_deref())),
        None => inventory.clusters.first().cloned(),
    };
    registry::chosen(arguments, sync.registry.as_ref(), sync.region.as_deref(), described.as_ref()).await
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
