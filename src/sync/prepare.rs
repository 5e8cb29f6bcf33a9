//! Gathering for the plan: what the destination lists, what the sources answer, which blobs are there already.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::ecr::Listing;
use crate::image::{Digest, Image, Mirror, Version};
use crate::registry::{Client, Error, Fetched, Reference, Repository};
use crate::sync::assignment::{Assignment, Source};
use crate::sync::content::{Document, config_platform};
use crate::sync::decide::{Facts, Resolved, Target, decide, held, name_fault, targets};
use crate::sync::destination::{Destination, stops_everything};
use crate::sync::lint;
use crate::sync::plan::{Content, DestinationPlan, Manifest, RegistryKind, Step};

/// Questions that are open at the same time.
const WIDTH: usize = 16;

/// Deepest nesting of indexes, and most manifests of one image, that are followed.
const DEEPEST: usize = 5;
const MOST_MANIFESTS: usize = 1000;

/// Configs up to this size, in bytes, are read for their platform.
const LARGEST_CONFIG: u64 = 1024 * 1024;

/// A plan, and what was learned on the way.
pub struct Prepared {
    pub plan: DestinationPlan,
    /// Sentences for the person who reads the plan.
    pub notes: Vec<String>,
    /// Manifests that were read, so that mirroring does not read them again.
    pub store: Store,
}

/// Manifests and configs by digest, for the time of one run.
#[derive(Default)]
pub struct Store(Mutex<HashMap<Digest, Bytes>>);

impl Store {
    pub fn get(&self, digest: &Digest) -> Option<Bytes> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.get(digest).cloned()
    }

    pub fn insert(&self, digest: Digest, bytes: Bytes) {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.insert(digest, bytes);
    }
}

/// Finds out what is needed, and decides.
///
/// # Errors
/// The destination as a whole cannot be used. What concerns one image or repository becomes a failed step.
pub async fn prepare(
    client: &Client<'_>,
    destination: &Destination,
    mirror: &Mirror,
    assignments: Vec<Assignment>,
) -> Result<Prepared, Error> {
    let registry = destination.kind();
    let targets = targets(assignments);
    let repositories = list(client, destination, mirror, &registry, &targets).await?;
    let store = Store::default();
    let sources = resolve(client, &registry, &targets, &repositories, &store).await;
    let (plan, notes) = settle(client, destination, mirror, targets, repositories, sources).await?;
    Ok(Prepared { plan, notes, store })
}

/// Brings a plan that was made earlier, perhaps elsewhere, up to what the destination holds by now. What is copied
/// stays as it was planned: sources are not asked.
///
/// # Errors
/// As [`prepare`].
pub async fn renew(
    client: &Client<'_>,
    destination: &Destination,
    plan: &DestinationPlan,
) -> Result<Prepared, Error> {
    let mut targets = Vec::new();
    let mut sources = BTreeMap::new();
    for image in &plan.images {
        if let (Step::Copy { content }, Some(source)) = (&image.step, &image.source) {
            sources.insert(source.clone(), Ok(Resolved { content: content.clone(), fault: None }));
            targets.push(Target {
                destination: image.destination.clone(),
                source: Source::Known(source.clone()),
                used_by: image.used_by.clone(),
            });
        }
    }
    let repositories = list(client, destination, &plan.mirror, &plan.registry, &targets).await?;
    let (mut renewed, notes) =
        settle(client, destination, &plan.mirror, targets, repositories, sources).await?;
    let others = plan.images.iter().filter(|image| !matches!(image.step, Step::Copy { .. }));
    renewed.images.extend(others.cloned());
    renewed.images.sort_by(|one, other| one.destination.cmp(&other.destination));
    Ok(Prepared { plan: renewed, notes, store: Store::default() })
}

/// Decides with what else has to be asked of the destination: which blobs it holds, and whether it mounts them.
async fn settle(
    client: &Client<'_>,
    destination: &Destination,
    mirror: &Mirror,
    targets: Vec<Target>,
    repositories: BTreeMap<String, Result<Option<Listing>, String>>,
    sources: BTreeMap<Image, Result<Resolved, String>>,
) -> Result<(DestinationPlan, Vec<String>), Error> {
    let registry = destination.kind();
    let mut facts =
        Facts { registry, repositories, sources, present_blobs: BTreeSet::new(), mounting: false };
    // The plan as if no blob were there says which ones to ask for.
    let draft = decide(mirror, targets.clone(), &facts);
    check_blobs(client, destination, mirror, &draft, &mut facts).await?;
    let mut plan = decide(mirror, targets.clone(), &facts);
    let mut notes = Vec::new();
    if plan.uploads.iter().any(|upload| upload.to.len() > 1) {
        match destination.mounting().await {
            Ok(true) => {
                facts.mounting = true;
                plan = decide(mirror, targets, &facts);
            }
            Ok(false) => {}
            Err(error) => notes.push(format!("shared layers are uploaded once per repository: {error}")),
        }
    }
    Ok((plan, notes))
}

async fn list(
    client: &Client<'_>,
    destination: &Destination,
    mirror: &Mirror,
    registry: &RegistryKind,
    targets: &[Target],
) -> Result<BTreeMap<String, Result<Option<Listing>, String>>, Error> {
    let mut wanted: BTreeMap<&str, BTreeSet<&Version>> = BTreeMap::new();
    for target in targets {
        let path = target.destination.path();
        let is_ours = matches!(target.source, Source::Known(_) | Source::Unknown(_));
        if is_ours && name_fault(registry, path).is_none() {
            wanted.entry(path).or_default().insert(target.destination.version());
        }
    }
    stream::iter(wanted)
        .map(|(path, versions)| async move {
            let listed = destination.list(client, &at(mirror, path), &versions).await;
            match listed {
                Err(error) if stops_everything(&error) => Err(error),
                listed => Ok((path.to_owned(), listed.map_err(|error| error.to_string()))),
            }
        })
        .buffer_unordered(WIDTH)
        .try_collect()
        .await
}

/// A repository of the destination.
pub(super) fn at(mirror: &Mirror, path: &str) -> Repository {
    Repository { host: mirror.registry.clone(), path: path.to_owned() }
}

/// Asks sources for what the destination cannot answer: nothing where a pinned digest is there, the digest where a
/// tag is there, else everything.
async fn resolve(
    client: &Client<'_>,
    registry: &RegistryKind,
    targets: &[Target],
    repositories: &BTreeMap<String, Result<Option<Listing>, String>>,
    store: &Store,
) -> BTreeMap<Image, Result<Resolved, String>> {
    let mut questions: BTreeMap<&Image, BTreeSet<Option<&Digest>>> = BTreeMap::new();
    for target in targets {
        let (Source::Known(source), Some(Ok(listing))) =
            (&target.source, repositories.get(target.destination.path()))
        else {
            continue;
        };
        let held = listing.as_ref().and_then(|listing| held(listing, target.destination.version()));
        let wanted = source.version().digest();
        if held.is_none() || held != wanted {
            questions.entry(source).or_default().insert(held);
        }
    }
    stream::iter(questions)
        .map(|(source, held)| async move {
            let resolved = resolve_one(client, registry, source, &held, store).await;
            (source.clone(), resolved)
        })
        .buffer_unordered(WIDTH)
        .collect()
        .await
}

async fn resolve_one(
    client: &Client<'_>,
    registry: &RegistryKind,
    source: &Image,
    held: &BTreeSet<Option<&Digest>>,
    store: &Store,
) -> Result<Resolved, String> {
    let repository = Repository::of(source);
    let text = |error: Error| error.to_string();
    let reference = Reference::to(source.version());
    if held.contains(&None) || source.version().digest().is_some() {
        let root = client.manifest(&repository, reference).await.map_err(text)?;
        return tree(client, registry, &repository, root, store).await;
    }
    let described = client.describe_manifest(&repository, reference).await.map_err(text)?;
    if held.iter().all(|held| *held == Some(&described.digest)) {
        let content = Content {
            digest: described.digest,
            media_type: described.media_type,
            platforms: Vec::new(),
            size: 0,
            manifests: Vec::new(),
        };
        return Ok(Resolved { content, fault: None });
    }
    let root = Reference::Digest(&described.digest);
    let root = client.manifest(&repository, root).await.map_err(text)?;
    tree(client, registry, &repository, root, store).await
}

/// Reads everything that `root` names.
async fn tree(
    client: &Client<'_>,
    registry: &RegistryKind,
    repository: &Repository,
    root: Fetched,
    store: &Store,
) -> Result<Resolved, String> {
    let mut content = Content {
        digest: root.digest.clone(),
        media_type: root.media_type.clone(),
        platforms: Vec::new(),
        size: 0,
        manifests: Vec::new(),
    };
    let mut fault = None;
    let mut levels: Vec<Vec<Manifest>> = Vec::new();
    let mut level = vec![root];
    let mut count = 0;
    while !level.is_empty() {
        count += level.len();
        if levels.len() >= DEEPEST || count > MOST_MANIFESTS {
            return Err(format!(
                "its index nests deeper than {DEEPEST} or names more than {MOST_MANIFESTS} manifests"
            ));
        }
        let mut children: Vec<Digest> = Vec::new();
        let mut manifests = Vec::new();
        for fetched in level {
            if matches!(registry, RegistryKind::Ecr { .. }) {
                fault = fault.or_else(|| lint::refused_by_ecr(&fetched.bytes));
            }
            let blobs = match Document::read(&fetched.media_type, &fetched.bytes)? {
                Document::Index(named) => {
                    for child in named {
                        content.platforms.extend(child.platform);
                        if !children.contains(&child.digest) {
                            children.push(child.digest);
                        }
                    }
                    Vec::new()
                }
                Document::Image { config, blobs } => {
                    // Only the config of an image without an index says what it runs on.
                    if levels.is_empty() && config.size <= LARGEST_CONFIG {
                        let bytes = whole_blob(client, repository, &config.digest, config.size).await;
                        let bytes = bytes.map_err(|error| error.to_string())?;
                        content.platforms.extend(config_platform(&bytes));
                        store.insert(config.digest.clone(), bytes);
                    }
                    blobs
                }
            };
            manifests.push(Manifest {
                digest: fetched.digest.clone(),
                media_type: fetched.media_type,
                size: fetched.bytes.len() as u64,
                blobs,
                present: false,
            });
            store.insert(fetched.digest, fetched.bytes);
        }
        levels.push(manifests);
        level = fetch_all(client, repository, &children, store).await?;
    }
    // The deepest level first, so that whatever an index names is written before it.
    let mut seen = BTreeSet::new();
    for manifest in levels.into_iter().rev().flatten() {
        if seen.insert(manifest.digest.clone()) {
            content.size += manifest.size;
            content.manifests.push(manifest);
        }
    }
    let blobs: BTreeMap<&Digest, u64> = content
        .manifests
        .iter()
        .flat_map(|manifest| &manifest.blobs)
        .map(|blob| (&blob.digest, blob.size))
        .collect();
    content.size += blobs.values().sum::<u64>();
    content.platforms.sort();
    content.platforms.dedup();
    Ok(Resolved { content, fault })
}

async fn fetch_all(
    client: &Client<'_>,
    repository: &Repository,
    digests: &[Digest],
    store: &Store,
) -> Result<Vec<Fetched>, String> {
    stream::iter(digests)
        .map(|digest| manifest(client, repository, digest, store))
        .buffered(WIDTH)
        .try_collect()
        .await
        .map_err(|error: Error| error.to_string())
}

/// A manifest from the store, or from where the image comes from.
pub(super) async fn manifest(
    client: &Client<'_>,
    repository: &Repository,
    digest: &Digest,
    store: &Store,
) -> Result<Fetched, Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stated {
        media_type: String,
    }
    let known = store.get(digest).and_then(|bytes| {
        let stated: Stated = serde_json::from_slice(&bytes).ok()?;
        Some((stated.media_type, bytes))
    });
    if let Some((media_type, bytes)) = known {
        let digest = digest.clone();
        return Ok(Fetched { digest, media_type, bytes });
    }
    client.manifest(repository, Reference::Digest(digest)).await
}

/// A blob that is small enough to hold.
pub(super) async fn whole_blob(
    client: &Client<'_>,
    repository: &Repository,
    digest: &Digest,
    size: u64,
) -> Result<Bytes, Error> {
    let mut reader = client.blob(repository, digest, size).await?;
    let mut bytes = Vec::new();
    while let Some(part) = reader.next().await? {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.into())
}

/// Asks which of the draft's blobs are there, in repositories that exist.
///
/// Another registry than ECR does not say whether a repository exists, and a run that was killed leaves blobs in one
/// that has no manifest yet, so all are asked for there.
async fn check_blobs(
    client: &Client<'_>,
    destination: &Destination,
    mirror: &Mirror,
    draft: &DestinationPlan,
    facts: &mut Facts,
) -> Result<(), Error> {
    let mut questions: BTreeMap<&str, Vec<Digest>> = BTreeMap::new();
    for upload in &draft.uploads {
        for path in upload.to.iter().filter(|path| !draft.create_repositories.contains(path)) {
            questions.entry(path).or_default().push(upload.blob.digest.clone());
        }
    }
    let answers: Vec<(&str, Result<BTreeSet<Digest>, Error>)> = stream::iter(questions)
        .map(|(path, blobs)| async move {
            let present = destination.present_blobs(client, &at(mirror, path), &blobs).await;
            (path, present)
        })
        .buffer_unordered(WIDTH)
        .collect()
        .await;
    for (path, answer) in answers {
        match answer {
            Ok(present) => {
                let pairs = present.into_iter().map(|digest| (path.to_owned(), digest));
                facts.present_blobs.extend(pairs);
            }
            Err(error) if stops_everything(&error) => return Err(error),
            Err(error) => {
                facts.repositories.insert(path.to_owned(), Err(error.to_string()));
            }
        }
    }
    Ok(())
}
