//! Gathering for the plan: what the destination lists, what the sources answer, which blobs are there already.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::model::image::{Digest, Image, Mirror, Version};
use crate::model::plan::{Content, DestinationPlan, Upload};
use crate::store::{Capabilities, Error, Listing, Reference, Repository, Store};
use crate::sync::plan::assignment::{Assignment, Source};
use crate::sync::plan::decide::{Decided, Facts, MovableTags, Resolved, Target, decide, targets};
use crate::sync::plan::tree::{ManifestCache, Unread, tree};

/// A plan, and what was learned on the way.
pub struct Prepared {
    pub plan: DestinationPlan,
    pub uploads: Vec<Upload>,
    /// Sentences for the person who reads the plan.
    pub notes: Vec<String>,
}

/// How much has to be known of what the destination holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Its digest, which a listing tells.
    Digest,
    /// Its manifests too, which are read from the destination: platforms, size, and that nothing of it is missing.
    Content,
}

/// What is wanted in the destination.
pub struct Wanted {
    pub assignments: Vec<Assignment>,
    /// Platforms of the clusters' nodes.
    pub node_platforms: BTreeSet<String>,
    pub detail: Detail,
    pub movable: MovableTags,
}

/// By path: what a destination repository holds, nothing if it does not exist, or why that is not known.
pub(in crate::sync) type Repositories = BTreeMap<String, Result<Option<Listing>, String>>;

/// Finds out what is needed, and decides. Manifests that are read stay in `cache`, so that mirroring and planning for
/// another destination do not read them again.
///
/// # Errors
/// The destination as a whole cannot be used. What concerns one image or repository becomes a failed step.
pub async fn prepare(
    sources: &Store<'_>,
    destination: &Store<'_>,
    mirror: &Mirror,
    wanted: Wanted,
    cache: &ManifestCache,
) -> Result<Prepared, Error> {
    let targets = targets(wanted.assignments);
    let mut repositories = list(destination, mirror, &targets).await?;
    let mut notes = Vec::new();
    let (contents, damaged) = match wanted.detail {
        Detail::Digest => Inspected::default(),
        Detail::Content => {
            let read = inspect(destination, mirror, &targets, &repositories, cache).await;
            keep_whole(read, &mut repositories, &mut notes)
        }
    };
    let capabilities = destination.capabilities();
    let resolved = resolve(sources, capabilities, &targets, &repositories, &damaged, cache).await;
    let facts = Facts {
        registry: destination.kind(),
        repositories,
        sources: resolved,
        present_blobs: BTreeSet::new(),
        mounting: false,
        contents,
        damaged,
        node_platforms: wanted.node_platforms,
        movable: wanted.movable,
    };
    let Decided { plan, uploads } = settle(destination, mirror, targets, facts, &mut notes).await?;
    Ok(Prepared { plan, uploads, notes })
}

/// Brings a plan that was made earlier, perhaps elsewhere, up to what the destination holds by now. What is copied
/// stays as it was planned: sources are not asked.
///
/// # Errors
/// As [`prepare`].
pub async fn renew(
    destination: &Store<'_>,
    plan: &DestinationPlan,
    movable: MovableTags,
) -> Result<Prepared, Error> {
    let mut targets = Vec::new();
    let mut sources = BTreeMap::new();
    for image in &plan.images {
        if let (Some(content), Some(source)) = (image.step.to_write(), &image.source) {
            sources.insert(source.clone(), Ok(Resolved { content: content.clone(), fault: None }));
            targets.push(Target {
                destination: image.destination.clone(),
                source: Source::Known(source.clone()),
                provenance: image.provenance,
                used_by: image.used_by.clone(),
            });
        }
    }
    let facts = Facts {
        repositories: list(destination, &plan.mirror, &targets).await?,
        registry: destination.kind(),
        sources,
        present_blobs: BTreeSet::new(),
        mounting: false,
        contents: BTreeMap::new(),
        damaged: BTreeSet::new(),
        node_platforms: BTreeSet::new(),
        movable,
    };
    let mut notes = Vec::new();
    let Decided { plan: mut renewed, uploads } =
        settle(destination, &plan.mirror, targets, facts, &mut notes).await?;
    let others = plan.images.iter().filter(|image| image.step.to_write().is_none());
    renewed.images.extend(others.cloned());
    renewed.images.sort_by(|one, other| one.destination.cmp(&other.destination));
    Ok(Prepared { plan: renewed, uploads, notes })
}

/// Decides with what else has to be asked of the destination: which blobs it holds, and whether it mounts them.
async fn settle(
    destination: &Store<'_>,
    mirror: &Mirror,
    targets: Vec<Target>,
    mut facts: Facts,
    notes: &mut Vec<String>,
) -> Result<Decided, Error> {
    // The plan as if no blob were there says which ones to ask for.
    let draft = decide(mirror, targets.clone(), &facts);
    check_blobs(destination, mirror, &draft, &mut facts).await?;
    let mut plan = decide(mirror, targets.clone(), &facts);
    if plan.uploads.iter().any(|upload| upload.to.len() > 1) {
        match destination.is_mounting().await {
            Ok(true) => {
                facts.mounting = true;
                plan = decide(mirror, targets, &facts);
            }
            Ok(false) => {}
            Err(error) => notes.push(format!("shared layers are uploaded once per repository: {error}")),
        }
    }
    Ok(plan)
}

/// What the destination holds in the repositories of `targets`.
pub(in crate::sync) async fn list(
    destination: &Store<'_>,
    mirror: &Mirror,
    targets: &[Target],
) -> Result<Repositories, Error> {
    let mut wanted: BTreeMap<&str, BTreeSet<&Version>> = BTreeMap::new();
    for target in targets {
        let path = target.destination.path();
        let is_ours = matches!(target.source, Source::Known(_) | Source::Unknown(_));
        if is_ours && (destination.capabilities().repository_fault)(path).is_none() {
            wanted.entry(path).or_default().insert(target.destination.version());
        }
    }
    stream::iter(wanted)
        .map(|(path, versions)| async move {
            let listed = destination.list(&at(mirror, path), &versions).await;
            match listed {
                Err(error) if error.stops_everything() => Err(error),
                listed => Ok((path.to_owned(), listed.map_err(|error| error.to_string()))),
            }
        })
        .buffer_unordered(destination.limits().reads)
        .try_collect()
        .await
}

/// A repository of the destination.
pub(in crate::sync) fn at(mirror: &Mirror, path: &str) -> Repository {
    Repository { host: mirror.registry.clone(), path: path.to_owned() }
}

/// What was read of images that the destination holds, by path and digest.
type Read = BTreeMap<(String, Digest), Result<Content, Unread>>;
/// What is whole of it, and what lacks a part.
type Inspected = (BTreeMap<(String, Digest), Content>, BTreeSet<(String, Digest)>);

/// Reads from the destination what it holds of the wanted images.
async fn inspect(
    destination: &Store<'_>,
    mirror: &Mirror,
    targets: &[Target],
    repositories: &Repositories,
    cache: &ManifestCache,
) -> Read {
    let held =
        targets.iter().filter(|target| matches!(target.source, Source::Known(_))).filter_map(|target| {
            let path = target.destination.path();
            let listing = repositories.get(path)?.as_ref().ok()?.as_ref()?;
            Some((path.to_owned(), listing.stored(target.destination.version())?.clone()))
        });
    stream::iter(held.collect::<BTreeSet<_>>())
        .map(|(path, digest)| async move {
            let repository = at(mirror, &path);
            let content = async {
                let root = destination.manifest(&repository, Reference::Digest(&digest)).await?;
                let capabilities = destination.capabilities();
                Ok(tree(destination, &repository, root, capabilities, cache).await?.content)
            };
            let content = content.await;
            ((path, digest), content)
        })
        .buffer_unordered(destination.limits().reads)
        .collect()
        .await
}

/// What is whole counts as read; what is damaged is named, so that it is copied again. Its tag is there all the same.
fn keep_whole(read: Read, repositories: &mut Repositories, notes: &mut Vec<String>) -> Inspected {
    let (mut contents, mut damaged) = (BTreeMap::new(), BTreeSet::new());
    for ((path, digest), content) in read {
        match content {
            Ok(content) => {
                contents.insert((path, digest), content);
            }
            Err(Unread { reason, is_damaged: true }) => {
                if let Some(Ok(Some(listing))) = repositories.get_mut(&path) {
                    listing.digests.remove(&digest);
                }
                notes.push(format!("the image in {path} is incomplete and is copied again: {reason}"));
                damaged.insert((path, digest));
            }
            Err(Unread { reason, is_damaged: false }) => {
                notes.push(format!("cannot read platforms and size of the images in {path}: {reason}"));
            }
        }
    }
    (contents, damaged)
}

/// Asks sources for what the destination cannot answer: nothing where a pinned digest is there, the digest where a
/// tag is there, else everything.
async fn resolve(
    sources: &Store<'_>,
    wanted_by: &Capabilities,
    targets: &[Target],
    repositories: &Repositories,
    damaged: &BTreeSet<(String, Digest)>,
    cache: &ManifestCache,
) -> BTreeMap<Image, Result<Resolved, String>> {
    let mut questions: BTreeMap<&Image, BTreeSet<Option<&Digest>>> = BTreeMap::new();
    for target in targets {
        let (Source::Known(source), Some(Ok(listing))) =
            (&target.source, repositories.get(target.destination.path()))
        else {
            continue;
        };
        let path = target.destination.path();
        let held = listing.as_ref().and_then(|listing| listing.stored(target.destination.version()));
        let held = held.filter(|held| !damaged.contains(&(path.to_owned(), (*held).clone())));
        let wanted = source.version().digest();
        if held.is_none() || held != wanted {
            questions.entry(source).or_default().insert(held);
        }
    }
    stream::iter(questions)
        .map(|(source, held)| async move {
            let resolved = resolve_one(sources, wanted_by, source, &held, cache).await;
            (source.clone(), resolved.map_err(|unread| unread.reason))
        })
        .buffer_unordered(sources.limits().reads)
        .collect()
        .await
}

async fn resolve_one(
    sources: &Store<'_>,
    wanted_by: &Capabilities,
    source: &Image,
    held: &BTreeSet<Option<&Digest>>,
    cache: &ManifestCache,
) -> Result<Resolved, Unread> {
    let repository = Repository::from_image(source);
    let reference = Reference::from_version(source.version());
    if held.contains(&None) || source.version().digest().is_some() {
        let root = sources.manifest(&repository, reference).await?;
        return tree(sources, &repository, root, wanted_by, cache).await;
    }
    let described = sources.describe_manifest(&repository, reference).await?;
    if held.iter().all(|held| *held == Some(&described.digest)) {
        let content = Content::unread(described.digest, described.media_type);
        return Ok(Resolved { content, fault: None });
    }
    let root = Reference::Digest(&described.digest);
    let root = sources.manifest(&repository, root).await?;
    tree(sources, &repository, root, wanted_by, cache).await
}

/// Asks which of the draft's blobs are there, in repositories that exist.
///
/// Another registry than ECR does not say whether a repository exists, and a run that was killed leaves blobs in one
/// that has no manifest yet, so all are asked for there.
async fn check_blobs(
    destination: &Store<'_>,
    mirror: &Mirror,
    draft: &Decided,
    facts: &mut Facts,
) -> Result<(), Error> {
    let mut questions: BTreeMap<&str, Vec<Digest>> = BTreeMap::new();
    for upload in &draft.uploads {
        let paths = upload.to.iter().map(|to| &to.repository);
        for path in paths.filter(|path| !draft.plan.create_repositories.contains(path)) {
            questions.entry(path).or_default().push(upload.blob.digest.clone());
        }
    }
    let answers: Vec<(&str, Result<BTreeSet<Digest>, Error>)> = stream::iter(questions)
        .map(|(path, blobs)| async move {
            let present = destination.present_blobs(&at(mirror, path), &blobs).await;
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
