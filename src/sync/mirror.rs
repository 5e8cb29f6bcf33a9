//! Mirroring: carries out a plan. Each blob is read once, and feeds all uploads that it is needed for.
//!
//! Everything runs in one task: uploads, mounts and images are futures that wait for each other through gates, so
//! that dropping the whole ends it at once. An image fails only by what it needs itself.

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
use crate::model::plan::{Content, DestinationPlan, Manifest, Upload};
use crate::store::{Error, Mount, Mounts, Reference, Repository, Started, Store, UploadSession};
use crate::sync::mirror::progress::Progress;
use crate::sync::plan::decide::missing_manifests;
use crate::sync::plan::prepare::at;
use crate::sync::plan::tree::{ManifestCache, manifest};

/// By destination reference: whether the registry confirmed the digest of what was written, or why it failed.
pub type Mirrored = BTreeMap<Image, Result<bool, String>>;

/// Carries out what `plan` says, within the destination's limits.
pub async fn mirror(
    sources: &Store<'_>,
    destination: &Store<'_>,
    plan: &DestinationPlan,
    cache: &ManifestCache,
    observer: Observer<'_>,
) -> Mirrored {
    let progress = Progress::new(plan, observer);
    let limits = destination.limits();
    let run = Run {
        sources,
        destination,
        plan,
        cache,
        blobs: gates(plan.uploads.iter().flat_map(|upload| {
            let digest = &upload.blob.digest;
            upload.to.iter().map(move |path| (path.as_str(), digest))
        })),
        written: gates(copies(plan).flat_map(|(image, _, content)| {
            let manifests = content.manifests.iter();
            manifests.map(|manifest| (image.path(), &manifest.digest))
        })),
        children: copies(plan)
            .flat_map(|(image, _, content)| {
                let manifests = content.manifests.iter();
                manifests.map(|manifest| ((image.path(), &manifest.digest), OnceCell::new()))
            })
            .collect(),
        streams: Semaphore::new(limits.uploads),
        small: Semaphore::new(limits.small_writes),
        next_manifest: Mutex::new(Instant::now()),
        progress,
    };
    run.progress.begin();
    run.create_repositories().await;
    let uploads = stream::iter(&plan.uploads)
        .map(|upload| run.upload(upload))
        .buffer_unordered(limits.blobs.max(1))
        .collect::<()>();
    let shared = plan.uploads.iter().filter(|upload| plan.mounting && upload.to.len() > 1);
    let mounts: FuturesUnordered<_> = shared.map(|upload| run.mount(upload)).collect();
    let images: FuturesUnordered<_> =
        copies(plan).map(|(image, source, content)| run.image(image, source, content)).collect();
    let ((), (), mirrored) = future::join3(uploads, mounts.collect::<()>(), images.collect()).await;
    run.progress.end();
    mirrored
}

fn copies(plan: &DestinationPlan) -> impl Iterator<Item = (&Image, &Image, &Content)> {
    plan.images
        .iter()
        .filter_map(|image| Some((&image.destination, image.source.as_ref()?, image.step.to_write()?)))
}

/// Something in a repository of the destination, by path and digest.
type Place<'p> = (&'p str, &'p Digest);

/// Opens when something is there, or will not be.
type Gate = watch::Sender<Option<Result<(), Arc<str>>>>;

fn gates<'p>(places: impl Iterator<Item = Place<'p>>) -> HashMap<Place<'p>, Gate> {
    places.map(|place| (place, Gate::new(None))).collect()
}

struct Run<'r> {
    sources: &'r Store<'r>,
    destination: &'r Store<'r>,
    plan: &'r DestinationPlan,
    cache: &'r ManifestCache,
    /// Blobs that repositories lack.
    blobs: HashMap<Place<'r>, Gate>,
    /// Manifests that are written; only mounts wait for them, and do without if they fail.
    written: HashMap<Place<'r>, Gate>,
    /// Manifests that are written by digest, once per repository however many images share them.
    children: HashMap<Place<'r>, OnceCell<bool>>,
    streams: Semaphore,
    small: Semaphore,
    /// When the next manifest may be written.
    next_manifest: Mutex<Instant>,
    progress: Progress<'r>,
}

/// A repository that shall get a blob, with its upload if that is open already.
struct Receiver<'r> {
    path: &'r str,
    session: Option<UploadSession>,
}

impl<'r> Run<'r> {
    async fn create_repositories(&self) {
        stream::iter(&self.plan.create_repositories)
            .for_each_concurrent(self.destination.limits().blobs.max(1), |path| async move {
                if let Err(error) = self.destination.create_repository(path).await {
                    let reason: Arc<str> = error.to_string().into();
                    for ((_, _), gate) in self.blobs.iter().filter(|((place, _), _)| place == path) {
                        gate.send_replace(Some(Err(Arc::clone(&reason))));
                    }
                }
            })
            .await;
    }

    /// Uploads a blob to all repositories that lack it, or with mounting to the first.
    async fn upload(&self, upload: &'r Upload) {
        let count = if self.plan.mounting { 1 } else { upload.to.len() };
        for some in upload.to[..count.min(upload.to.len())].chunks(self.destination.limits().uploads_per_read)
        {
            let receivers = some.iter().map(|path| Receiver { path, session: None });
            self.deliver(upload, receivers.collect()).await;
        }
    }

    /// Takes a blob from the first repository into the others; where the registry does not do that, uploads it.
    async fn mount(&self, upload: &'r Upload) {
        let Some((leader, followers)) = upload.to.split_first() else {
            return;
        };
        let digest = &upload.blob.digest;
        let is_there = self.wait_for_leader(leader, digest).await;
        let answers = future::join_all(followers.iter().map(|path| async move {
            if !is_there || self.is_settled(path, digest) {
                return Some(Receiver { path, session: None });
            }
            let _permit = self.small.acquire().await.ok()?;
            let repository = at(&self.plan.mirror, path);
            let mount = Mount { digest, from: leader };
            match self.destination.mount(&repository, mount).await {
                Ok(Started::Mounted) => {
                    self.open(path, digest, Ok(()));
                    None
                }
                Ok(Started::Session(session)) => Some(Receiver { path, session: Some(session) }),
                Err(error) => {
                    self.open(path, digest, Err(error.to_string().into()));
                    None
                }
            }
        }))
        .await;
        let mut left: Vec<Receiver<'r>> = answers.into_iter().flatten().collect();
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(self.destination.limits().uploads_per_read));
            self.deliver(upload, left).await;
            left = rest;
        }
    }

    /// Waits until the leader has what others can mount from it.
    async fn wait_for_leader(&self, leader: &'r str, digest: &'r Digest) -> bool {
        if self.wait(&self.blobs, leader, digest).await.is_err() {
            return false;
        }
        if self.destination.capabilities().mounts == Mounts::Any {
            return true;
        }
        let namers = copies(self.plan).filter(|(image, ..)| image.path() == leader);
        let manifest = namers
            .flat_map(|(.., content)| &content.manifests)
            .find(|manifest| !manifest.present && manifest.blobs.iter().any(|blob| blob.digest == *digest));
        match manifest {
            Some(manifest) => self.wait(&self.written, leader, &manifest.digest).await.is_ok(),
            None => false,
        }
    }

    /// Writes an image's manifests as soon as what they name is there.
    async fn image(
        &self,
        image: &'r Image,
        source: &'r Image,
        content: &'r Content,
    ) -> (Image, Result<bool, String>) {
        let result = self.manifests(image, source, content).await;
        match &result {
            Ok(_) => self.progress.copied(image),
            Err(error) => {
                for manifest in &content.manifests {
                    if let Some(gate) = self.written.get(&(image.path(), &manifest.digest)) {
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

    async fn manifests(
        &self,
        image: &'r Image,
        source: &'r Image,
        content: &'r Content,
    ) -> Result<bool, String> {
        let mut confirmed = true;
        for manifest in missing_manifests(content) {
            for blob in &manifest.blobs {
                let there = self.wait(&self.blobs, image.path(), &blob.digest).await;
                there.map_err(|reason| reason.to_string())?;
            }
            let written = if manifest.digest == content.digest {
                let tag = image.version().stored_tag();
                self.write(image, source, manifest, Reference::Tag(&tag)).await
            } else {
                let place = (image.path(), &manifest.digest);
                let write = || self.write(image, source, manifest, Reference::Digest(&manifest.digest));
                match self.children.get(&place) {
                    Some(cell) => cell.get_or_try_init(write).await.copied(),
                    None => write().await,
                }
            };
            confirmed &= written.map_err(|error| error.to_string())?;
            self.progress.started(image);
            if let Some(gate) = self.written.get(&(image.path(), &manifest.digest)) {
                gate.send_replace(Some(Ok(())));
            }
        }
        Ok(confirmed)
    }

    async fn write(
        &self,
        image: &Image,
        source: &Image,
        planned: &Manifest,
        reference: Reference<'_>,
    ) -> Result<bool, Error> {
        let fetched = manifest(self.sources, &Repository::of(source), &planned.digest, self.cache).await?;
        let repository = at(&self.plan.mirror, image.path());
        let _permit = self.small.acquire().await.ok();
        self.pace().await;
        let written =
            self.destination.put_manifest(&repository, reference, &planned.media_type, fetched.bytes).await;
        match written {
            // A try whose answer was lost may have written it.
            Err(error) if error.is_immutable_tag() => {
                let there = self.destination.describe_manifest(&repository, reference).await?;
                if there.digest == planned.digest { Ok(true) } else { Err(error) }
            }
            written => written,
        }
    }

    /// Waits for its turn to write a manifest.
    async fn pace(&self) {
        let interval = self.destination.capabilities().manifest_interval;
        if interval == Duration::ZERO {
            return;
        }
        let turn = {
            let mut next = self.next_manifest.lock().await;
            let turn = (*next).max(Instant::now());
            *next = turn + interval;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }

    /// Waits until something is there; what has no gate was there before.
    async fn wait(
        &self,
        gates: &HashMap<Place<'r>, Gate>,
        path: &'r str,
        digest: &'r Digest,
    ) -> Result<(), Arc<str>> {
        let Some(gate) = gates.get(&(path, digest)) else {
            return Ok(());
        };
        let mut gate = gate.subscribe();
        match gate.wait_for(Option::is_some).await {
            Ok(state) => state.clone().unwrap_or(Ok(())),
            Err(_) => Err("it was given up".into()),
        }
    }

    fn is_settled(&self, path: &'r str, digest: &'r Digest) -> bool {
        let gate = self.blobs.get(&(path, digest));
        gate.is_some_and(|gate| gate.borrow().is_some())
    }

    fn open(&self, path: &'r str, digest: &'r Digest, state: Result<(), Arc<str>>) {
        if let Some(gate) = self.blobs.get(&(path, digest)) {
            gate.send_replace(Some(state));
        }
    }
}
