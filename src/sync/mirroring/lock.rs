//! Locks: of what a plan would produce, and which destination of one a cluster uses.

use jiff::Timestamp;

use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::model::inventory::{API_VERSION, Cluster};
use crate::model::lock::{Lock, LockKind, LockedDestination, LockedImage};
use crate::model::plan::{DestinationPlan, PlannedImage};
use crate::sync::target;

/// The mirror of `lock` whose names a cluster's workloads get.
///
/// # Errors
/// The lock has no destination.
pub(in crate::sync) fn locked_mirror<'l>(
    lock: &'l Lock,
    cluster: Option<&Cluster>,
) -> Result<&'l Mirror, CommandError> {
    let mirrors = lock.destinations.iter().map(|locked| &locked.mirror);
    target::mirror_of_cluster(cluster, mirrors)
        .ok_or_else(|| CommandError::new("error: the lock has no destination"))
}

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
