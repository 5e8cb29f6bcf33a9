//! The locks that a plan would produce.

use jiff::Timestamp;

use crate::model::inventory::API_VERSION;
use crate::model::lock::{Lock, LockKind, LockedDestination, LockedImage};
use crate::model::plan::{DestinationPlan, PlannedImage};

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
