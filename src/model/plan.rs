//! The plan: inventory + source + destination. `--dry-run` prints the very value that a run carries out.

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
    /// What has to be uploaded to them, each blob once, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<Upload>,
    /// What is changed in each cluster; empty where none is.
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

/// What happens at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DestinationPlan {
    pub mirror: Mirror,
    pub registry: RegistryKind,
    /// One per destination reference, in order of its name.
    pub images: Vec<PlannedImage>,
    /// Repositories that do not exist yet, in order.
    pub create_repositories: Vec<String>,
    /// Whether the registry takes a blob that several repositories need from the first of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mounting: bool,
    pub estimate: Estimate,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum RegistryKind {
    /// Amazon ECR: repositories are created by API, listings answer for whole repositories.
    #[serde(rename_all = "camelCase")]
    Ecr { account: String, region: String },
    /// Any other OCI registry.
    Oci,
}

impl RegistryKind {
    /// The kind that a registry's host name says.
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
    /// Absent where it is unknown what was mirrored under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// Where the source's name comes from; absent where no source is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    pub step: Step,
    /// What is worth knowing although it stops nothing, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The image as each place writes it today, which may already be the destination.
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

/// What has to be done for one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Step {
    /// The destination holds the wanted digest under the wanted tag.
    #[serde(rename_all = "camelCase")]
    UpToDate { content: Content },
    /// Blobs and manifests are copied; manifests that are there already are not.
    #[serde(rename_all = "camelCase")]
    Copy { content: Content },
    /// As a copy, and the destination's tag is moved: it names other content now.
    #[serde(rename_all = "camelCase")]
    Replace { content: Content, replaces: Digest },
    /// Nodes reach this image's registry anyway, or nothing is known of where it came from and it is there.
    #[serde(rename_all = "camelCase")]
    Skip { reason: String },
    /// This image cannot be mirrored; the others go on.
    #[serde(rename_all = "camelCase")]
    Failed { error: String },
}

impl Step {
    /// What the destination holds, or will hold.
    pub const fn content(&self) -> Option<&Content> {
        match self {
            Self::UpToDate { content } => Some(content),
            _ => self.to_write(),
        }
    }

    /// What has to be written to the destination.
    pub const fn to_write(&self) -> Option<&Content> {
        match self {
            Self::Copy { content } | Self::Replace { content, .. } => Some(content),
            Self::UpToDate { .. } | Self::Skip { .. } | Self::Failed { .. } => None,
        }
    }
}

/// A proven or planned image: the digest that its tag names, and what that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Content {
    pub digest: Digest,
    /// Empty where only the digest was compared.
    pub media_type: String,
    /// Such as `linux/amd64`; without attestations. Empty where only the digest was compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Bytes of all manifests and blobs, each counted once. Zero where only the digest was compared.
    #[serde(default)]
    pub size: u64,
    /// All manifests, children before the index that names them. Empty where only the digest was compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Manifest>,
}

impl Content {
    /// Of which only the digest is known; the media type is empty where that is not.
    pub const fn unread(digest: Digest, media_type: String) -> Self {
        Self { digest, media_type, platforms: Vec::new(), size: 0, manifests: Vec::new() }
    }

    /// Whether more than the digest is known.
    pub const fn is_read(&self) -> bool {
        !self.manifests.is_empty()
    }
}

/// A manifest to push by its digest, or by tag if it is the image's own.
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
    /// Set where the destination repository lists this digest already, and thus all that it names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub present: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// A blob, read once from one source repository, and the destination repositories that lack it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    #[serde(flatten)]
    pub blob: Blob,
    /// A source image whose repository holds the blob.
    pub from: Image,
    /// In order, those of one destination together: its first one is what its others mount from.
    pub to: Vec<UploadTarget>,
}

/// A repository that a blob is uploaded to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UploadTarget {
    pub destination: Mirror,
    /// Its path in the destination's registry.
    pub repository: String,
}

/// What the run will cost, as far as it is known beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Requests to the destination that the steps still need.
    pub destination_requests: u64,
    /// Requests to the sources that the steps still need.
    pub source_requests: u64,
    /// Bytes read from the sources.
    pub download_bytes: u64,
    /// Bytes sent to the destination; without mounting a shared blob counts once per repository.
    pub upload_bytes: u64,
}
