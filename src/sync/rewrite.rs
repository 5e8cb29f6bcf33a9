//! Which patches bring workloads to verified images: pure, from a snapshot and a lock.

pub mod derived_image;
pub mod manifests;
mod patch;
mod scanner_variable;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};

use json_patch::Patch;

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

/// What decides on a workload's patch, so that it can be decided anew when the workload changed.
#[derive(Clone, Copy, Debug)]
pub struct Rewriter<'a> {
    /// What the destination is proven to hold whose names the cluster's workloads get.
    pub destination: &'a LockedDestination,
    pub filter: &'a ImageFilter,
    /// Images as written that need no mirror, because nodes reach them or they are there already.
    pub skipped_images: &'a BTreeSet<Image>,
}

/// What is to be done with one workload.
#[derive(Clone, Debug, PartialEq)]
pub enum Rewrite {
    Patch(WorkloadPatch),
    /// It runs the verified images already.
    Unchanged,
    /// An image that it needs is not verified; the text names it.
    HeldBack(String),
    /// None of its images can be changed in place; the text says why.
    NotRewritable(String),
}

/// A patch of one workload, guarded so that it only applies to what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadPatch {
    pub workload: WorkloadName,
    /// In order of the image fields. Empty if only our record or ownership is updated.
    pub changes: Vec<Change>,
    /// Image fields that we relinquish, because their owner sets the same image.
    pub relinquished: Vec<ImageField>,
    pub patch: Patch,
    /// Our records of the changed image fields as they were.
    previous: BTreeMap<ImageField, Option<Record>>,
}

impl WorkloadPatch {
    /// Makes `changes` in `workload` as it was read, and `records` of what was `before`.
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

    /// Whether nothing that a user would look for is changed: neither an image nor who may change it.
    pub const fn is_silent(&self) -> bool {
        self.changes.is_empty() && self.relinquished.is_empty()
    }

    /// What an earlier run has changed, by its record: nothing is left to be written.
    pub fn made_earlier(workload: WorkloadName, changes: Vec<Change>) -> Self {
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
    /// Decides on one workload; `None` where nothing of it is taken.
    pub fn rewrite(&self, workload: &Workload) -> Option<Rewrite> {
        let (uses, _) = discover::uses(workload, self.filter);
        let uses: Vec<_> = uses
            .into_iter()
            // What we mirrored once moves to another mirror, although nodes reach it where it is.
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
                    Err(ScannersNotFound::InvalidName(why)) => return Some(Rewrite::HeldBack(why)),
                }
                continue;
            }
            match self.locked(image, used_by.recorded_source.as_ref()) {
                None => {
                    missing.insert(image.to_string());
                }
                Some(Locked::Destination(locked)) => {
                    // Somebody put another version of ours there; our record must not speak of the old one.
                    if let Some(record) = before.get(image_field)
                        && record.to != image.as_written()
                    {
                        let from = record.from.map(|_| locked.source.to_string());
                        let to = image.to_string();
                        // What we had added is somebody else's now.
                        records.set(image_field, from.map(|from| Record { from: Some(from), to }));
                    }
                    if fields::field_ownership(workload, image_field)
                        .is_some_and(|ownership| ownership.owned_by == OwnedBy::Both)
                    {
                        relinquished.push(image_field.clone());
                    }
                }
                Some(Locked::Source(_)) if !image_field.is_field() => {}
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
            let missing: Vec<_> = missing.into_iter().collect();
            return Some(Rewrite::HeldBack(format!(
                "image not verified in the destination: {}",
                missing.join(", ")
            )));
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

    /// What has to name a derived image once its component is rewritten, if `used_by` is such an image and the component's
    /// own is locked: nothing where it is found without.
    fn derived(
        &self,
        used_by: &Use,
        uses: &[(Image, Use)],
    ) -> Option<Result<Option<Image>, ScannersNotFound>> {
        let (image, container) = uses.iter().find(|(_, container)| container.contains_source_of(used_by))?;
        let (Locked::Destination(locked) | Locked::Source(locked)) =
            self.locked(image, container.recorded_source.as_ref())?;
        let rule = used_by.image_field.derived().and_then(derivation::named)?;
        if rule.looked_for(&locked.destination).is_some_and(|derived| self.holds(&derived)) {
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

    /// Whether everything that `expected` promises is verified, so that what was decided on by it holds.
    pub fn confirms(&self, expected: &Self) -> bool {
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

    /// The locked image that `image` names, by what is on record for it before what is written, and as written before
    /// any other that means the same.
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

/// What has to be put back is what stood there before our first change, as long as every change since was ours.
fn record_of(image_field: &ImageField, from: &Image, to: &Image, before: &Records) -> Record {
    let first = before
        .current(image_field, from.as_written())
        .and_then(|record| record.from)
        .or_else(|| Some(before.source(image_field, from.as_written())?.to_string()));
    Record { from: Some(first.unwrap_or_else(|| from.to_string())), to: to.to_string() }
}

#[cfg(test)]
mod tests;
