//! The inventory: every image that Cast AI needs, where it is used, and why it is included.
//!
//! It is made from clusters and files only and needs no registry, so it can be made where only the cluster is
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

/// Version of the three values that are passed between machines.
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
    /// Sorted by name as written, each with all its uses.
    pub images: Vec<WantedImage>,
    /// What could not be read, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Kinds of workloads and of Cast AI's custom resources that could not be listed, such as `daemonsets.apps`: their
    /// images may be missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// Objects of Cast AI and of the user's files that could not be read, and patterns of `--only` that match no image, one
    /// sentence each: their images are missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Optional sources that could not be read, such as `secrets` or `Helm releases`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
    /// The user's additions to our knowledge of Cast AI: names in the mirror are translated back with it too.
    #[serde(default, skip_serializing_if = "Knowledge::is_empty")]
    pub knowledge: Knowledge,
    /// Only for output, if the user requests it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

impl Inventory {
    /// Whether something that Cast AI needs could not be looked at.
    pub const fn is_incomplete(&self) -> bool {
        !self.unlisted.is_empty() || !self.unreadable.is_empty()
    }
}

/// What was searched, and what was excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// One line for each place that was searched.
    pub searched: Vec<String>,
    pub excluded: Vec<ExcludedImage>,
}

/// An object that looks like Cast AI's but was excluded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExcludedImage {
    pub place: Place,
    /// `None` if the whole object was excluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_field: Option<ImageField>,
    /// As written, if it can be an image.
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

/// A cluster, as far as naming and mirroring need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The kubeconfig's context, or the EKS name without a context.
    pub name: String,
    /// AWS account that the nodes or the EKS ARN belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_origin: Option<AccountOrigin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Platforms of the nodes, such as `linux/arm64`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
}

/// Where a cluster's account is known from, the most reliable one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum AccountOrigin {
    /// The ARN in the kubeconfig.
    EksArn,
    /// The nodes' roles in `kube-system/aws-auth`.
    AwsAuth,
    /// The roles of Cast AI's service accounts.
    ServiceAccounts,
}

impl fmt::Display for AccountOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EksArn => "EKS ARN",
            Self::AwsAuth => "aws-auth",
            Self::ServiceAccounts => "service accounts of Cast AI",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WantedImage {
    pub image: Image,
    /// The source of a private name, if our records or the naming rule determine it without a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// Where the name comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    pub used_by: Vec<Use>,
}

/// One use of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Use {
    pub place: Place,
    pub image_field: ImageField,
    pub reason: Reason,
    /// The previous image according to our annotation, if it has a record for this field and this image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_source: Option<Image>,
    /// Why the image cannot be rewritten in place; `None` if it can.
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
    /// A custom resource of Cast AI, or one that controls the object with the image.
    #[serde(rename_all = "camelCase")]
    Resource {
        cluster: String,
        namespace: String,
        /// Kind and group in kubectl's notation: `component.castware.cast.ai`.
        resource: String,
        name: String,
    },
    /// A manifest of an object or hook in a Helm release: its images return at the next upgrade.
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

/// A workload of a cluster, named as in kubectl.
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
    /// `deployment.apps/castai-agent`, as kubectl prints objects that it changes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.resource(), self.name)
    }
}
