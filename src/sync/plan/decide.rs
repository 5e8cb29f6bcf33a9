//! The pure part of planning: converts facts about sources and destination to steps.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Digest, Image, Mirror};
use crate::model::plan::{Content, DestinationPlan, Manifest, PlannedImage, RegistryKind, Step, Upload};
use crate::store::{Listing, capabilities};
use crate::sync::plan::assignment::ImageSource;
use crate::sync::plan::attestations::ReducedImages;
use crate::sync::plan::uploads::{estimate, uploads};
use crate::sync::plan::wanted_images::{WantedImage, is_settled};

/// The facts that planning needs.
#[derive(Clone, Debug)]
pub struct DestinationFacts {
    pub registry: RegistryKind,
    /// By path: the content of a destination repository, `None` if it does not exist, or why it is unknown.
    pub repositories: BTreeMap<String, Result<Option<Listing>, String>>,
    /// The results of source requests. Sources without a request are missing.
    pub sources: BTreeMap<Image, Result<Content, String>>,
    /// What sources that have an error no longer have.
    pub removals: BTreeMap<Image, String>,
    pub reduced: ReducedImages,
    /// Pairs of destination repository and blob that are present, among those that were checked.
    pub present_blobs: BTreeSet<(String, Digest)>,
    /// Whether the destination mounts blobs from one repository into another.
    pub mounting: bool,
    /// By path and digest: images in the destination whose manifests were read.
    pub contents: BTreeMap<(String, Digest), Content>,
    /// By path and digest: tagged images in the destination that are incomplete.
    pub damaged: BTreeSet<(String, Digest)>,
    /// Platforms of the clusters' nodes, such as `linux/arm64`.
    pub node_platforms: BTreeSet<String>,
    pub movable: MovableTags,
}

/// Which of the destination's tags may be moved if their content differs from the source's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MovableTags {
    /// Everything in the destination is ours.
    All,
    /// The destination has other images too: only tags of these repositories, by path, which the user named.
    Of(BTreeSet<String>),
}

impl MovableTags {
    fn include(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(repositories) => repositories.contains(path),
        }
    }
}

/// The plan for one destination, and its uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub plan: DestinationPlan,
    pub uploads: Vec<Upload>,
}

/// Decides on a step for every wanted image.
pub fn decide(mirror: &Mirror, wanted_images: Vec<WantedImage>, facts: &DestinationFacts) -> Decided {
    let mut images: Vec<PlannedImage> = wanted_images
        .into_iter()
        .map(|wanted_image| {
            let (step, not_compared) = step(mirror, &wanted_image, facts);
            let is_removed =
                matches!(&wanted_image.source, ImageSource::Known(source) if facts.removals.contains_key(source));
            let tag_removed = not_compared.is_some() && is_removed;
            let source = match wanted_image.source {
                ImageSource::Known(source) => Some(source),
                ImageSource::Reachable(_) => Some(wanted_image.destination.clone()),
                ImageSource::Unknown(_) | ImageSource::InvalidName(_) => None,
            };
            let provenance = wanted_image.provenance;
            PlannedImage {
                destination: wanted_image.destination,
                source,
                provenance,
                step,
                note: None,
                not_compared,
                tag_removed,
                used_by: wanted_image.used_by,
            }
        })
        .collect();
    refuse_shared_tags(&mut images);
    note_missing_platforms(&mut images, &facts.node_platforms);
    let copies =
        || images.iter().filter_map(|image| Some((image, image.source.as_ref()?, image.step.to_write()?)));
    let repositories: BTreeSet<&str> = copies().map(|(image, ..)| image.destination.path()).collect();
    let create_repositories: Vec<String> = repositories
        .iter()
        .filter(|path| matches!(facts.repositories.get(**path), Some(Ok(None))))
        .map(|path| (*path).to_owned())
        .collect();
    let uploads = uploads(mirror, copies(), &facts.present_blobs);
    let manifests: BTreeSet<_> = copies()
        .flat_map(|(image, _, content)| {
            missing_manifests(content).map(|manifest| {
                let is_root = manifest.digest == content.digest;
                let tag = is_root.then(|| image.destination.version().stored_tag());
                (image.destination.path(), tag, &manifest.digest)
            })
        })
        .collect();
    let capabilities = capabilities(&facts.registry);
    let verifying = if capabilities.writes_prove_children { 0 } else { repositories.len() };
    let templates = usize::from(capabilities.has_creation_templates && !create_repositories.is_empty());
    let creations = create_repositories.len() + templates;
    let estimate = estimate(&uploads, facts.mounting, [creations, manifests.len(), verifying]);
    let plan = DestinationPlan {
        mirror: mirror.clone(),
        registry: facts.registry.clone(),
        create_repositories,
        mounting: facts.mounting,
        estimate,
        images,
    };
    Decided { plan, uploads }
}

/// The manifests to write: those that are missing, and the one of the tag.
pub(in crate::sync) fn missing_manifests(content: &Content) -> impl Iterator<Item = &Manifest> {
    content.manifests.iter().filter(|manifest| !manifest.present || manifest.digest == content.digest)
}

/// The step, and why the content in the destination could not be compared with the source, if it could not.
fn step(mirror: &Mirror, wanted_image: &WantedImage, facts: &DestinationFacts) -> (Step, Option<String>) {
    let failed = |error: &str| (Step::Failed { error: error.to_owned() }, None);
    let source = match &wanted_image.source {
        ImageSource::Reachable(why) => return (Step::Skip { reason: why.clone() }, None),
        ImageSource::InvalidName(error) => return failed(error),
        ImageSource::Known(source) => Some(source),
        ImageSource::Unknown(_) => None,
    };
    if let Some(fault) = wanted_image.name_fault(mirror, capabilities(&facts.registry)) {
        return failed(&fault);
    }
    let version = wanted_image.destination.version();
    let nothing = Listing::default();
    let listing = match facts.repositories.get(wanted_image.destination.path()) {
        Some(Ok(Some(listing))) => listing,
        Some(Ok(None)) | None => &nothing,
        Some(Err(error)) => return failed(error),
    };
    let current = listing.stored(version);
    let key = |digest: &Digest| (wanted_image.destination.path().to_owned(), digest.clone());
    let up_to_date = |digest: &Digest, media_type: &str| {
        let read = facts.contents.get(&key(digest)).cloned();
        let content = read.unwrap_or_else(|| Content::unread(digest.clone(), media_type.to_owned()));
        let without_attestations = facts.reduced.get(&key(digest)).cloned();
        Step::UpToDate { content: Content { without_attestations, ..content } }
    };
    let Some(source) = source else {
        let ImageSource::Unknown(hint) = &wanted_image.source else {
            return failed("no source");
        };
        return match listing.digest(version) {
            Some(_) => (Step::Skip { reason: hint.clone() }, Some(hint.clone())),
            None => failed(&format!("not found in the registry, and {hint}")),
        };
    };
    let is_whole = |digest: &Digest| !facts.damaged.contains(&key(digest));
    let is_same = |current: &Digest, content: &Content| {
        let reduced = facts.reduced.get(&key(current));
        *current == content.digest
            || current == content.source_digest()
            || reduced.is_some_and(|reduced| reduced.source_digest == *content.source_digest())
    };
    // A digest in the reference is what the tag must have, whatever the source has now.
    if let (Some(current), Some(wanted)) = (current, source.version().digest())
        && current == wanted
        && is_whole(current)
    {
        return (up_to_date(current, ""), None);
    }
    match (facts.sources.get(source), current) {
        (Some(Ok(content)), Some(current)) if is_same(current, content) && is_whole(current) => {
            (up_to_date(current, &content.media_type), None)
        }
        (Some(Ok(content)), _) => {
            let mut content = content.clone();
            for manifest in &mut content.manifests {
                manifest.present = listing.digests.contains(&manifest.digest);
            }
            match current.filter(|current| **current != content.digest) {
                None => (Step::Copy { content }, None),
                Some(current) if facts.movable.include(wanted_image.destination.path()) => {
                    (Step::Replace { content, replaces: current.clone() }, None)
                }
                Some(current) => failed(&format!(
                    "{} is {current} in the registry but {} at its source: add --replace {} to replace it",
                    wanted_image.destination,
                    content.digest,
                    wanted_image.destination.path()
                )),
            }
        }
        // Everything already uses the mirror: its content is accepted as long as the source cannot be compared.
        (Some(Err(error)), _) => match listing.digest(version).filter(|current| is_whole(current)) {
            Some(current) if is_settled(wanted_image) => {
                let cause = facts.removals.get(source).unwrap_or(error);
                (up_to_date(current, ""), Some(cause.clone()))
            }
            _ => failed(error),
        },
        (None, _) => failed("its source was not queried"),
    }
}

/// A tag has only one digest. If several images needed the same tag, each run would move it.
fn refuse_shared_tags(images: &mut [PlannedImage]) {
    let stored = |image: &PlannedImage| {
        let digest = image.step.content()?.digest.clone();
        Some((
            (image.destination.path().to_owned(), image.destination.version().stored_tag().into_owned()),
            digest,
        ))
    };
    let mut tags: BTreeMap<(String, String), BTreeSet<Digest>> = BTreeMap::new();
    for (tag, digest) in images.iter().filter_map(stored) {
        tags.entry(tag).or_default().insert(digest);
    }
    for image in images {
        let Some((tag, _)) = stored(image) else { continue };
        if let Some(digests) = tags.get(&tag).filter(|digests| digests.len() > 1) {
            let digests = digests.iter().map(Digest::as_str).collect::<Vec<_>>().join(" and ");
            image.step = Step::Failed {
                error: format!(
                    "conflicting digests for its tag {} in the registry: {digests}; use another version",
                    tag.1
                ),
            };
        }
    }
}

/// Notes which nodes an image cannot run on. This is no error, because a component may not run on those nodes.
fn note_missing_platforms(images: &mut [PlannedImage], nodes: &BTreeSet<String>) {
    for image in images {
        let Some(content) = image.step.content().filter(|content| !content.platforms.is_empty()) else {
            continue;
        };
        // `linux/arm64/v8` runs on a node with the platform `linux/arm64`.
        let runs_on = |node: &str| {
            let mut platforms = content.platforms.iter();
            platforms.any(|platform| {
                platform.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let missing: Vec<&str> = nodes.iter().map(String::as_str).filter(|node| !runs_on(node)).collect();
        if !missing.is_empty() {
            let note = format!(
                "not available for {}, which nodes of the cluster have: it cannot run on them",
                missing.join(", ")
            );
            image.note = Some(image.note.take().map_or(note.clone(), |former| format!("{former}; {note}")));
        }
    }
}

#[cfg(test)]
mod tests;
