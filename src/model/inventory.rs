//! The inventory: every image that Cast AI needs, every place that carries it, and why it was taken.
//!
//! It comes from clusters and files alone and needs no registry, so that it can be made where only the cluster is
//! reachable.

mod reason;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::reason::Reason;
use crate::model::image::Image;
pub use crate::model::image_field::ImageField;
use crate::model::knowledge::Knowledge;
use crate::model::provenance::Provenance;
pub use crate::model::workload_kind::WorkloadKind;

/// Version of the three values that machines hand to each other.
pub const API_VERSION: &str = "privatelink.cast.ai/v1alpha1";

/// Every image that Cast AI needs in some clusters or files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    pub api_version: String,
    pub kind: InventoryKind,
    pub created: Timestamp,
    pub clusters: Vec<Cluster>,
    /// Ordered by name as written; each with every place that carries it.
    pub images: Vec<WantedImage>,
    /// What could not be looked at, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Kinds of workloads that could not be listed, such as `daemonsets.apps`: images may be missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// What the user added to what we know of Cast AI: names in the mirror are read back by it too.
    #[serde(default, skip_serializing_if = "Knowledge::is_empty")]
    pub knowledge: Knowledge,
    /// Made for people alone, where they ask for it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// What was looked at, and what of it was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// One line for each place where images were looked for.
    pub searched: Vec<String>,
    pub excluded: Vec<ExcludedImage>,
}

/// An object that looks like Cast AI's but was excluded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExcludedImage {
    pub place: Place,
    /// Absent where the whole object was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_field: Option<ImageField>,
    /// As written, where it can be an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(rename = "reason")]
    pub why: String,
}

/// The `kind` field of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum InventoryKind {
    Inventory,
}

/// A cluster, as far as naming and mirroring need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The kubeconfig's context, or the EKS name where there is none.
    pub name: String,
    /// AWS account that the nodes or the EKS ARN belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Platforms of the nodes, such as `linux/arm64`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WantedImage {
    pub image: Image,
    /// The public image behind a private name, as far as our records or the naming rules tell without a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// Where the name comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    pub used_by: Vec<Use>,
}

/// One place that holds an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Use {
    pub place: Place,
    pub image_field: ImageField,
    pub reason: Reason,
    /// What our annotation says was here before, if it speaks of this image field and this image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_source: Option<Image>,
    /// Why the image cannot be rewritten in place; absent where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_rewritable: Option<String>,
}

impl Use {
    /// Whether this is the container whose image `derived` is derived from.
    pub fn contains_source_of(&self, derived: &Self) -> bool {
        derived.image_field.is_derived()
            && self.image_field.is_container_image()
            && self.place == derived.place
            && self.image_field.container() == derived.image_field.container()
    }
}

/// The object or file that an image was found in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Place {
    #[serde(rename_all = "camelCase")]
    Workload(WorkloadName),
    #[serde(rename_all = "camelCase")]
    File {
        path: String,
        /// `Kind/name` of the manifest in the file.
        manifest: String,
    },
    /// A custom resource of Cast AI's, or one that controls what carries the image.
    #[serde(rename_all = "camelCase")]
    Resource {
        cluster: String,
        namespace: String,
        /// Kind and group as kubectl names them: `component.castware.cast.ai`.
        resource: String,
        name: String,
    },
    /// A manifest that Helm keeps, of an object or of a hook: what it holds comes back at the next upgrade.
    #[serde(rename_all = "camelCase")]
    Release {
        cluster: String,
        namespace: String,
        release: String,
        /// `Kind/name` of the manifest.
        manifest: String,
        hook: bool,
    },
    /// The user named the image.
    #[serde(rename_all = "camelCase")]
    Named,
}

/// A workload of a cluster, named as kubectl names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkloadName {
    pub cluster: String,
    pub namespace: String,
    pub kind: WorkloadKind,
    pub name: String,
}

impl fmt::Display for WorkloadName {
    /// `deployment.apps/castai-agent`, as kubectl names what it changes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.resource(), self.name)
    }
}
