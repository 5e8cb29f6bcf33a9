//! The lock: what has been verified in a destination. Rewriting from a lock needs only the cluster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::{Digest, Image, Mirror};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    pub api_version: String,
    pub kind: LockKind,
    pub created: Timestamp,
    /// A list, though today it has one entry.
    pub destinations: Vec<LockedDestination>,
}

/// The `kind` field of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockKind {
    Lock,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockedDestination {
    pub mirror: Mirror,
    pub images: Vec<LockedImage>,
}

/// An image whose digest was seen under its tag in the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockedImage {
    pub source: Image,
    pub destination: Image,
    pub digest: Digest,
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Bytes of all manifests and blobs.
    #[serde(default)]
    pub size: u64,
    pub verified: Timestamp,
}
