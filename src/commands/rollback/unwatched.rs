//! A note for a user who interrupts a rollback.

use std::cell::Cell;

use crate::output;
use crate::output::progress::Progress;

/// Warns, if the run is interrupted, about restored workloads that no later rollback will watch: the record of an image
/// is removed together with the image.
pub(super) struct Guard<'a> {
    progress: &'a Progress,
    is_needed: Cell<bool>,
}

impl<'a> Guard<'a> {
    pub(super) const fn new(progress: &'a Progress) -> Self {
        Self { progress, is_needed: Cell::new(false) }
    }

    /// Whether there are such workloads now.
    pub(super) fn set(&self, is_needed: bool) {
        self.is_needed.set(is_needed);
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.is_needed.get() {
            return;
        }
        self.progress.clear();
        output::say(
            "note: rollouts are no longer watched; if a workload cannot run, restore its private images \
             with `kubectl castai-privatelink sync-images`",
        );
    }
}
