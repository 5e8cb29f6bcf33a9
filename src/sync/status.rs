//! Drift: the state of each image that Cast AI needs: pure.
//!
//! An image that was not checked never counts as good: what could not be read is stored next to the state, with its
//! cause.

mod digests;
pub mod gather;
mod newer;
mod pulls;
mod readiness;
pub mod registries;
mod report;

use std::collections::{BTreeMap, BTreeSet};

pub use self::digests::OlderDigest;
pub use self::newer::NewerVersions;
pub use self::pulls::{PullFailure, namespaces, pull_failures, without_outdated};
pub use self::readiness::{NotReady, maybe_unfinished, not_ready};
pub use self::report::{ImageStatus, NotChecked, State, StatusReport, Subject};
use crate::model::image::{Digest, Image, Mirror};
use crate::model::inventory::{Inventory, Place};
use crate::model::plan::PlannedUse;
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::fields;
use crate::ownership::owners::{OwnershipContext, changed_by, owners};
use crate::store::listing::Listing;
use crate::sync::earlier_run::mirror_of;
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::plan::attestations::ReducedImages;
use crate::sync::provenance::is_castai;
use crate::sync::rewrite_workload::derived_image::{self, MissingDerivedImage};

/// The result of reading the registries.
#[derive(Clone, Debug, Default)]
pub struct RegistrySnapshot {
    /// By path in the destination: its listing, `None` if it does not exist, or the error.
    pub repositories: BTreeMap<String, Result<Option<Listing>, String>>,
    /// Images that the destination has archived, so that they cannot be pulled, with the command that restores each.
    pub archived: BTreeMap<Image, String>,
    /// `None` if sources were not read.
    pub sources: Option<SourceSnapshot>,
}

/// The result of reading the sources.
#[derive(Clone, Debug, Default)]
pub struct SourceSnapshot {
    /// The current digests of public tags.
    pub tags: BTreeMap<Image, PublicTag>,
    /// The tags of public repositories by host and path, or the error.
    pub versions: BTreeMap<(String, String), Result<Vec<String>, String>>,
    pub reduced: ReducedImages,
}

/// State of a public tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicTag {
    Names(Digest),
    /// There is no such tag, as the text says.
    TagRemoved(String),
    /// It could not be read; the text has the cause.
    Unread(String),
}

impl RegistrySnapshot {
    /// A snapshot in which nothing could be read, for a single cause.
    pub fn unread(assignments: &[Assignment], cause: &str) -> Self {
        let paths = assignments.iter().map(|assignment| assignment.destination.path().to_owned());
        let repositories = paths.map(|path| (path, Err(cause.to_owned()))).collect();
        Self { repositories, ..Self::default() }
    }
}

/// The registry of the rewritten images, according to records in Cast AI's namespaces: elsewhere anyone may have
/// written the record.
pub fn recorded_mirror(inventory: &Inventory) -> Option<Mirror> {
    let mut uses = inventory.images.iter().flat_map(|wanted| {
        let trusted = wanted.used_by.iter().filter(|used_by| is_castai(&used_by.place, &inventory.knowledge));
        trusted.filter_map(|used_by| Some((&wanted.image, used_by.recorded_source.as_ref()?)))
    });
    uses.find_map(|(image, source)| mirror_of(image, source))
}

/// Judges every use in every assignment, sorted by place. Helm's manifests are omitted if their workloads are judged.
pub fn statuses(
    workloads: &[Workload],
    assignments: &[Assignment],
    seen: Option<&RegistrySnapshot>,
    around: &OwnershipContext,
) -> Vec<ImageStatus> {
    let by_name: BTreeMap<_, _> = workloads.iter().map(|workload| (&workload.name, workload)).collect();
    let places =
        assignments.iter().flat_map(|assignment| &assignment.used_by).map(|used| &used.used_by.place);
    let judged: BTreeSet<(&str, String)> = places
        .filter_map(|place| match place {
            Place::Workload(name) => {
                Some((name.namespace.as_str(), format!("{}/{}", name.kind.as_str(), name.name)))
            }
            _ => None,
        })
        .collect();
    let mut statuses = Vec::new();
    for assignment in assignments {
        for used in &assignment.used_by {
            let workload = match &used.used_by.place {
                Place::Workload(name) => by_name.get(name).copied(),
                Place::Release { namespace, manifest, hook: false, .. }
                    if judged.contains(&(namespace.as_str(), manifest.clone())) =>
                {
                    continue;
                }
                Place::Release { .. } | Place::Resource { .. } | Place::File { .. } | Place::Named => None,
            };
            let mut status = status(workload, assignment, used, seen, around);
            if let Some(workload) = workload
                && let Some(state) = scanners_state(workload, assignments, assignment, used)
            {
                status.state = state;
                status.owners = owners(workload, around);
            }
            statuses.push(status);
        }
    }
    statuses.sort_by(|left, right| (&left.place, &left.image_field).cmp(&(&right.place, &right.image_field)));
    statuses
}

fn status(
    workload: Option<&Workload>,
    assignment: &Assignment,
    used: &PlannedUse,
    seen: Option<&RegistrySnapshot>,
    around: &OwnershipContext,
) -> ImageStatus {
    let image_field = &used.used_by.image_field;
    let record = workload.and_then(|workload| Records::read(&workload.annotations).get(image_field));
    let registry_digest = held_digest(assignment, seen);
    let state = match workload.filter(|workload| !workload.has_ended && image_field.is_in_object()) {
        Some(_) => rewritable(assignment, used, record.as_ref(), &registry_digest, seen),
        None => None,
    };
    let state = state.unwrap_or_else(|| in_registry(assignment, &registry_digest, seen));
    let is_private = assignment.destination.is_same(&used.image);
    let is_named = matches!(assignment.source, ImageSource::Known(_) | ImageSource::Unknown(_));
    ImageStatus {
        place: used.used_by.place.clone(),
        image_field: image_field.clone(),
        image: used.image.clone(),
        source: match &assignment.source {
            ImageSource::Known(source) => Some(source.clone()),
            ImageSource::Unknown(_) => None,
            ImageSource::Reachable(_) | ImageSource::InvalidName(_) => Some(used.image.clone()),
        },
        destination: (is_named && !is_private).then(|| assignment.destination.clone()),
        changed_by: workload
            .filter(|_| matches!(state, State::Reverted(_) | State::Upgraded(_)))
            .and_then(|workload| changed_by(workload, image_field)),
        ownership: workload
            .filter(|_| is_private)
            .and_then(|workload| fields::field_ownership(workload, image_field)),
        owners: workload
            .filter(|_| image_field.is_in_object())
            .map(|workload| owners(workload, around))
            .unwrap_or_default(),
        not_at_source: !matches!(state, State::TagRemoved(_)) && is_missing_at_source(assignment, seen),
        not_checked: not_checked(assignment, &registry_digest, seen),
        newer: versions(assignment, seen)
            .and_then(|(source, tags)| newer::newer(source.version().tag()?, tags.as_ref().ok()?)),
        mirrored: registry_digest.ok().filter(|_| is_named).map(|registry_digest| registry_digest.is_some()),
        restore_command: restore_command(assignment, seen).filter(|_| is_named).cloned(),
        state,
    }
}

/// The state of a derived image that its component would not find, although its own image is private; `None` if it is
/// found.
fn scanners_state(
    workload: &Workload,
    assignments: &[Assignment],
    assigned: &Assignment,
    used: &PlannedUse,
) -> Option<State> {
    let own = derived_image::source_of(assignments, &used.used_by)?;
    let mut containers = own.used_by.iter();
    let container = containers.find(|container| container.used_by.contains_source_of(&used.used_by))?;
    if !own.destination.is_same(&container.image) {
        return None;
    }
    let MissingDerivedImage { variable, named, .. } =
        derived_image::missing(&workload.pod, &used.used_by, assigned, &own.destination)?;
    Some(match Records::read(&workload.annotations).get(&variable) {
        Some(record) if named.as_ref() != Some(&record.to) => State::Reverted(record.to),
        _ => State::NotRewritten,
    })
}

/// The state of an image that should be private; `None` if it is.
fn rewritable(
    assignment: &Assignment,
    used: &PlannedUse,
    record: Option<&Record>,
    registry_digest: &Result<Option<&Digest>, String>,
    seen: Option<&RegistrySnapshot>,
) -> Option<State> {
    let is_private = assignment.destination.is_same(&used.image);
    if is_private || !matches!(assignment.source, ImageSource::Known(_)) {
        return None;
    }
    if let Some(why) = &used.used_by.not_rewritable {
        // Its next pod or Job needs the image all the same.
        return match in_registry(assignment, registry_digest, seen) {
            State::Mirrored => Some(State::NotRewritable(why.clone())),
            State::Unchecked(_) if seen.is_none() => Some(State::NotRewritable(why.clone())),
            _ => None,
        };
    }
    Some(match record {
        Some(record) if record.to == used.image.as_written() => {
            let from = record.from.as_ref().and_then(|from| from.parse().ok());
            let other = from.and_then(|from| mirror_of(&used.image, &from));
            State::OtherRegistry(
                other.map_or_else(|| used.image.host().to_owned(), |other| other.to_string()),
            )
        }
        Some(record) => match record.from.as_ref().and_then(|from| from.parse::<Image>().ok()) {
            Some(from) if !from.is_same(&used.image) => State::Upgraded(from.to_string()),
            _ => State::Reverted(record.to.clone()),
        },
        None => State::NotRewritten,
    })
}

/// The state of an image that only has to be in the registry.
fn in_registry(
    assignment: &Assignment,
    registry_digest: &Result<Option<&Digest>, String>,
    seen: Option<&RegistrySnapshot>,
) -> State {
    let source = match &assignment.source {
        ImageSource::Reachable(why) => return State::Skipped(why.clone()),
        ImageSource::InvalidName(why) => return State::InvalidName(why.clone()),
        ImageSource::Unknown(why) => {
            return match registry_digest {
                Ok(None) => not_in_registry(assignment, seen),
                Ok(Some(_)) | Err(_) => State::SourceUnknown(why.clone()),
            };
        }
        ImageSource::Known(source) => source,
    };
    let registry_digest = match registry_digest {
        Err(why) => return State::Unchecked(why.clone()),
        Ok(None) => return not_in_registry(assignment, seen),
        Ok(Some(registry_digest)) => registry_digest,
    };
    let is_reduced = |upstream: &Digest| {
        let key = (assignment.destination.path().to_owned(), (*registry_digest).clone());
        let reduced = sources(seen).and_then(|sources| sources.reduced.get(&key));
        reduced.is_some_and(|reduced| reduced.source_digest == *upstream)
    };
    match sources(seen).and_then(|sources| sources.tags.get(source)) {
        Some(PublicTag::Names(upstream)) if upstream != *registry_digest && !is_reduced(upstream) => {
            State::Behind(upstream.to_string())
        }
        Some(PublicTag::TagRemoved(why)) => State::TagRemoved(why.clone()),
        Some(PublicTag::Unread(cause)) => State::Unchecked(cause.clone()),
        Some(PublicTag::Names(_)) | None => State::Mirrored,
    }
}

/// The state of an image that cannot be pulled from the registry.
fn not_in_registry(assignment: &Assignment, seen: Option<&RegistrySnapshot>) -> State {
    match restore_command(assignment, seen) {
        Some(_) => State::Archived,
        None => State::Missing,
    }
}

fn restore_command<'s>(assignment: &Assignment, seen: Option<&'s RegistrySnapshot>) -> Option<&'s String> {
    seen?.archived.get(&assignment.destination)
}

fn is_missing_at_source(assignment: &Assignment, seen: Option<&RegistrySnapshot>) -> bool {
    let ImageSource::Known(source) = &assignment.source else { return false };
    let tag = sources(seen).and_then(|sources| sources.tags.get(source));
    matches!(tag, Some(PublicTag::TagRemoved(_)))
}

fn sources(seen: Option<&RegistrySnapshot>) -> Option<&SourceSnapshot> {
    seen?.sources.as_ref()
}

/// The source of an image, and all its tags.
fn versions<'s>(
    assignment: &'s Assignment,
    seen: Option<&'s RegistrySnapshot>,
) -> Option<(&'s Image, &'s Result<Vec<String>, String>)> {
    let ImageSource::Known(source) = &assignment.source else { return None };
    let tags = sources(seen)?.versions.get(&(source.host().to_owned(), source.path().to_owned()))?;
    Some((source, tags))
}

/// What should have been read about an image, but could not.
fn not_checked(
    assignment: &Assignment,
    registry_digest: &Result<Option<&Digest>, String>,
    seen: Option<&RegistrySnapshot>,
) -> Vec<NotChecked> {
    let (ImageSource::Known(_) | ImageSource::Unknown(_), Some(seen)) = (&assignment.source, seen) else {
        return Vec::new();
    };
    let registry = registry_digest.as_ref().err().map(|cause| (Subject::Registry, cause));
    let public = sources(Some(seen)).and_then(|sources| {
        let tag = match &assignment.source {
            ImageSource::Known(source) => sources.tags.get(source),
            ImageSource::Unknown(why) => return Some((Subject::PublicTags, why)),
            ImageSource::Reachable(_) | ImageSource::InvalidName(_) => None,
        };
        match (tag, versions(assignment, Some(seen))) {
            (Some(PublicTag::Unread(cause)), _) | (_, Some((_, Err(cause)))) => {
                Some((Subject::PublicTags, cause))
            }
            _ => None,
        }
    });
    let unread = registry.into_iter().chain(public);
    unread.map(|(subject, cause)| NotChecked { subject, cause: cause.clone() }).collect()
}

/// The digest in the registry under an assignment's name, or why it is unknown.
fn held_digest<'s>(
    assignment: &Assignment,
    seen: Option<&'s RegistrySnapshot>,
) -> Result<Option<&'s Digest>, String> {
    let seen = seen.ok_or("the registry was not read")?;
    let listing = seen.repositories.get(assignment.destination.path());
    match listing.ok_or("the registry was not queried for it")? {
        Err(why) => Err(why.clone()),
        Ok(listing) => {
            let version = assignment.destination.version();
            Ok(listing.as_ref().and_then(|listing| listing.digest(version)))
        }
    }
}

#[cfg(test)]
mod tests;
