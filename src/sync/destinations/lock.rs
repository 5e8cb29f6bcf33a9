//! The locks that a plan would produce, and images that a lock says nothing about.

use jiff::Timestamp;

use crate::model::inventory::API_VERSION;
use crate::model::lock::{Lock, LockKind, LockedDestination, LockedImage};
use crate::model::plan::{DestinationPlan, PlannedImage, Step};
use crate::sync::plan::assignment::{Assignment, Source};
use crate::sync::report::{ImageReport, ImageResult};

pub(super) fn new(destinations: Vec<LockedDestination>, created: Timestamp) -> Lock {
    Lock { api_version: API_VERSION.to_owned(), kind: LockKind::Lock, created, destinations }
}

/// What a destination would be proven to hold. `copying` says whether what is missing is copied.
pub(super) fn expected_destination(
    plan: &DestinationPlan,
    copying: bool,
    now: Timestamp,
) -> LockedDestination {
    let locked = |image: &PlannedImage| {
        let content = image.step.content().filter(|_| copying || image.step.to_write().is_none())?;
        Some(LockedImage::new(image.source.as_ref()?, &image.destination, content, now))
    };
    LockedDestination { mirror: plan.mirror.clone(), images: plan.images.iter().filter_map(locked).collect() }
}

/// The report on a private image that a plan would only compare, if its source is unknown and `locked` does not contain
/// it. Its workloads already have its name, so it holds nothing back.
pub(super) fn unknown_source(locked: &LockedDestination, assignment: &Assignment) -> Option<ImageReport> {
    let Source::Unknown(cause) = &assignment.source else { return None };
    if locked.images.iter().any(|locked| locked.destination.is_same(&assignment.destination)) {
        return None;
    }
    let image = PlannedImage {
        destination: assignment.destination.clone(),
        source: None,
        provenance: assignment.provenance,
        step: Step::Skip { reason: cause.clone() },
        note: None,
        not_compared: Some(cause.clone()),
        used_by: assignment.used_by.clone(),
    };
    Some(ImageReport::from_planned(&image, ImageResult::NotCompared, Some(cause.clone())))
}
