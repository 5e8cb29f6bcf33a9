//! Gathers the facts for the plan: listings of the destination, responses of the sources, and which blobs are present.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use crate::model::image::{Digest, Image, Mirror};
use crate::model::plan::{Content, DestinationPlan, Upload};
use crate::store::{Error, Reference, Store};
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::plan::attestations::Attestations;
use crate::sync::plan::decide::{Decided, DestinationFacts, MovableTags, decide};
use crate::sync::plan::repositories::{Repositories, list, repository_at};
use crate::sync::plan::resolve::{Pair, Resolved, currents};
use crate::sync::plan::tree::{ManifestCache, Unread, tree};
use crate::sync::plan::wanted_images::{WantedImage, wanted_images};

/// A plan, and what was read for it.
pub struct Prepared {
    pub plan: DestinationPlan,
    pub uploads: Vec<Upload>,
    /// Notes for the reader of the plan.
    pub notes: Vec<String>,
}

/// How much to read about images that the destination already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Only the digest, from a listing.
    Digest,
    /// Also the manifests: platforms, size, and whether anything is missing.
    Content,
}

/// The images that the destination needs.
pub struct NeededImages {
    pub assignments: Vec<Assignment>,
    /// Platforms of the clusters' nodes.
    pub node_platforms: BTreeSet<String>,
    pub detail: Detail,
    pub movable: MovableTags,
    pub attestations: Attestations,
}

/// Finds out what is needed, and decides. Manifests that are read stay in `cache`, so that mirroring and planning for
/// another destination do not read them again.
///
/// # Errors
/// The destination as a whole cannot be used. Failures of single images and repositories become failed steps.
pub async fn prepare(
    sources: &Store<'_>,
    destination: &Store<'_>,
    mirror: &Mirror,
    wanted: NeededImages,
    cache: &ManifestCache,
) -> Result<Prepared, Error> {
    let wanted_images = wanted_images(wanted.assignments);
    let mut repositories = list(destination, mirror, &wanted_images).await?;
    let mut notes = Vec::new();
    let (contents, damaged) = match wanted.detail {
        Detail::Digest => Inspected::default(),
        Detail::Content => {
            let read = inspect(destination, mirror, &wanted_images, &repositories, cache, |_| true).await;
            keep_complete(read, &mut repositories, &mut notes)
        }
    };
    let pair = Pair { sources, destination, mirror, attestations: wanted.attestations, cache };
    let resolved = pair.resolve(&wanted_images, &repositories, &damaged).await;
    let Resolved { contents: sources, reduced, removals } = resolved;
    let facts = DestinationFacts {
        registry: destination.kind(),
        repositories,
        sources,
        removals,
        reduced,
        present_blobs: BTreeSet::new(),
        mounting: false,
        contents,
        damaged,
        node_platforms: wanted.node_platforms,
        movable: wanted.movable,
    };
    let Decided { plan, uploads } = settle(destination, mirror, wanted_images, facts, &mut notes).await?;
    Ok(Prepared { plan, uploads, notes })
}

/// Updates a saved plan to the current content of the destination. The content to copy is not changed. Sources are only
/// read to compare them with what the destination has by now under another digest.
///
/// A planned image whose tag is present was copied in the meantime, or is one that the plan repairs: it is read again,
/// because the tag does not tell which.
///
/// # Errors
/// As [`prepare`].
pub async fn renew(
    sources: &Store<'_>,
    destination: &Store<'_>,
    plan: &DestinationPlan,
    movable: MovableTags,
    attestations: Attestations,
    cache: &ManifestCache,
) -> Result<Prepared, Error> {
    let mut wanted_images = Vec::new();
    let mut contents = BTreeMap::new();
    for image in &plan.images {
        if let (Some(content), Some(source)) = (image.step.to_write(), &image.source) {
            contents.insert(source.clone(), Ok(content.clone()));
            wanted_images.push(WantedImage {
                destination: image.destination.clone(),
                source: ImageSource::Known(source.clone()),
                provenance: image.provenance,
                used_by: image.used_by.clone(),
            });
        }
    }
    let mut repositories = list(destination, &plan.mirror, &wanted_images).await?;
    let pair = Pair { sources, destination, mirror: &plan.mirror, attestations, cache };
    let reduced = pair.compare_planned(&wanted_images, &contents, &repositories).await;
    let is_planned = |(source, path, current): &(&Image, &str, &Digest)| {
        let content = contents.get(*source).and_then(|content| content.as_ref().ok());
        content.is_some_and(|content| [&content.digest, content.source_digest()].contains(current))
            || reduced.contains_key(&((*path).to_owned(), (*current).clone()))
    };
    let read = inspect(destination, &plan.mirror, &wanted_images, &repositories, cache, is_planned).await;
    let mut notes = Vec::new();
    let (present, damaged) = keep_complete(read, &mut repositories, &mut notes);
    let facts = DestinationFacts {
        reduced,
        repositories,
        registry: destination.kind(),
        sources: contents,
        removals: BTreeMap::new(),
        present_blobs: BTreeSet::new(),
        mounting: false,
        contents: present,
        damaged,
        node_platforms: BTreeSet::new(),
        movable,
    };
    let Decided { plan: mut renewed, uploads } =
        settle(destination, &plan.mirror, wanted_images, facts, &mut notes).await?;
    let others = plan.images.iter().filter(|image| image.step.to_write().is_none());
    renewed.images.extend(others.cloned());
    renewed.images.sort_by(|one, other| one.destination.cmp(&other.destination));
    Ok(Prepared { plan: renewed, uploads, notes })
}

/// Completes the facts about the destination, which blobs it has and whether it mounts them, and decides.
async fn settle(
    destination: &Store<'_>,
    mirror: &Mirror,
    wanted_images: Vec<WantedImage>,
    mut facts: DestinationFacts,
    notes: &mut Vec<String>,
) -> Result<Decided, Error> {
    // A draft of the plan without any blobs present shows which blobs to check.
    let draft = decide(mirror, wanted_images.clone(), &facts);
    check_blobs(destination, mirror, &draft, &mut facts).await?;
    let mut plan = decide(mirror, wanted_images.clone(), &facts);
    if plan.uploads.iter().any(|upload| upload.to.len() > 1) {
        match destination.is_mounting().await {
            Ok(true) => {
                facts.mounting = true;
                plan = decide(mirror, wanted_images, &facts);
            }
            Ok(false) => {}
            Err(error) => notes.push(format!("shared layers are uploaded once per repository: {error}")),
        }
    }
    Ok(plan)
}

/// By path and digest: the result of reading an image of the destination.
type Read = BTreeMap<(String, Digest), Result<Content, Unread>>;
/// Complete images, and incomplete ones.
type Inspected = (BTreeMap<(String, Digest), Content>, BTreeSet<(String, Digest)>);

/// Reads the wanted images that the destination has and that `is_read` selects by source, path and digest.
async fn inspect(
    destination: &Store<'_>,
    mirror: &Mirror,
    wanted_images: &[WantedImage],
    repositories: &Repositories,
    cache: &ManifestCache,
    is_read: impl Fn(&(&Image, &str, &Digest)) -> bool,
) -> Read {
    let current = currents(wanted_images, repositories)
        .filter_map(|(source, path, current)| Some((source, path, current?)))
        .filter(is_read)
        .map(|(_, path, current)| (path.to_owned(), current.clone()));
    stream::iter(current.collect::<BTreeSet<_>>())
        .map(|(path, digest)| async move {
            let repository = repository_at(mirror, &path);
            let content = async {
                let root = destination.manifest(&repository, Reference::Digest(&digest)).await?;
                let capabilities = destination.capabilities();
                tree(destination, &repository, root, capabilities, &cache.destination(&repository)).await
            };
            let content = content.await;
            ((path, digest), content)
        })
        .buffer_unordered(destination.limits().reads)
        .collect()
        .await
}

/// Keeps complete images. Incomplete ones are noted and copied again, although their tags are present.
fn keep_complete(read: Read, repositories: &mut Repositories, notes: &mut Vec<String>) -> Inspected {
    let (mut contents, mut damaged) = (BTreeMap::new(), BTreeSet::new());
    for ((path, digest), content) in read {
        match content {
            Ok(content) => {
                contents.insert((path, digest), content);
            }
            Err(Unread { reason, is_damaged: true, .. }) => {
                if let Some(Ok(Some(listing))) = repositories.get_mut(&path) {
                    listing.digests.remove(&digest);
                }
                notes.push(format!("the image in {path} is incomplete and is copied again: {reason}"));
                damaged.insert((path, digest));
            }
            Err(Unread { reason, is_damaged: false, .. }) => {
                notes.push(format!("cannot read platforms and size of the images in {path}: {reason}"));
            }
        }
    }
    (contents, damaged)
}

/// Checks which of the draft's blobs are present, in repositories that exist.
///
/// Registries other than ECR do not report whether a repository exists, and an interrupted run leaves blobs in a
/// repository without manifests, so all blobs are checked there.
async fn check_blobs(
    destination: &Store<'_>,
    mirror: &Mirror,
    draft: &Decided,
    facts: &mut DestinationFacts,
) -> Result<(), Error> {
    let mut lookups: BTreeMap<&str, Vec<Digest>> = BTreeMap::new();
    for upload in &draft.uploads {
        let paths = upload.to.iter().map(|to| &to.repository);
        for path in paths.filter(|path| !draft.plan.create_repositories.contains(path)) {
            lookups.entry(path).or_default().push(upload.blob.digest.clone());
        }
    }
    let answers: Vec<(&str, Result<BTreeSet<Digest>, Error>)> = stream::iter(lookups)
        .map(|(path, blobs)| async move {
            let present = destination.present_blobs(&repository_at(mirror, path), &blobs).await;
            (path, present)
        })
        .buffer_unordered(destination.limits().reads)
        .collect()
        .await;
    for (path, answer) in answers {
        match answer {
            Ok(present) => {
                let pairs = present.into_iter().map(|digest| (path.to_owned(), digest));
                facts.present_blobs.extend(pairs);
            }
            Err(error) if error.stops_everything() => return Err(error),
            Err(error) => {
                facts.repositories.insert(path.to_owned(), Err(error.to_string()));
            }
        }
    }
    Ok(())
}
