//! Which patches bring workloads to verified images: pure, from a snapshot and a lock.

pub mod derived_image;
pub mod manifests;
mod patch;
pub mod text;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use json_patch::Patch;

pub use self::patch::restoring;
use self::told::Unfound;
use crate::castai::derivation;
use crate::model::cluster_plan::Change;
use crate::model::image::{Digest, Image};
use crate::model::inventory::{Carrier, Use, WorkloadName};
use crate::model::lock::{Lock, LockedImage};
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::claims::{self, Keeper};
use crate::sync::discover::{self, ImageFilter};

/// What decides on a workload's patch, so that it can be decided anew when the workload changed.
#[derive(Clone, Copy, Debug)]
pub struct Rewriter<'a> {
    pub lock: &'a Lock,
    pub filter: &'a ImageFilter,
    /// Images as written that need no mirror, because nodes reach them or they are there already.
    pub left_alone: &'a BTreeSet<Image>,
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
    Fixed(String),
}

/// A patch of one workload, guarded so that it only applies to what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadPatch {
    pub workload: WorkloadName,
    /// In order of the carriers. Empty where only our record or claim is brought up to date.
    pub changes: Vec<Change>,
    /// Images that our claim is given up on, because who applies them names the same.
    pub released: Vec<Carrier>,
    pub patch: Patch,
    /// Our records of the changed carriers as they were.
    previous: BTreeMap<Carrier, Option<Record>>,
}

impl WorkloadPatch {
    /// Makes `changes` in `workload` as it was read, and `records` of what was `before`.
    pub fn new(workload: &Workload, changes: Vec<Change>, before: &Records, records: &Records) -> Self {
        let previous = |change: &Change| (change.carrier.clone(), before.get(&change.carrier));
        Self {
            workload: workload.name.clone(),
            previous: changes.iter().map(previous).collect(),
            patch: patch::build(workload, &changes, records),
            changes,
            released: Vec::new(),
        }
    }

    /// Also gives up our claim on the images at `carriers`.
    #[must_use]
    pub fn releasing(mut self, workload: &Workload, carriers: Vec<Carrier>) -> Self {
        self.patch.0.extend(patch::release(workload, &carriers));
        self.released = carriers;
        self
    }

    /// Whether nothing that a user would look for is changed: neither an image nor who may change it.
    pub const fn is_silent(&self) -> bool {
        self.changes.is_empty() && self.released.is_empty()
    }

    /// What an earlier run has changed, by its record: nothing is left to be written.
    pub fn made_earlier(workload: WorkloadName, changes: Vec<Change>) -> Self {
        Self { workload, changes, released: Vec::new(), patch: Patch::default(), previous: BTreeMap::new() }
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
                !self.left_alone.contains(image)
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
        let (mut changes, mut missing, mut fixed) = (Vec::new(), BTreeSet::new(), None);
        let mut released = Vec::new();
        for (image, used_by) in &uses {
            let carrier = &used_by.carrier;
            if let Some(derived) = self.derived(used_by, &uses) {
                match derived.and_then(|named| told::tell(workload, used_by, named, &mut records)) {
                    Ok(told) => {
                        changes.extend(told.change);
                        released.extend(told.released);
                    }
                    Err(Unfound::Missing(image)) => {
                        missing.insert(image);
                    }
                    Err(Unfound::Unnameable(why)) => return Some(Rewrite::HeldBack(why)),
                }
                continue;
            }
            match self.locked(image, used_by.recorded_source.as_ref()) {
                None => {
                    missing.insert(image.to_string());
                }
                Some(Locked::Destination(locked)) => {
                    // Somebody put another version of ours there; our record must not speak of the old one.
                    if let Some(record) = before.get(carrier)
                        && record.to != image.as_written()
                    {
                        let from = record.from.map(|_| locked.source.to_string());
                        let to = image.to_string();
                        // What we had added is somebody else's now.
                        records.set(carrier, from.map(|from| Record { from: Some(from), to }));
                    }
                    if claims::claim(workload, carrier).is_some_and(|claim| claim.keeper == Keeper::Both) {
                        released.push(carrier.clone());
                    }
                }
                Some(Locked::Source(_)) if !carrier.is_field() => {}
                Some(Locked::Source(locked)) => {
                    if let Some(why) = &used_by.fixed {
                        fixed = Some(why.clone());
                        continue;
                    }
                    let change = Change {
                        carrier: carrier.clone(),
                        from: Some(image.to_string()),
                        to: Some(locked.destination.to_string()),
                    };
                    records.set(carrier, Some(record_of(carrier, image, &locked.destination, &before)));
                    changes.push(change);
                }
            }
        }
        if !missing.is_empty() {
            let missing: Vec<_> = missing.into_iter().collect();
            return Some(Rewrite::HeldBack(format!(
                "not verified in the destination: {}",
                missing.join(", ")
            )));
        }
        changes.sort_by(|left, right| left.carrier.cmp(&right.carrier));
        released.sort();
        match (changes.is_empty() && released.is_empty() && records == before, fixed) {
            (true, Some(why)) => Some(Rewrite::Fixed(why)),
            (true, None) => Some(Rewrite::Unchanged),
            (false, _) => {
                let patch = WorkloadPatch::new(workload, changes, &before, &records);
                Some(Rewrite::Patch(patch.releasing(workload, released)))
            }
        }
    }

    /// What has to name a derived image once its component is rewritten, if `used_by` is such an image and the component's
    /// own is locked: nothing where it is found without.
    fn derived(&self, used_by: &Use, uses: &[(Image, Use)]) -> Option<Result<Option<Image>, Unfound>> {
        let (image, container) = uses.iter().find(|(_, container)| container.contains_source_of(used_by))?;
        let (Locked::Destination(locked) | Locked::Source(locked)) =
            self.locked(image, container.recorded_source.as_ref())?;
        let rule = used_by.carrier.derived().and_then(derivation::named)?;
        if rule.looked_for(&locked.destination).is_some_and(|derived| self.holds(&derived)) {
            return Some(Ok(None));
        }
        Some(rule.beside(&locked.source).map_err(Unfound::Unnameable).and_then(|source| {
            match self.locked(&source, None) {
                Some(Locked::Destination(locked) | Locked::Source(locked)) => {
                    Ok(Some(locked.destination.clone()))
                }
                None => {
                    let beside = rule.found_beside(&locked.destination);
                    Err(Unfound::Missing(beside.unwrap_or(source).to_string()))
                }
            }
        }))
    }

    /// Whether everything that `expected` promises is verified, so that what was decided on by it holds.
    pub fn confirms(&self, expected: &Lock) -> bool {
        let images = |lock: &Lock| -> BTreeSet<(Image, Image, Digest)> {
            let images = lock.destinations.iter().flat_map(|destination| &destination.images);
            let image = |locked: &LockedImage| {
                (locked.destination.clone(), locked.source.clone(), locked.digest.clone())
            };
            images.map(image).collect()
        };
        images(expected).is_subset(&images(self.lock))
    }

    fn holds(&self, destination: &Image) -> bool {
        let mut locked = self.lock.destinations.iter().flat_map(|destination| &destination.images);
        locked.any(|locked| locked.destination.is_same(destination))
    }

    /// The locked image that `image` names, by what is on record for it before what is written, and as written before
    /// any other that means the same.
    fn locked(&self, image: &Image, recorded: Option<&Image>) -> Option<Locked<'_>> {
        let locked = || self.lock.destinations.iter().flat_map(|destination| &destination.images);
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
fn record_of(carrier: &Carrier, from: &Image, to: &Image, before: &Records) -> Record {
    let first = before
        .current(carrier, from.as_written())
        .and_then(|record| record.from)
        .or_else(|| Some(before.source(carrier, from.as_written())?.to_string()));
    Record { from: Some(first.unwrap_or_else(|| from.to_string())), to: to.to_string() }
}

#[cfg(test)]
mod tests;
