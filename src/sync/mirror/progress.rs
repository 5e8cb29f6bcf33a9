//! Attributes the bytes of a blob to an image: the first one that needs the blob in its repository.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::event::{Event, Observer};
use crate::model::image::{Digest, Image};
use crate::sync::mirror::{BlobUpload, Destination, ObjectKey, RepositoryKey, all_copies};

pub(super) struct Progress<'p> {
    observer: Observer<'p>,
    images: usize,
    bytes: u64,
    /// The bytes that each image adds to the destination.
    added: HashMap<&'p Image, u64>,
    owners: HashMap<ObjectKey<'p>, &'p Image>,
    /// The source name of each destination, which users know.
    sources: HashMap<&'p Image, &'p Image>,
    state: Mutex<State<'p>>,
}

#[derive(Default)]
struct State<'p> {
    started: HashSet<&'p Image>,
    /// The reported bytes of each upload; a retry does not report them again.
    reported: HashMap<ObjectKey<'p>, u64>,
}

impl<'p> Progress<'p> {
    pub(super) fn new(
        destinations: &'p [Destination<'p>],
        uploads: &[BlobUpload<'p>],
        observer: Observer<'p>,
    ) -> Self {
        let mut owners: HashMap<ObjectKey<'p>, &'p Image> = HashMap::new();
        for copy in all_copies(destinations) {
            for blob in copy.content.manifests.iter().flat_map(|manifest| &manifest.blobs) {
                owners.entry((copy.key(), &blob.digest)).or_insert(copy.image);
            }
        }
        let mut added: HashMap<&'p Image, u64> = HashMap::new();
        for upload in uploads {
            for key in upload.uploaded(destinations) {
                if let Some(owner) = owners.get(&(key, &upload.blob.digest)) {
                    *added.entry(owner).or_default() += upload.blob.size;
                }
            }
        }
        Self {
            observer,
            images: all_copies(destinations).count(),
            bytes: added.values().sum(),
            added,
            owners,
            sources: all_copies(destinations).map(|copy| (copy.image, copy.source)).collect(),
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

    /// Reports that the first `sent` bytes of a blob were sent to a repository.
    pub(super) fn sent(&self, key: RepositoryKey<'p>, digest: &'p Digest, sent: u64) {
        let Some(image) = self.owners.get(&(key, digest)).copied() else {
            return;
        };
        self.started(image);
        let bytes = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let reported = state.reported.entry((key, digest)).or_default();
            let bytes = sent.saturating_sub(*reported);
            *reported += bytes;
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
