//! The deciding half of planning: from what was found at sources and destination to steps. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Digest, Image, Mirror};
use crate::model::plan::{Content, DestinationPlan, Manifest, PlannedImage, RegistryKind, Step, Upload};
use crate::store::{Listing, capabilities};
use crate::sync::plan::assignment::Source;
use crate::sync::plan::targets::{Target, is_settled};
use crate::sync::plan::uploads::{estimate, uploads};

/// What planning needs to know of the world.
#[derive(Clone, Debug)]
pub struct Facts {
    pub registry: RegistryKind,
    /// By path: what a destination repository holds, nothing if it does not exist, or why that is not known.
    pub repositories: BTreeMap<String, Result<Option<Listing>, String>>,
    /// What sources were asked and how they answered. Those that did not need to be asked are absent.
    pub sources: BTreeMap<Image, Result<Resolved, String>>,
    /// Pairs of destination repository and blob that it holds, of those that were asked for.
    pub present_blobs: BTreeSet<(String, Digest)>,
    /// Whether the destination mounts blobs across repositories.
    pub mounting: bool,
    /// By path and digest: what was read of an image that the destination holds.
    pub contents: BTreeMap<(String, Digest), Content>,
    /// By path and digest: images that the destination's tags name, and that lack a part.
    pub damaged: BTreeSet<(String, Digest)>,
    /// Platforms of the clusters' nodes, such as `linux/arm64`.
    pub node_platforms: BTreeSet<String>,
    pub movable: MovableTags,
}

/// Which of the destination's tags may be moved that name other content than the source's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MovableTags {
    /// Everything in the destination is ours.
    All,
    /// The destination holds images of others too: those of these repositories, by path, which the user named.
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

/// An image at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// With manifests, unless only the digest was asked for.
    pub content: Content,
    /// Why the destination would refuse it.
    pub fault: Option<String>,
}

/// What happens at one destination, and what has to be uploaded for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub plan: DestinationPlan,
    pub uploads: Vec<Upload>,
}

/// Decides what to do for every target.
pub fn decide(mirror: &Mirror, targets: Vec<Target>, facts: &Facts) -> Decided {
    let mut images: Vec<PlannedImage> = targets
        .into_iter()
        .map(|target| {
            let (step, note) = step(mirror, &target, facts);
            let source = match target.source {
                Source::Known(source) => Some(source),
                Source::Reachable(_) => Some(target.destination.clone()),
                Source::Unknown(_) | Source::InvalidName(_) => None,
            };
            let provenance = target.provenance;
            PlannedImage {
                destination: target.destination,
                source,
                provenance,
                step,
                note,
                used_by: target.used_by,
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
    let estimate =
        estimate(&uploads, facts.mounting, [create_repositories.len(), manifests.len(), verifying]);
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

/// The manifests that still have to be written: those that are not there, and the one that the tag shall name.
pub(in crate::sync) fn missing_manifests(content: &Content) -> impl Iterator<Item = &Manifest> {
    content.manifests.iter().filter(|manifest| !manifest.present || manifest.digest == content.digest)
}

fn step(mirror: &Mirror, target: &Target, facts: &Facts) -> (Step, Option<String>) {
    let failed = |error: &str| (Step::Failed { error: error.to_owned() }, None);
    let source = match &target.source {
        Source::Reachable(why) => return (Step::Skip { reason: why.clone() }, None),
        Source::InvalidName(error) => return failed(error),
        Source::Known(source) => Some(source),
        Source::Unknown(_) => None,
    };
    if let Some(fault) = target.name_fault(mirror, capabilities(&facts.registry)) {
        return failed(&fault);
    }
    let version = target.destination.version();
    let nothing = Listing::default();
    let listing = match facts.repositories.get(target.destination.path()) {
        Some(Ok(Some(listing))) => listing,
        Some(Ok(None)) | None => &nothing,
        Some(Err(error)) => return failed(error),
    };
    let held = listing.stored(version);
    let up_to_date = |digest: &Digest, media_type: &str| {
        let read = facts.contents.get(&(target.destination.path().to_owned(), digest.clone()));
        Step::UpToDate {
            content: read.cloned().unwrap_or_else(|| Content::unread(digest.clone(), media_type.to_owned())),
        }
    };
    let Some(source) = source else {
        let Source::Unknown(hint) = &target.source else {
            return failed("no source");
        };
        return match listing.digest(version) {
            Some(_) => (Step::Skip { reason: hint.clone() }, None),
            None => failed(&format!("not found, and {hint}")),
        };
    };
    let is_whole =
        |digest: &Digest| !facts.damaged.contains(&(target.destination.path().to_owned(), digest.clone()));
    // A digest in the reference is what the tag must name, wherever the source stands.
    if let (Some(held), Some(wanted)) = (held, source.version().digest())
        && held == wanted
        && is_whole(held)
    {
        return (up_to_date(held, ""), None);
    }
    match (facts.sources.get(source), held) {
        (Some(Ok(resolved)), Some(held)) if *held == resolved.content.digest && is_whole(held) => {
            (up_to_date(held, &resolved.content.media_type), None)
        }
        (Some(Ok(Resolved { fault: Some(fault), .. })), _) => failed(fault),
        (Some(Ok(resolved)), _) => {
            let mut content = resolved.content.clone();
            for manifest in &mut content.manifests {
                manifest.present = listing.digests.contains(&manifest.digest);
            }
            match held.filter(|held| **held != content.digest) {
                None => (Step::Copy { content }, None),
                Some(held) if facts.movable.include(target.destination.path()) => {
                    (Step::Replace { content, replaces: held.clone() }, None)
                }
                Some(held) => failed(&format!(
                    "{} is {held} in the registry but {} at its source: add --replace {} to replace it",
                    target.destination,
                    content.digest,
                    target.destination.path()
                )),
            }
        }
        // Everything runs from the mirror already: what it holds is good enough as long as nobody can compare.
        (Some(Err(error)), _) => match listing.digest(version).filter(|held| is_whole(held)) {
            Some(held) if is_settled(target) => {
                let note = format!("cannot compare it with its source: {error}");
                (up_to_date(held, ""), Some(note))
            }
            _ => failed(error),
        },
        (None, _) => failed("its source was not queried"),
    }
}

/// A tag names one digest. A tag that is called like those of pinned digests would be moved to and fro with each run.
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

/// Says which nodes an image cannot run on. It stops nothing: a component may be kept off them.
fn note_missing_platforms(images: &mut [PlannedImage], nodes: &BTreeSet<String>) {
    for image in images {
        let Some(content) = image.step.content().filter(|content| !content.platforms.is_empty()) else {
            continue;
        };
        // `linux/arm64/v8` runs on a node that calls itself `linux/arm64`.
        let runs_on = |node: &str| {
            let mut platforms = content.platforms.iter();
            platforms.any(|platform| {
                platform.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let missing: Vec<&str> = nodes.iter().map(String::as_str).filter(|node| !runs_on(node)).collect();
        if !missing.is_empty() {
            let note =
                format!("missing platform {}, which nodes of the cluster have", missing.join(" and no "));
            image.note = Some(image.note.take().map_or(note.clone(), |former| format!("{former}; {note}")));
        }
    }
}

#[cfg(test)]
mod tests;
