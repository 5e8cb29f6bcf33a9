//! The image of the probe, which the plugin pushes so that pods can run it: an OCI index for all architectures of nodes,
//! made from the layers that a release build embeds.

mod document;

use std::borrow::Cow;

use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};

use self::document::{Config, Descriptor, Index, Manifest, Platform};
use crate::model::image::Digest;

/// The repository of the image below the mirror.
pub const REPOSITORY: &str = "castai-privatelink-probe";

/// A layer as `scripts/build-probes.sh` writes it: a compressed archive with the file `/probe`.
struct Layer {
    /// In the spelling of OCI, such as `amd64`.
    architecture: &'static str,
    /// The digest of the uncompressed archive.
    diff_id: &'static str,
    bytes: &'static [u8],
}

/// Empty unless the build was given the layers: see `build.rs`.
const LAYERS: &[Layer] = include!(concat!(env!("OUT_DIR"), "/probe_layers.rs"));

/// The content of a registry's repository. It depends only on the layers, so equal builds have equal digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeImage {
    /// To be pushed last.
    pub index: Blob,
    /// One for each platform, to be pushed after the blobs.
    pub manifests: Vec<Blob>,
    /// Layer and config of each platform.
    pub blobs: Vec<Blob>,
}

/// Content with its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    pub media_type: &'static str,
    pub bytes: Cow<'static, [u8]>,
}

/// The image that this plugin contains, if it is a release build.
pub fn embedded() -> Option<ProbeImage> {
    (!LAYERS.is_empty()).then(|| ProbeImage::of(LAYERS))
}

impl ProbeImage {
    /// The tag under which the image is pushed. Another build has another tag, so tags never move.
    pub fn tag(&self) -> String {
        format!("digest-{}", self.index.digest.short())
    }

    fn of(layers: &[Layer]) -> Self {
        let mut image = Self {
            index: Blob::new(OCI_IMAGE_INDEX_MEDIA_TYPE, Vec::new()),
            manifests: Vec::new(),
            blobs: Vec::new(),
        };
        let mut entries = Vec::new();
        for layer in layers {
            let content = Blob::new(IMAGE_LAYER_GZIP_MEDIA_TYPE, layer.bytes);
            let config = Blob::json(IMAGE_CONFIG_MEDIA_TYPE, &Config::new(layer.architecture, layer.diff_id));
            let manifest = Manifest::new(Descriptor::of(&config), Descriptor::of(&content));
            let manifest = Blob::json(OCI_IMAGE_MEDIA_TYPE, &manifest);
            entries.push(Descriptor::of(&manifest).on(Platform::linux(layer.architecture)));
            image.manifests.push(manifest);
            image.blobs.extend([content, config]);
        }
        image.index = Blob::json(OCI_IMAGE_INDEX_MEDIA_TYPE, &Index::new(entries));
        image
    }
}

impl Blob {
    fn new(media_type: &'static str, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::compute(&bytes), media_type, bytes }
    }

    fn json(media_type: &'static str, document: &impl serde::Serialize) -> Self {
        // These documents are made of strings and numbers, and serialising them does not fail.
        Self::new(media_type, serde_json::to_vec(document).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
