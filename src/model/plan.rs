//! The plan: inventory + sources + destinations. `--dry-run` prints the same value that a run carries out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::cluster_plan::ClusterPlan;
use crate::model::image::ecr::EcrRegistry;
use crate::model::image::{Digest, Image, Mirror};
use crate::model::inventory::{Cluster, Use};
use crate::model::provenance::Provenance;

/// What a run would do: what is mirrored, and what is changed in clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub api_version: String,
    pub kind: PlanKind,
    pub created: Timestamp,
    pub clusters: Vec<Cluster>,
    pub destinations: Vec<DestinationPlan>,
    /// What to upload to them, each blob once, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<Upload>,
    /// The changes per cluster; empty if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_plans: Vec<ClusterPlan>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The `kind` field of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PlanKind {
    Plan,
}

/// The work at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DestinationPlan {
    pub mirror: Mirror,
    pub registry: RegistryKind,
    /// One per destination reference, sorted by name.
    pub images: Vec<PlannedImage>,
    /// Repositories to create, sorted.
    pub create_repositories: Vec<String>,
    /// Whether the registry mounts a blob from one repository into the others that need it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mounting: bool,
    pub estimate: Estimate,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum RegistryKind {
    /// Amazon ECR: an API creates repositories and lists whole repositories.
    #[serde(rename_all = "camelCase")]
    Ecr { account: String, region: String },
    /// Any other OCI registry.
    Oci,
}

impl RegistryKind {
    /// The kind of the registry with this host.
    pub fn of_host(host: &str) -> Self {
        match EcrRegistry::of_host(host) {
            Some(EcrRegistry { account, region }) => Self::Ecr { account, region },
            None => Self::Oci,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlannedImage {
    pub destination: Image,
    /// `None` if the source of this name is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// The provenance of the source's name; `None` if there is no source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    pub step: Step,
    /// A remark that stops nothing, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why the content in the destination could not be compared with the source, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
    /// Whether that is because the source no longer has the tag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tag_removed: bool,
    /// The uses of the image, each with its current reference, which may already be the destination.
    pub used_by: Vec<PlannedUse>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlannedUse {
    pub image: Image,
    #[serde(flatten)]
    pub used_by: Use,
}

/// The work for one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Step {
    /// The destination has the wanted digest under the wanted tag.
    #[serde(rename_all = "camelCase")]
    UpToDate { content: Content },
    /// Copies blobs and manifests, except those that are present.
    #[serde(rename_all = "camelCase")]
    Copy { content: Content },
    /// Like a copy, and moves the destination's tag, which currently has other content.
    #[serde(rename_all = "camelCase")]
    Replace { content: Content, replaces: Digest },
    /// Nodes can already reach this image's registry, or its source is unknown and the image is present.
    #[serde(rename_all = "camelCase")]
    Skip { reason: String },
    /// This image cannot be mirrored; the others continue.
    #[serde(rename_all = "camelCase")]
    Failed { error: String },
}

impl Step {
    /// The content that the destination has or will have.
    pub const fn content(&self) -> Option<&Content> {
        match self {
            Self::UpToDate { content } => Some(content),
            _ => self.to_write(),
        }
    }

    /// The content to write to the destination.
    pub const fn to_write(&self) -> Option<&Content> {
        match self {
            Self::Copy { content } | Self::Replace { content, .. } => Some(content),
            Self::UpToDate { .. } | Self::Skip { .. } | Self::Failed { .. } => None,
        }
    }
}

/// The content of an image: the digest of its tag, and what it consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Content {
    pub digest: Digest,
    /// Empty if only the digest was compared.
    pub media_type: String,
    /// For example `linux/amd64`; without attestations. Empty if only the digest was compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Bytes of all manifests and blobs, each counted once. Zero if only the digest was compared.
    #[serde(default)]
    pub size: u64,
    /// All manifests, children before the index that references them. Empty if only the digest was compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Manifest>,
    /// If this is the content of the source without some attestations: what was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_attestations: Option<WithoutAttestations>,
}

/// How an image in a destination differs from its source: its index does not name these attestations, and is otherwise
/// the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WithoutAttestations {
    /// Digest of the source's index.
    pub source_digest: Digest,
    /// The attestation manifests that were skipped, sorted.
    pub skipped: Vec<Digest>,
}

impl Content {
    /// Content of which only the digest is known; the media type is empty if it is unknown.
    pub const fn unread(digest: Digest, media_type: String) -> Self {
        Self {
            digest,
            media_type,
            platforms: Vec::new(),
            size: 0,
            manifests: Vec::new(),
            without_attestations: None,
        }
    }

    /// Whether more than the digest is known.
    pub const fn is_read(&self) -> bool {
        !self.manifests.is_empty()
    }

    /// The digest of its source.
    pub fn source_digest(&self) -> &Digest {
        self.without_attestations.as_ref().map_or(&self.digest, |reduced| &reduced.source_digest)
    }

    /// Bytes of all manifests and blobs, each counted once.
    pub fn measure(&self) -> u64 {
        let blobs: BTreeMap<&Digest, u64> = self
            .manifests
            .iter()
            .flat_map(|manifest| &manifest.blobs)
            .map(|blob| (&blob.digest, blob.size))
            .collect();
        self.manifests.iter().map(|manifest| manifest.size).sum::<u64>() + blobs.values().sum::<u64>()
    }
}

/// A manifest to push by digest, or by tag if it is the image's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub digest: Digest,
    pub media_type: String,
    pub size: u64,
    /// Config and layers, in the manifest's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Blob>,
    /// Whether the destination repository already lists this digest, and so has all that it references.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub present: bool,
    /// Whether it only describes other manifests of its index, so that the image runs without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_attestation: bool,
    /// What the destination is known to refuse in such a manifest, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_be_refused: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// A blob that is read once from one source repository, with the destination repositories that lack it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    #[serde(flatten)]
    pub blob: Blob,
    /// A source image whose repository holds the blob.
    pub from: Image,
    /// Grouped by destination: the others of a destination mount the blob from its first one.
    pub to: Vec<UploadDestination>,
}

/// A repository that a blob is uploaded to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadDestination {
    pub destination: Mirror,
    /// Its path in the destination's registry.
    pub repository: String,
}

/// The cost of a run, as far as it is known in advance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Remaining requests to the destination.
    pub destination_requests: u64,
    /// Remaining requests to the sources.
    pub source_requests: u64,
    /// Bytes read from the sources.
    pub download_bytes: u64,
    /// Bytes sent to the destination; without mounting, a shared blob counts once per repository.
    pub upload_bytes: u64,
}
