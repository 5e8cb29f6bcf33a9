//! Drift: what of each image that Cast AI needs here is as it should be, and what is not: pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cluster::workload::Workload;
use crate::image::{Digest, Image, Mirror};
use crate::sync::assignment::{Assignment, Source};
use crate::sync::claims::{self, Claim, Keeper};
use crate::sync::inventory::{API_VERSION, Carrier, Inventory, Place};
use crate::sync::listing::Listing;
use crate::sync::ownership::{ChangedBy, Owner, Surroundings, changed_by, owners};
use crate::sync::plan::PlannedUse;
use crate::sync::provenance::is_castai;
use crate::sync::record::{Record, Records};
use crate::sync::scanners::{self, Lost};

/// The whole result. Its shape is a promise to scripts: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub destination: Mirror,
    pub images: Vec<ImageStatus>,
    /// What could not be looked at, one sentence each.
    pub notes: Vec<String>,
    /// Kinds of workloads that could not be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
}

/// One place that carries an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    pub place: Place,
    pub carrier: Carrier,
    /// As written there.
    pub image: Image,
    /// The public image, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// Its name in the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Image>,
    pub state: State,
    /// Whether the registry holds it under its tag; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<bool>,
    /// Who set the image that stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<ChangedBy>,
    /// Whose claim keeps the private image; absent where nobody applies the workload on the server's side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Who writes this workload's images too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
}

impl ImageStatus {
    /// Whether somebody has to do something about it.
    pub fn needs_attention(&self) -> bool {
        self.state.needs_attention() || self.is_to_be_released()
    }

    /// Whether its owner names the private image by now, so that our claim would only refuse the next tag.
    pub fn is_to_be_released(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.keeper == Keeper::Both)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type", content = "why")]
pub enum State {
    /// It is the mirrored image, or needs no more than to be mirrored, and the registry holds it.
    Mirrored,
    /// It is the mirrored image, and the registry was not asked, or did not say.
    Unchecked(String),
    /// We had rewritten it to this, and somebody put another image there.
    Reverted(String),
    NotRewritten,
    /// The registry does not hold what is to be pulled from there.
    Missing,
    /// The public tag names this digest by now, and the registry holds another.
    Behind(String),
    /// It cannot be rewritten in place; the text says why.
    Fixed(String),
    /// Nodes reach its registry anyway.
    LeftAlone(String),
    /// It lies in the registry, and nobody knows what was mirrored under that name.
    SourceUnknown(String),
    /// It can have no name in the registry.
    Unnameable(String),
}

impl State {
    const fn needs_attention(&self) -> bool {
        matches!(
            self,
            Self::Reverted(_) | Self::NotRewritten | Self::Missing | Self::Behind(_) | Self::Unnameable(_)
        )
    }
}

/// What registries said.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// By path in the destination: what it holds, nothing if it does not exist, or why that is not known.
    pub repositories: BTreeMap<String, Result<Option<Listing>, String>>,
    /// What public tags name now; empty where sources were not asked.
    pub upstream: BTreeMap<Image, Result<Digest, String>>,
}

impl StatusReport {
    pub fn new(destination: Mirror, images: Vec<ImageStatus>, inventory: &Inventory) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "StatusReport",
            destination,
            images,
            notes: inventory.notes.clone(),
            unlisted: inventory.unlisted.clone(),
        }
    }

    /// Whether something needs a person: the exit code is then 1.
    pub fn needs_attention(&self) -> bool {
        !self.unlisted.is_empty() || self.images.iter().any(ImageStatus::needs_attention)
    }

    /// Those who put other images where ours were, or will do so again.
    pub fn reverters(&self) -> BTreeSet<&Owner> {
        let reverted = self.images.iter().filter(|image| matches!(image.state, State::Reverted(_)));
        reverted.flat_map(|image| &image.owners).collect()
    }
}

/// The registry that images were rewritten to, by what is recorded in Cast AI's namespaces: elsewhere anybody may write
/// such a record.
pub fn recorded_mirror(inventory: &Inventory) -> Option<Mirror> {
    let mut uses = inventory.images.iter().flat_map(|wanted| {
        let trusted = wanted.used_by.iter().filter(|used_by| is_castai(&used_by.place, &inventory.knowledge));
        trusted.filter_map(|used_by| Some((&wanted.image, used_by.recorded_source.as_ref()?)))
    });
    uses.find_map(|(image, source)| {
        image.repository().strip_suffix(source.repository())?.strip_suffix('/')?.parse().ok()
    })
}

/// Judges every place of every assignment, in order of the places. Helm's manifests are left out: what they say of
/// workloads is seen there.
pub fn statuses(
    workloads: &[Workload],
    assignments: &[Assignment],
    seen: Option<&Seen>,
    around: &Surroundings,
) -> Vec<ImageStatus> {
    let by_name: BTreeMap<_, _> = workloads.iter().map(|workload| (&workload.name, workload)).collect();
    let mut statuses = Vec::new();
    for assignment in assignments {
        for used in &assignment.used_by {
            let workload = match &used.used_by.place {
                Place::Workload(name) => by_name.get(name).copied(),
                Place::Release { hook: false, .. } => continue,
                Place::Release { .. } | Place::Resource { .. } | Place::File { .. } | Place::Named => None,
            };
            let mut status = status(workload, assignment, used, seen, around);
            if let Some(workload) = workload
                && let Some(state) = lost(workload, assignments, assignment, used)
            {
                status.state = state;
                status.owners = owners(workload, around);
            }
            statuses.push(status);
        }
    }
    statuses.sort_by(|left, right| (&left.place, &left.carrier).cmp(&(&right.place, &right.carrier)));
    statuses
}

fn status(
    workload: Option<&Workload>,
    assignment: &Assignment,
    used: &PlannedUse,
    seen: Option<&Seen>,
    around: &Surroundings,
) -> ImageStatus {
    let carrier = &used.used_by.carrier;
    let record = workload.and_then(|workload| Records::read(&workload.annotations).get(carrier));
    let held = held(assignment, seen);
    let state = match workload.filter(|workload| !workload.has_ended && carrier.is_field()) {
        Some(_) => rewritable(assignment, used, record.as_ref(), &held),
        None => None,
    };
    let state = state.unwrap_or_else(|| in_registry(assignment, &held, seen));
    let is_private = assignment.destination.is_same(&used.image);
    let is_named = matches!(assignment.source, Source::Known(_) | Source::Unknown(_));
    ImageStatus {
        place: used.used_by.place.clone(),
        carrier: carrier.clone(),
        image: used.image.clone(),
        source: match &assignment.source {
            Source::Known(source) => Some(source.clone()),
            Source::Unknown(_) => None,
            Source::Reachable(_) | Source::Unnameable(_) => Some(used.image.clone()),
        },
        destination: (is_named && !is_private).then(|| assignment.destination.clone()),
        changed_by: workload
            .filter(|_| matches!(state, State::Reverted(_)))
            .and_then(|workload| changed_by(workload, carrier)),
        claim: workload.filter(|_| is_private).and_then(|workload| claims::claim(workload, carrier)),
        owners: workload
            .filter(|_| carrier.is_field())
            .map(|workload| owners(workload, around))
            .unwrap_or_default(),
        mirrored: held.ok().filter(|_| is_named).map(|held| held.is_some()),
        state,
    }
}

/// What is to be said of scanners that kvisor does not find beside its controller, which is the private one; `None` where
/// they are found.
fn lost(
    workload: &Workload,
    assignments: &[Assignment],
    scanners: &Assignment,
    used: &PlannedUse,
) -> Option<State> {
    let controller = scanners::controller_of(assignments, &used.used_by)?;
    let mut containers = controller.used_by.iter();
    let container = containers.find(|container| container.used_by.contains_source_of(&used.used_by))?;
    if !controller.destination.is_same(&container.image) {
        return None;
    }
    let Lost { variable, named, .. } =
        scanners::lost(&workload.pod, &used.used_by, scanners, &controller.destination)?;
    Some(match Records::read(&workload.annotations).get(&variable) {
        Some(record) if named.as_ref() != Some(&record.to) => State::Reverted(record.to),
        _ => State::NotRewritten,
    })
}

/// What is to be said of an image that should be the private one; `None` where it is.
fn rewritable(
    assignment: &Assignment,
    used: &PlannedUse,
    record: Option<&Record>,
    held: &Result<Option<&Digest>, String>,
) -> Option<State> {
    let is_private = assignment.destination.is_same(&used.image);
    if is_private || !matches!(assignment.source, Source::Known(_)) {
        return None;
    }
    if let Some(why) = &used.used_by.fixed {
        // Whoever makes it anew needs its image all the same.
        return (*held != Ok(None)).then(|| State::Fixed(why.clone()));
    }
    Some(match record {
        Some(record) if record.to == used.image.as_written() => {
            // It stands as we left it, in another registry than the one that is looked at.
            State::Unchecked("it was rewritten to another registry than this one".to_owned())
        }
        Some(record) => State::Reverted(record.to.clone()),
        None => State::NotRewritten,
    })
}

/// What is to be said of an image that only has to be in the registry.
fn in_registry(
    assignment: &Assignment,
    held: &Result<Option<&Digest>, String>,
    seen: Option<&Seen>,
) -> State {
    let source = match &assignment.source {
        Source::Reachable(why) => return State::LeftAlone(why.clone()),
        Source::Unnameable(why) => return State::Unnameable(why.clone()),
        Source::Unknown(why) => {
            return match held {
                Ok(None) => State::Missing,
                Ok(Some(_)) | Err(_) => State::SourceUnknown(why.clone()),
            };
        }
        Source::Known(source) => source,
    };
    let held = match held {
        Err(why) => return State::Unchecked(why.clone()),
        Ok(None) => return State::Missing,
        Ok(Some(held)) => held,
    };
    match seen.and_then(|seen| seen.upstream.get(source)) {
        Some(Ok(upstream)) if upstream != *held => State::Behind(upstream.to_string()),
        _ => State::Mirrored,
    }
}

/// The digest that the registry holds under an assignment's name, or why that is not known.
fn held<'s>(assignment: &Assignment, seen: Option<&'s Seen>) -> Result<Option<&'s Digest>, String> {
    let seen = seen.ok_or("the registry was not looked at")?;
    let listing = seen.repositories.get(assignment.destination.path());
    match listing.ok_or("the registry was not asked for it")? {
        Err(why) => Err(why.clone()),
        Ok(listing) => {
            let version = assignment.destination.version();
            Ok(listing.as_ref().and_then(|listing| listing.held(version)))
        }
    }
}

#[cfg(test)]
mod tests;
