//! Carries out the plan's uploads. Each blob is read once for all its uploads.
//!
//! Everything runs in one task: uploads, mounts and images are futures that wait for each other through gates, so that
//! dropping the outer future cancels everything immediately. An image only fails if something that it needs fails.

mod fan_out;
mod manifests;
mod progress;
mod refusals;
mod serial_hosts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::stream::{self, FuturesUnordered};
use futures::{StreamExt as _, future};
use tokio::sync::{Mutex, OnceCell, Semaphore, watch};
use tokio::time::Instant;

use crate::event::{Event, Observer};
use crate::model::image::{Digest, Image};
use crate::model::plan::{Blob, Content, DestinationPlan, Upload, UploadDestination};
use crate::store::{Mount, Mounts, Repository, Started, Store, UploadSession};
use crate::sync::mirror::progress::Progress;
use crate::sync::mirror::serial_hosts::SerialHosts;
use crate::sync::plan::attestations::Attestations;
use crate::sync::plan::repositories::repository_at;
use crate::sync::plan::tree::ManifestCache;

/// By destination reference: what was written, or why the image failed.
pub type Mirrored = BTreeMap<Image, Result<Written, String>>;

/// An image that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Whether the registry confirmed the digest of every manifest.
    pub is_confirmed: bool,
    /// If the registry refused attestations: what was written instead of the planned content.
    pub reduced: Option<Reduced>,
}

/// An image without the attestations that the registry refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduced {
    pub content: Content,
    /// The registry's response.
    pub refusal: String,
}

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
    attestations: Attestations,
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
        attestations,
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
        slots: Semaphore::new(limits.blobs.max(1)),
        streams: Semaphore::new(limits.uploads),
        small: Semaphore::new(limits.small_writes),
        next_manifest: destinations.iter().map(|_| Mutex::new(Instant::now())).collect(),
        cleared: HashMap::new(),
        serial_hosts: SerialHosts::default(),
        progress,
    };
    let run = run.with_gates_of_doubtful_images();
    run.progress.begin();
    run.create_repositories().await;
    for note in destinations.iter().filter_map(|destination| destination.store.creation_note()) {
        observer(Event::Note(note.to_owned()));
    }
    // The blobs of attestations that the registry may refuse go first, and no upload that waits for its response takes a
    // slot.
    let (first, others): (Vec<_>, Vec<_>) = uploads.iter().partition(|upload| run.is_for_doubtful(upload));
    let delivered: FuturesUnordered<_> =
        first.into_iter().chain(others).map(|upload| run.upload(upload)).collect();
    let mounts =
        uploads.iter().flat_map(|upload| upload.mounted(destinations).map(move |keys| (upload, keys)));
    let mounts: FuturesUnordered<_> = mounts.map(|(upload, keys)| run.mount(upload, keys)).collect();
    let images: FuturesUnordered<_> = all_copies(destinations).map(|copy| run.image(copy)).collect();
    let ((), (), mirrored) =
        future::join3(delivered.collect::<()>(), mounts.collect::<()>(), images.collect()).await;
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

/// Waits until a gate opens.
async fn opened(gate: &Gate) -> Result<(), Arc<str>> {
    let mut gate = gate.subscribe();
    match gate.wait_for(Option::is_some).await {
        Ok(state) => state.clone().unwrap_or(Ok(())),
        Err(_) => Err("it was cancelled".into()),
    }
}

struct Run<'r> {
    sources: &'r Store<'r>,
    destinations: &'r [Destination<'r>],
    attestations: Attestations,
    cache: &'r ManifestCache,
    /// Blobs that repositories lack.
    blobs: HashMap<ObjectKey<'r>, Gate>,
    /// Manifests to write. Only mounts wait for them, and continue if they fail.
    written: HashMap<ObjectKey<'r>, Gate>,
    /// Manifests to write by digest, once per repository even if several images share them.
    children: HashMap<ObjectKey<'r>, OnceCell<bool>>,
    /// How many blobs are uploaded at once.
    slots: Semaphore,
    streams: Semaphore,
    small: Semaphore,
    /// When the next manifest may be written to each destination.
    next_manifest: Vec<Mutex<Instant>>,
    /// Of images that fail if the registry refuses what it may refuse: open as soon as it has responded.
    cleared: HashMap<(RepositoryKey<'r>, &'r Image), Gate>,
    serial_hosts: SerialHosts,
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
        if let Err(reason) = self.wait_until_wanted(upload).await {
            for key in &upload.to {
                self.open(*key, &upload.blob.digest, Err(Arc::clone(&reason)));
            }
            return;
        }
        let Ok(_slot) = self.slots.acquire().await else { return };
        let keys = upload.uploaded(self.destinations);
        for some in keys.chunks(self.sources.limits().uploads_per_read) {
            let receivers = some.iter().map(|key| Receiver { key: *key, session: None });
            // Hundreds of uploads wait for a slot, and their futures must stay small.
            Box::pin(self.deliver(upload, receivers.collect())).await;
        }
    }

    /// Mounts a blob from the first repository into the others; if the registry does not support that, uploads it.
    async fn mount(&self, upload: &'r BlobUpload<'r>, keys: &'r [RepositoryKey<'r>]) {
        let Some((leader, followers)) = keys.split_first() else {
            return;
        };
        let digest = &upload.blob.digest;
        let is_there = self.wait_for_leader(*leader, upload).await;
        let receivers = future::join_all(followers.iter().map(|key| async move {
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
        let mut left: Vec<Receiver<'r>> = receivers.into_iter().flatten().collect();
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(self.sources.limits().uploads_per_read));
            self.deliver(upload, left).await;
            left = rest;
        }
    }

    /// Waits until the first repository has what the others need for mounting.
    async fn wait_for_leader(&self, leader: RepositoryKey<'r>, upload: &'r BlobUpload<'r>) -> bool {
        let digest = &upload.blob.digest;
        if self.wait(&self.blobs, leader, digest).await.is_err() {
            return false;
        }
        // A manifest that the registry may refuse is written early, so it does not wait for the leader's.
        if self.is_for_doubtful(upload) {
            return true;
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

    /// Waits until an object is present; an object without a gate was present before.
    async fn wait(
        &self,
        gates: &HashMap<ObjectKey<'r>, Gate>,
        key: RepositoryKey<'r>,
        digest: &'r Digest,
    ) -> Result<(), Arc<str>> {
        match gates.get(&(key, digest)) {
            Some(gate) => opened(gate).await,
            None => Ok(()),
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
