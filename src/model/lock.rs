//! The lock: the verified content of a destination. Rewriting from a lock needs only the cluster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::image::{Digest, Image, Mirror};
use crate::model::plan::{Content, PlannedImage, WithoutAttestations};

/// The images that were verified in their destinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    pub api_version: String,
    pub kind: LockKind,
    pub created: Timestamp,
    /// A list that currently has one entry.
    pub destinations: Vec<LockedDestination>,
}

/// The `kind` field of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LockKind {
    Lock,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LockedDestination {
    pub mirror: Mirror,
    pub images: Vec<LockedImage>,
}

/// An image whose digest was verified under its tag in the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LockedImage {
    pub source: Image,
    pub destination: Image,
    pub digest: Digest,
    /// Missing, like platforms and size, if the registry returned the digest but did not let the manifest be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Bytes of all manifests and blobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What was skipped, if this is the source's image without some attestations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_attestations: Option<WithoutAttestations>,
    pub verified: Timestamp,
    /// Why it is unknown whether the source still has this digest; missing if the two were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
}

impl LockedImage {
    /// Records that the destination of `image`, a copy of `source`, had `content` at the time `verified`.
    pub fn new(image: &PlannedImage, source: &Image, content: &Content, verified: Timestamp) -> Self {
        Self {
            source: source.clone(),
            destination: image.destination.clone(),
            digest: content.digest.clone(),
            media_type: content.media_type.clone(),
            platforms: content.platforms.clone(),
            size: content.is_read().then_some(content.size),
            without_attestations: content.without_attestations.clone(),
            verified,
            not_compared: image.not_compared.clone(),
        }
    }
}
