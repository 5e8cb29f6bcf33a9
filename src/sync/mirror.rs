//! Carries out the plan's uploads. Each blob is read once for all its uploads.
//!
//! Everything runs in one task: uploads, mounts and images are futures that wait for each other through gates, so that
//! dropping the outer future cancels everything immediately. An image only fails if something that it needs fails.

mod fan_out;
mod progress;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, FuturesUnordered};
use futures::{StreamExt as _, future};
use tokio::sync::{Mutex, OnceCell, Semaphore, watch};
use tokio::time::Instant;

use crate::event::Observer;
use crate::model::image::{Digest, Image};
use crate::model::plan::{Blob, Content, DestinationPlan, Manifest, Upload, UploadDestination};
use crate::store::{Error, Mount, Mounts, Reference, Repository, Started, Store, UploadSession};
use crate::sync::mirror::progress::Progress;
use crate::sync::plan::decide::missing_manifests;
use crate::sync::plan::prepare::repository_at;
use crate::sync::plan::tree::{ManifestCache, manifest};

/// By destination reference: whether the registry confirmed the digest of the written manifest, or why the image
/// failed.
pub type Mirrored = BTreeMap<Image, Result<bool, String>>;

/// A destination with its plan.
pub struct Destination<'t> {
    pub store: &'t Store<'t>,
    pub plan: &'t DestinationPlan,
}

/// Carries out the plans of `destinations`, within the limits of the sources.
pub async fn mirror(
    sources: &Store<'_>,
    destinations: &[Destination<'_>],
    uploads: &[Upload],
    cache: &ManifestCache,
    observer: Observer<'_>,
) -> Mirrored {
    let uploads: Vec<BlobUpload<'_>> =
        uploads.iter().map(|upload| BlobUpload::new(upload, destinations)).collect();
    let progress = Progress::new(destinations, &uploads, observer);
    let limits = sources.limits();
    let run = Run {
        sources,
        destinations,
        cache,
        blobs: gates(uploads.iter().flat_map(|upload| {
            let digest = &upload.blob.digest;
            upload.to.iter().map(move |key| (*key, digest))
        })),
        written: gates(all_copies(destinations).flat_map(|copy| {
            let manifests = copy.content.manifests.iter();
            manifests.map(move |manifest| (copy.key(), &manifest.digest))
        })),
        children: all_copies(destinations)
            .flat_map(|copy| {
                let manifests = copy.content.manifests.iter();
                manifests.map(move |manifest| ((copy.key(), &manifest.digest), OnceCell::new()))
            })
            .collect(),
        streams: Semaphore::new(limits.uploads),
        small: Semaphore::new(limits.small_writes),
        next_manifest: destinations.iter().map(|_| Mutex::new(Instant::now())).collect(),
        progress,
    };
    run.progress.begin();
    run.create_repositories().await;
    let delivered = stream::iter(&uploads)
        .map(|upload| run.upload(upload))
        .buffer_unordered(limits.blobs.max(1))
        .collect::<()>();
    let mounts =
        uploads.iter().flat_map(|upload| upload.mounted(destinations).map(move |keys| (upload, keys)));
    let mounts: FuturesUnordered<_> = mounts.map(|(upload, keys)| run.mount(upload, keys)).collect();
    let images: FuturesUnordered<_> = all_copies(destinations).map(|copy| run.image(copy)).collect();
    let ((), (), mirrored) = future::join3(delivered, mounts.collect::<()>(), images.collect()).await;
    run.progress.end();
    mirrored
}

/// An image that is copied to a destination.
#[derive(Clone, Copy)]
struct Copied<'p> {
    /// Index of the destination.
    destination: usize,
    image: &'p Image,
    source: &'p Image,
    content: &'p Content,
}

impl<'p> Copied<'p> {
    fn key(&self) -> RepositoryKey<'p> {
        RepositoryKey { destination: self.destination, path: self.image.path() }
    }
}

fn all_copies<'p>(destinations: &'p [Destination<'p>]) -> impl Iterator<Item = Copied<'p>> {
    destinations.iter().enumerate().flat_map(|(destination, Destination { plan, .. })| {
        plan.images.iter().filter_map(move |image| {
            let (source, content) = (image.source.as_ref()?, image.step.to_write()?);
            Some(Copied { destination, image: &image.destination, source, content })
        })
    })
}

/// A repository of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct RepositoryKey<'p> {
    /// Index of the destination.
    destination: usize,
    path: &'p str,
}

/// A blob, and the repositories that lack it, grouped by destination.
struct BlobUpload<'p> {
    blob: &'p Blob,
    from: &'p Image,
    to: Vec<RepositoryKey<'p>>,
}

impl<'p> BlobUpload<'p> {
    fn new(upload: &'p Upload, destinations: &[Destination<'_>]) -> Self {
        let key = |to: &'p UploadDestination| {
            let destination =
                destinations.iter().position(|destination| destination.plan.mirror == to.destination)?;
            Some(RepositoryKey { destination, path: &to.repository })
        };
        let mut to: Vec<_> = upload.to.iter().filter_map(key).collect();
        to.sort_by_key(|key| key.destination);
        Self { blob: &upload.blob, from: &upload.from, to }
    }

    /// The repositories of each destination.
    fn by_destination(&self) -> impl Iterator<Item = &[RepositoryKey<'p>]> {
        self.to.chunk_by(|one, other| one.destination == other.destination)
    }

    /// The repositories to upload the blob to: with mounting, only the first one of each destination.
    fn uploaded(&self, destinations: &[Destination<'_>]) -> Vec<RepositoryKey<'p>> {
        let of_destination = |keys: &[RepositoryKey<'p>]| {
            let is_mounting = keys.first().is_some_and(|key| destinations[key.destination].plan.mounting);
            keys[..if is_mounting { 1 } else { keys.len() }].to_vec()
        };
        self.by_destination().flat_map(of_destination).collect()
    }

    /// For each destination with mounting, its repositories: the blob is mounted from the first one into the others.
    fn mounted(&self, destinations: &[Destination<'_>]) -> impl Iterator<Item = &[RepositoryKey<'p>]> {
        self.by_destination().filter(|keys| keys.len() > 1 && destinations[keys[0].destination].plan.mounting)
    }
}

/// A blob or manifest in a repository, by digest.
type ObjectKey<'p> = (RepositoryKey<'p>, &'p Digest);

/// Opens when the object is present, or has failed.
type Gate = watch::Sender<Option<Result<(), Arc<str>>>>;

fn gates<'p>(places: impl Iterator<Item = ObjectKey<'p>>) -> HashMap<ObjectKey<'p>, Gate> {
    places.map(|place| (place, Gate::new(None))).collect()
}

struct Run<'r> {
    sources: &'r Store<'r>,
    destinations: &'r [Destination<'r>],
    cache: &'r ManifestCache,
    /// Blobs that repositories lack.
    blobs: HashMap<ObjectKey<'r>, Gate>,
    /// Manifests to write. Only mounts wait for them, and continue if they fail.
    written: HashMap<ObjectKey<'r>, Gate>,
    /// Manifests to write by digest, once per repository even if several images share them.
    children: HashMap<ObjectKey<'r>, OnceCell<bool>>,
    streams: Semaphore,
    small: Semaphore,
    /// When the next manifest may be written to each destination.
    next_manifest: Vec<Mutex<Instant>>,
    progress: Progress<'r>,
}

/// A repository to upload a blob to, with its upload if that has already been started.
struct Receiver<'r> {
    key: RepositoryKey<'r>,
    session: Option<UploadSession>,
}

impl<'r> Run<'r> {
    /// The store of a repository.
    const fn store(&self, key: RepositoryKey<'r>) -> &'r Store<'r> {
        self.destinations[key.destination].store
    }

    fn repository(&self, key: RepositoryKey<'r>) -> Repository {
        repository_at(&self.destinations[key.destination].plan.mirror, key.path)
    }

    async fn create_repositories(&self) {
        let missing =
            self.destinations.iter().enumerate().flat_map(|(destination, Destination { plan, .. })| {
                plan.create_repositories.iter().map(move |path| RepositoryKey { destination, path })
            });
        stream::iter(missing)
            .for_each_concurrent(self.sources.limits().blobs.max(1), |key| async move {
                if let Err(error) = self.store(key).create_repository(key.path).await {
                    let reason: Arc<str> = error.to_string().into();
                    for ((_, _), gate) in self.blobs.iter().filter(|((place, _), _)| *place == key) {
                        gate.send_replace(Some(Err(Arc::clone(&reason))));
                    }
                }
            })
            .await;
    }

    /// Uploads a blob to all repositories that lack it, or with mounting to the first of a destination.
    async fn upload(&self, upload: &'r BlobUpload<'r>) {
        let keys = upload.uploaded(self.destinations);
        for some in keys.chunks(self.sources.limits().uploads_per_read) {
            let receivers = some.iter().map(|key| Receiver { key: *key, session: None });
            self.deliver(upload, receivers.collect()).await;
        }
    }

    /// Mounts a blob from the first repository into the others; if the registry does not support that, uploads it.
    async fn mount(&self, upload: &'r BlobUpload<'r>, keys: &'r [RepositoryKey<'r>]) {
        let Some((leader, followers)) = keys.split_first() else {
            return;
        };
        let digest = &upload.blob.digest;
        let is_there = self.wait_for_leader(*leader, digest).await;
        let answers = future::join_all(followers.iter().map(|key| async move {
            let key = *key;
            if !is_there || self.is_settled(key, digest) {
                return Some(Receiver { key, session: None });
            }
            let _permit = self.small.acquire().await.ok()?;
            let mount = Mount { digest, from: leader.path };
            match self.store(key).mount(&self.repository(key), mount).await {
                Ok(Started::Mounted) => {
                    self.open(key, digest, Ok(()));
                    None
                }
                Ok(Started::Session(session)) => Some(Receiver { key, session: Some(session) }),
                Err(error) => {
                    self.open(key, digest, Err(error.to_string().into()));
                    None
                }
            }
        }))
        .await;
        let mut left: Vec<Receiver<'r>> = answers.into_iter().flatten().collect();
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(self.sources.limits().uploads_per_read));
            self.deliver(upload, left).await;
            left = rest;
        }
    }

    /// Waits until the first repository has what the others need for mounting.
    async fn wait_for_leader(&self, leader: RepositoryKey<'r>, digest: &'r Digest) -> bool {
        if self.wait(&self.blobs, leader, digest).await.is_err() {
            return false;
        }
        if self.store(leader).capabilities().mounts == Mounts::Any {
            return true;
        }
        let namers = all_copies(self.destinations).filter(|copy| copy.key() == leader);
        let manifest = namers
            .flat_map(|copy| &copy.content.manifests)
            .find(|manifest| !manifest.present && manifest.blobs.iter().any(|blob| blob.digest == *digest));
        match manifest {
            Some(manifest) => self.wait(&self.written, leader, &manifest.digest).await.is_ok(),
            None => false,
        }
    }

    /// Writes an image's manifests as soon as everything that they reference is present.
    async fn image(&self, copy: Copied<'r>) -> (Image, Result<bool, String>) {
        let Copied { image, content, .. } = copy;
        let result = self.manifests(copy).await;
        match &result {
            Ok(_) => self.progress.copied(image),
            Err(error) => {
                for manifest in &content.manifests {
                    if let Some(gate) = self.written.get(&(copy.key(), &manifest.digest)) {
                        let reason: Arc<str> = error.as_str().into();
                        gate.send_if_modified(|state| {
                            let is_open = state.is_none();
                            state.get_or_insert(Err(reason));
                            is_open
                        });
                    }
                }
                self.progress.failed(image);
            }
        }
        (image.clone(), result)
    }

    async fn manifests(&self, copy: Copied<'r>) -> Result<bool, String> {
        let Copied { image, content, .. } = copy;
        let key = copy.key();
        let mut confirmed = true;
        for manifest in missing_manifests(content) {
            for blob in &manifest.blobs {
                let arrival = self.wait(&self.blobs, key, &blob.digest).await;
                arrival.map_err(|reason| reason.to_string())?;
            }
            let written = if manifest.digest == content.digest {
                let tag = image.version().stored_tag();
                self.write(copy, manifest, Reference::Tag(&tag)).await
            } else {
                let write = || self.write(copy, manifest, Reference::Digest(&manifest.digest));
                match self.children.get(&(key, &manifest.digest)) {
                    Some(cell) => cell.get_or_try_init(write).await.copied(),
                    None => write().await,
                }
            };
            confirmed &= written.map_err(|error| error.to_string())?;
            self.progress.started(image);
            if let Some(gate) = self.written.get(&(key, &manifest.digest)) {
                gate.send_replace(Some(Ok(())));
            }
        }
        Ok(confirmed)
    }

    async fn write(
        &self,
        copy: Copied<'r>,
        planned: &Manifest,
        reference: Reference<'_>,
    ) -> Result<bool, Error> {
        let source = Repository::from_image(copy.source);
        let fetched = manifest(self.sources, &source, &planned.digest, self.cache).await?;
        let (key, repository) = (copy.key(), self.repository(copy.key()));
        let _permit = self.small.acquire().await.ok();
        self.wait_for_rate_limit(key.destination).await;
        let store = self.store(key);
        let written = store.put_manifest(&repository, reference, &planned.media_type, fetched.bytes).await;
        match written {
            // A previous attempt whose response was lost may have written it.
            Err(error) if error.is_immutable_tag() => {
                let existing = store.describe_manifest(&repository, reference).await?;
                if existing.digest == planned.digest { Ok(true) } else { Err(error) }
            }
            written => written,
        }
    }

    /// Waits until the rate limit for manifests allows the next one.
    async fn wait_for_rate_limit(&self, destination: usize) {
        let interval = self.destinations[destination].store.capabilities().manifest_interval;
        if interval == Duration::ZERO {
            return;
        }
        let slot = {
            let mut next = self.next_manifest[destination].lock().await;
            let slot = (*next).max(Instant::now());
            *next = slot + interval;
            slot
        };
        tokio::time::sleep_until(slot).await;
    }

    /// Waits until an object is present; an object without a gate was present before.
    async fn wait(
        &self,
        gates: &HashMap<ObjectKey<'r>, Gate>,
        key: RepositoryKey<'r>,
        digest: &'r Digest,
    ) -> Result<(), Arc<str>> {
        let Some(gate) = gates.get(&(key, digest)) else {
            return Ok(());
        };
        let mut gate = gate.subscribe();
        match gate.wait_for(Option::is_some).await {
            Ok(state) => state.clone().unwrap_or(Ok(())),
            Err(_) => Err("it was cancelled".into()),
        }
    }

    fn is_settled(&self, key: RepositoryKey<'r>, digest: &'r Digest) -> bool {
        let gate = self.blobs.get(&(key, digest));
        gate.is_some_and(|gate| gate.borrow().is_some())
    }

    fn open(&self, key: RepositoryKey<'r>, digest: &'r Digest, state: Result<(), Arc<str>>) {
        if let Some(gate) = self.blobs.get(&(key, digest)) {
            gate.send_replace(Some(state));
        }
    }
}
