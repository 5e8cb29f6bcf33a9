//! Decides on patches that switch workloads to verified images: pure, from a snapshot and a lock.

pub mod derived_image;
mod held_back;
mod patch;
mod scanner_variable;

use std::collections::{BTreeMap, BTreeSet};

use json_patch::Patch;

pub use self::held_back::HeldBack;
pub use self::patch::restoring;
use self::scanner_variable::ScannersNotFound;
use crate::castai::derivation;
use crate::model::cluster_plan::Change;
use crate::model::image::{Digest, Image};
use crate::model::inventory::{ImageField, Use, WorkloadName};
use crate::model::lock::{LockedDestination, LockedImage};
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::fields::{self, OwnedBy};
use crate::sync::discover::{self, ImageFilter};

/// The inputs for a workload's patch, so that it can be decided again if the workload changes.
#[derive(Clone, Copy, Debug)]
pub struct Rewriter<'a> {
    /// What the destination is proven to hold whose names the cluster's workloads get.
    pub destination: &'a LockedDestination,
    pub filter: &'a ImageFilter,
    /// Images as written that need no mirror, because nodes can reach them or they are already in it.
    pub skipped_images: &'a BTreeSet<Image>,
}

/// What to do with one workload.
#[derive(Clone, Debug, PartialEq)]
pub enum Rewrite {
    Patch(WorkloadPatch),
    /// It already uses the verified images.
    Unchanged,
    HeldBack(HeldBack),
    /// None of its images can be changed in place; the text says why.
    NotRewritable(String),
}

/// A patch of one workload, guarded so that it only applies to what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadPatch {
    pub workload: WorkloadName,
    /// Sorted by image field. Empty if only our record or ownership is updated.
    pub changes: Vec<Change>,
    /// Image fields whose ownership we relinquish, because their owner sets the same image.
    pub relinquished: Vec<ImageField>,
    pub patch: Patch,
    /// The previous records of the changed image fields.
    previous: BTreeMap<ImageField, Option<Record>>,
}

impl WorkloadPatch {
    /// Makes `changes` to `workload` as read, and updates its records from `before` to `records`.
    pub fn new(workload: &Workload, changes: Vec<Change>, before: &Records, records: &Records) -> Self {
        let previous = |change: &Change| (change.image_field.clone(), before.get(&change.image_field));
        Self {
            workload: workload.name.clone(),
            previous: changes.iter().map(previous).collect(),
            patch: patch::build(workload, &changes, records),
            changes,
            relinquished: Vec::new(),
        }
    }

    /// Also relinquishes our ownership of the images at `image_fields`.
    #[must_use]
    pub fn relinquishing(mut self, workload: &Workload, image_fields: Vec<ImageField>) -> Self {
        self.patch.0.extend(patch::relinquish(workload, &image_fields));
        self.relinquished = image_fields;
        self
    }

    /// Whether users would notice no change, neither in images nor in ownership.
    pub const fn is_silent(&self) -> bool {
        self.changes.is_empty() && self.relinquished.is_empty()
    }

    /// The changes of an earlier run, from its record, with an empty patch.
    pub fn from_earlier_run(workload: WorkloadName, changes: Vec<Change>) -> Self {
        Self {
            workload,
            changes,
            relinquished: Vec::new(),
            patch: Patch::default(),
            previous: BTreeMap::new(),
        }
    }
}

impl Rewriter<'_> {
    /// Decides on one workload; `None` if none of its images is included.
    pub fn rewrite(&self, workload: &Workload) -> Option<Rewrite> {
        let (uses, _) = discover::uses(workload, self.filter);
        let uses: Vec<_> = uses
            .into_iter()
            // An image that we mirrored earlier moves to another mirror, although nodes can reach it.
            .filter(|(image, used_by)| {
                !self.skipped_images.contains(image)
                    || used_by
                        .recorded_source
                        .as_ref()
                        .is_some_and(|source| self.locked(source, None).is_some())
            })
            .collect();
        if uses.is_empty() {
            return None;
        }
        let before = Records::read(&workload.annotations);
        let mut records = before.clone();
        let (mut changes, mut missing, mut not_rewritable) = (Vec::new(), BTreeSet::new(), None);
        let mut relinquished = Vec::new();
        for (image, used_by) in &uses {
            let image_field = &used_by.image_field;
            if let Some(derived) = self.derived(used_by, &uses) {
                match derived.and_then(|named| scanner_variable::set(workload, used_by, named, &mut records))
                {
                    Ok(variable) => {
                        changes.extend(variable.change);
                        relinquished.extend(variable.relinquished);
                    }
                    Err(ScannersNotFound::Missing(image)) => {
                        missing.insert(image);
                    }
                    Err(ScannersNotFound::InvalidName(why)) => {
                        return Some(Rewrite::HeldBack(HeldBack::Other(why)));
                    }
                }
                continue;
            }
            match self.locked(image, used_by.recorded_source.as_ref()) {
                None => {
                    missing.insert(image.to_string());
                }
                Some(Locked::Destination(locked)) => {
                    // Another client set another version of a private image; our record must not refer to the old one.
                    if let Some(record) = before.get(image_field)
                        && record.to != image.as_written()
                    {
                        let from = record.from.map(|_| locked.source.to_string());
                        let to = image.to_string();
                        // Another client now owns a variable that we had added.
                        records.set(image_field, from.map(|from| Record { from: Some(from), to }));
                    }
                    if fields::field_ownership(workload, image_field)
                        .is_some_and(|ownership| ownership.owned_by == OwnedBy::Both)
                    {
                        relinquished.push(image_field.clone());
                    }
                }
                Some(Locked::Source(_)) if !image_field.is_in_object() => {}
                Some(Locked::Source(locked)) => {
                    if let Some(why) = &used_by.not_rewritable {
                        not_rewritable = Some(why.clone());
                        continue;
                    }
                    let change = Change {
                        image_field: image_field.clone(),
                        from: Some(image.to_string()),
                        to: Some(locked.destination.to_string()),
                    };
                    records
                        .set(image_field, Some(record_of(image_field, image, &locked.destination, &before)));
                    changes.push(change);
                }
            }
        }
        if !missing.is_empty() {
            return Some(Rewrite::HeldBack(HeldBack::NotVerified(missing)));
        }
        changes.sort_by(|left, right| left.image_field.cmp(&right.image_field));
        relinquished.sort();
        match (changes.is_empty() && relinquished.is_empty() && records == before, not_rewritable) {
            (true, Some(why)) => Some(Rewrite::NotRewritable(why)),
            (true, None) => Some(Rewrite::Unchanged),
            (false, _) => {
                let patch = WorkloadPatch::new(workload, changes, &before, &records);
                Some(Rewrite::Patch(patch.relinquishing(workload, relinquished)))
            }
        }
    }

    /// The derived image's name for a variable, if `used_by` is a derived image and its component's own image is
    /// locked; `None` if the component finds it without.
    fn derived(
        &self,
        used_by: &Use,
        uses: &[(Image, Use)],
    ) -> Option<Result<Option<Image>, ScannersNotFound>> {
        let (image, container) = uses.iter().find(|(_, container)| container.contains_source_of(used_by))?;
        let (Locked::Destination(locked) | Locked::Source(locked)) =
            self.locked(image, container.recorded_source.as_ref())?;
        let rule = used_by.image_field.derived().and_then(derivation::named)?;
        if rule.derived_name(&locked.destination).is_some_and(|derived| self.holds(&derived)) {
            return Some(Ok(None));
        }
        Some(rule.beside(&locked.source).map_err(ScannersNotFound::InvalidName).and_then(|source| {
            match self.locked(&source, None) {
                Some(Locked::Destination(locked) | Locked::Source(locked)) => {
                    Ok(Some(locked.destination.clone()))
                }
                None => {
                    let beside = rule.found_beside(&locked.destination);
                    Err(ScannersNotFound::Missing(beside.unwrap_or(source).to_string()))
                }
            }
        }))
    }

    /// Whether everything in `expected` is verified, so that decisions based on it are valid.
    pub fn covers(&self, expected: &Self) -> bool {
        let images = |rewriter: &Self| -> BTreeSet<(Image, Image, Digest)> {
            let image = |locked: &LockedImage| {
                (locked.destination.clone(), locked.source.clone(), locked.digest.clone())
            };
            rewriter.destination.images.iter().map(image).collect()
        };
        images(expected).is_subset(&images(self))
    }

    fn holds(&self, destination: &Image) -> bool {
        self.destination.images.iter().any(|locked| locked.destination.is_same(destination))
    }

    /// The locked image for `image`: by its recorded original first, then by the name as written, and by exact match
    /// before equivalent references.
    fn locked(&self, image: &Image, recorded: Option<&Image>) -> Option<Locked<'_>> {
        let locked = || self.destination.images.iter();
        locked()
            .find(|locked| locked.destination.is_same(image))
            .map(Locked::Destination)
            .or_else(|| locked().find(|locked| Some(&locked.source) == recorded).map(Locked::Source))
            .or_else(|| locked().find(|locked| &locked.source == image).map(Locked::Source))
            .or_else(|| locked().find(|locked| locked.source.is_same(image)).map(Locked::Source))
    }
}

enum Locked<'a> {
    Destination(&'a LockedImage),
    Source(&'a LockedImage),
}

/// Rollback restores the value before our first change, as long as every change since was ours.
fn record_of(image_field: &ImageField, from: &Image, to: &Image, before: &Records) -> Record {
    let first = before
        .current(image_field, from.as_written())
        .and_then(|record| record.from)
        .or_else(|| Some(before.source(image_field, from.as_written())?.to_string()));
    Record { from: Some(first.unwrap_or_else(|| from.to_string())), to: to.to_string() }
}

#[cfg(test)]
mod tests;
