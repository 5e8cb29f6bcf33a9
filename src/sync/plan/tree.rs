//! Reads a whole image: its manifest and everything that it references.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::model::image::Digest;
use crate::model::plan::{Content, Manifest};
use crate::store::{Capabilities, Error, Fetched, Reference, Repository, Store};
use crate::sync::plan::content::{Document, config_platform};

/// Manifests and configs that were read, for one run.
///
/// All sources share theirs. Each repository of a destination has its own, because reading it shows what it lacks.
#[derive(Default)]
pub struct ManifestCache {
    sources: Manifests,
    destinations: Mutex<HashMap<Repository, Arc<Manifests>>>,
}

impl ManifestCache {
    pub const fn sources(&self) -> &Manifests {
        &self.sources
    }

    pub(super) fn destination(&self, repository: &Repository) -> Arc<Manifests> {
        let mut destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(destinations.entry(repository.clone()).or_default())
    }
}

/// Manifests and configs by digest.
#[derive(Default)]
pub struct Manifests(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    configs: HashMap<Digest, Bytes>,
    manifests: HashMap<Digest, Fetched>,
    /// Single-flight locks: images that share a manifest read it once.
    flights: HashMap<Digest, Arc<tokio::sync::Mutex<()>>>,
}

impl Manifests {
    fn cached(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of a config, if it has been read.
    pub fn config(&self, digest: &Digest) -> Option<Bytes> {
        self.cached().configs.get(digest).cloned()
    }

    fn manifest(&self, digest: &Digest) -> Option<Fetched> {
        self.cached().manifests.get(digest).cloned()
    }

    fn keep(&self, fetched: &Fetched) {
        self.cached().manifests.insert(fetched.digest.clone(), fetched.clone());
    }

    fn single_flight(&self, digest: &Digest) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.cached().flights.entry(digest.clone()).or_default())
    }
}

/// Why an image could not be read completely.
pub(super) struct Unread {
    pub(super) reason: String,
    /// A referenced object is missing or has other content.
    pub(super) is_damaged: bool,
    /// The same for an image that was copied before, if its tag was not found.
    pub(super) removal: Option<String>,
}

impl Unread {
    /// The image's own tag or digest could not be read.
    pub(super) fn root(error: Error) -> Self {
        Self { removal: error.removal(), ..error.into() }
    }
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self { reason: error.to_string(), is_damaged: error.is_damage(), removal: None }
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self { reason, is_damaged: false, removal: None }
    }
}

/// Reads everything that `root` references in `store`, for a destination with the capabilities `wanted_by`.
pub(super) async fn tree(
    store: &Store<'_>,
    repository: &Repository,
    root: Fetched,
    wanted_by: &Capabilities,
    cache: &Manifests,
) -> Result<Content, Unread> {
    let limits = store.limits();
    let mut content = Content::unread(root.digest.clone(), root.media_type.clone());
    let mut attestations = BTreeSet::new();
    let mut levels: Vec<Vec<Manifest>> = Vec::new();
    let mut level = vec![root];
    let mut count = 0;
    while !level.is_empty() {
        count += level.len();
        if levels.len() >= limits.index_depth || count > limits.manifests_per_image {
            let reason = format!(
                "its index nests deeper than {} or names more than {} manifests",
                limits.index_depth, limits.manifests_per_image
            );
            return Err(reason.into());
        }
        let mut children: Vec<(Digest, Option<u64>)> = Vec::new();
        let mut manifests = Vec::new();
        for fetched in level {
            cache.keep(&fetched);
            let blobs = match Document::read(&fetched.media_type, &fetched.bytes)? {
                Document::Index(named) => {
                    for child in named {
                        content.platforms.extend(child.platform);
                        // Only those of the image's own index can be skipped of it.
                        if child.is_attestation && levels.is_empty() {
                            attestations.insert(child.digest.clone());
                        }
                        let named = (child.digest, child.size);
                        if !children.contains(&named) {
                            children.push(named);
                        }
                    }
                    Vec::new()
                }
                Document::Image { config, blobs } => {
                    // The config's platform is only needed for an image without an index.
                    if levels.is_empty() && config.size <= limits.config {
                        let bytes = small_blob(store, repository, &config.digest, config.size).await?;
                        content.platforms.extend(config_platform(&bytes));
                        cache.cached().configs.insert(config.digest.clone(), bytes);
                    }
                    blobs
                }
            };
            manifests.push(Manifest {
                is_attestation: attestations.contains(&fetched.digest),
                may_be_refused: (wanted_by.manifest_doubt)(&fetched.bytes),
                digest: fetched.digest,
                media_type: fetched.media_type,
                size: fetched.bytes.len() as u64,
                blobs,
                present: false,
            });
        }
        levels.push(manifests);
        level = fetch_all(store, repository, &children, cache).await?;
    }
    // Deepest level first, so that everything is written before the index that references it.
    let mut seen = BTreeSet::new();
    for manifest in levels.into_iter().rev().flatten() {
        if seen.insert(manifest.digest.clone()) {
            content.manifests.push(manifest);
        }
    }
    content.size = content.measure();
    content.platforms.sort();
    content.platforms.dedup();
    Ok(content)
}

async fn fetch_all(
    store: &Store<'_>,
    repository: &Repository,
    children: &[(Digest, Option<u64>)],
    cache: &Manifests,
) -> Result<Vec<Fetched>, Error> {
    stream::iter(children)
        .map(|(digest, size)| async move {
            let fetched = manifest(store, repository, digest, cache).await?;
            // Nodes check it too.
            let actual = fetched.bytes.len() as u64;
            match size.filter(|expected| *expected != actual) {
                Some(expected) => Err(Error::size_mismatch(repository, digest, actual, expected)),
                None => Ok(fetched),
            }
        })
        .buffered(store.limits().reads)
        .try_collect()
        .await
}

/// A manifest from the cache, or from the store.
pub(in crate::sync) async fn manifest(
    store: &Store<'_>,
    repository: &Repository,
    digest: &Digest,
    cache: &Manifests,
) -> Result<Fetched, Error> {
    let flight = cache.single_flight(digest);
    let _guard = flight.lock().await;
    if let Some(fetched) = cache.manifest(digest) {
        return Ok(fetched);
    }
    let fetched = store.manifest(repository, Reference::Digest(digest)).await?;
    cache.keep(&fetched);
    Ok(fetched)
}

/// A blob that is small enough for memory.
pub(in crate::sync) async fn small_blob(
    store: &Store<'_>,
    repository: &Repository,
    digest: &Digest,
    size: u64,
) -> Result<Bytes, Error> {
    let mut reader = store.blob(repository, digest, size).await?;
    let mut bytes = Vec::new();
    while let Some(part) = reader.next().await? {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.into())
}
