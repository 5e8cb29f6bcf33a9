//! The locks that a plan would produce, and images that a lock says nothing about.

use jiff::Timestamp;

use crate::model::inventory::API_VERSION;
use crate::model::lock::{Lock, LockKind, LockedDestination, LockedImage};
use crate::model::plan::{Content, DestinationPlan, PlannedImage, Step};
use crate::sync::plan::assignment::{Assignment, ImageSource};
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
        Some(LockedImage::new(image, image.source.as_ref()?, content, now))
    };
    LockedDestination { mirror: plan.mirror.clone(), images: plan.images.iter().filter_map(locked).collect() }
}

/// What a lock says about a private image.
pub(super) fn entry<'l>(locked: &'l LockedDestination, assignment: &Assignment) -> Option<&'l LockedImage> {
    locked.images.iter().find(|locked| locked.destination.is_same(&assignment.destination))
}

/// The report on an image that was not compared with its source when the lock was written, or that the lock does not
/// contain because its source is unknown. The registry has it, so it holds nothing back.
pub(super) fn not_compared(entry: Option<&LockedImage>, assignment: &Assignment) -> Option<ImageReport> {
    let (source, step, cause) = match (entry, &assignment.source) {
        (Some(locked), _) => {
            let cause = format!("at {:.0}: {}", locked.verified, locked.not_compared.as_ref()?);
            let content = Content::unread(locked.digest.clone(), locked.media_type.clone());
            (Some(locked.source.clone()), Step::UpToDate { content }, cause)
        }
        (None, ImageSource::Unknown(cause)) => (None, Step::Skip { reason: cause.clone() }, cause.clone()),
        (None, _) => return None,
    };
    let image = PlannedImage {
        destination: assignment.destination.clone(),
        source,
        provenance: assignment.provenance,
        step,
        note: None,
        not_compared: Some(cause.clone()),
        tag_removed: false,
        used_by: assignment.used_by.clone(),
    };
    Some(ImageReport::from_planned(&image, ImageResult::NotCompared, Some(cause)))
}
