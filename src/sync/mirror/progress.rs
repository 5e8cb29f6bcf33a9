//! Which image the bytes of a blob are told for: the first one that needs it in its repository.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::event::{Event, Observer};
use crate::model::image::{Digest, Image};
use crate::model::plan::DestinationPlan;
use crate::sync::mirror::{Place, copies};

pub(super) struct Progress<'p> {
    observer: Observer<'p>,
    images: usize,
    bytes: u64,
    /// What each image adds to the destination, in bytes.
    added: HashMap<&'p Image, u64>,
    owners: HashMap<Place<'p>, &'p Image>,
    /// By destination: the names that people know.
    sources: HashMap<&'p Image, &'p Image>,
    state: Mutex<State<'p>>,
}

#[derive(Default)]
struct State<'p> {
    started: HashSet<&'p Image>,
    /// How far each upload has been told; a second try does not tell the same bytes again.
    told: HashMap<Place<'p>, u64>,
}

impl<'p> Progress<'p> {
    pub(super) fn new(plan: &'p DestinationPlan, observer: Observer<'p>) -> Self {
        let mut owners: HashMap<Place<'p>, &'p Image> = HashMap::new();
        for (image, _, content) in copies(plan) {
            for blob in content.manifests.iter().flat_map(|manifest| &manifest.blobs) {
                owners.entry((image.path(), &blob.digest)).or_insert(image);
            }
        }
        let mut added: HashMap<&'p Image, u64> = HashMap::new();
        for upload in &plan.uploads {
            let count = if plan.mounting { 1 } else { upload.to.len() };
            for path in upload.to.iter().take(count) {
                if let Some(owner) = owners.get(&(path.as_str(), &upload.blob.digest)) {
                    *added.entry(owner).or_default() += upload.blob.size;
                }
            }
        }
        Self {
            observer,
            images: copies(plan).count(),
            bytes: added.values().sum(),
            added,
            owners,
            sources: copies(plan).map(|(image, source, _)| (image, source)).collect(),
            state: Mutex::default(),
        }
    }

    pub(super) fn begin(&self) {
        let (images, bytes) = (self.images, self.bytes);
        (self.observer)(Event::MirrorStarted { images, bytes });
    }

    pub(super) fn end(&self) {
        (self.observer)(Event::MirrorFinished);
    }

    /// The first `sent` bytes of a blob have gone to a repository.
    pub(super) fn sent(&self, path: &'p str, digest: &'p Digest, sent: u64) {
        let Some(image) = self.owners.get(&(path, digest)).copied() else {
            return;
        };
        self.started(image);
        let bytes = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let told = state.told.entry((path, digest)).or_default();
            let bytes = sent.saturating_sub(*told);
            *told += bytes;
            bytes
        };
        if bytes > 0 {
            let image = self.known(image);
            (self.observer)(Event::ImageProgress { image, bytes });
        }
    }

    pub(super) fn started(&self, image: &'p Image) {
        let is_new = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.started.insert(image)
        };
        if is_new {
            let bytes = self.added.get(image).copied().unwrap_or(0);
            let image = self.known(image);
            (self.observer)(Event::ImageStarted { image, bytes });
        }
    }

    pub(super) fn copied(&self, image: &Image) {
        let image = self.known(image);
        (self.observer)(Event::ImageCopied { image });
    }

    pub(super) fn failed(&self, image: &Image) {
        let image = self.known(image);
        (self.observer)(Event::ImageFailed { image });
    }

    fn known(&self, image: &Image) -> Image {
        (*self.sources.get(image).unwrap_or(&image)).clone()
    }
}
