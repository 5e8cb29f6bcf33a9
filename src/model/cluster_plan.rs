//! The part of a plan that changes clusters: which workload gets which images.

use json_patch::Patch;
use serde::{Deserialize, Serialize};

use crate::model::image::Mirror;
use crate::model::inventory::{ImageField, WorkloadName};
use crate::model::owner::Owner;

/// The changes to the workloads of one cluster.
///
/// It is decided from the workloads as read and from the content of the destination. Patches in a plan file are for
/// people and other tools: a run that reads the file decides again from the current workloads, so that no file controls
/// what is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    pub cluster: String,
    /// The mirror whose names are written to the workloads.
    pub destination: Mirror,
    /// In rollout order.
    pub workloads: Vec<WorkloadPlan>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPlan {
    pub workload: WorkloadName,
    pub step: WorkloadStep,
    /// Other owners of its images, if they are changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
}

/// What to do with one workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum WorkloadStep {
    #[serde(rename_all = "camelCase")]
    Patch {
        /// Empty if only our record or field ownership is updated.
        changes: Vec<Change>,
        /// Image fields whose ownership is relinquished.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        relinquished: Vec<ImageField>,
        /// A JSON patch; its `test` operations detect changes since the workload was read.
        #[cfg_attr(test, schemars(schema_with = "crate::schema_tests::json_patch"))]
        patch: Patch,
    },
    /// It already has the wanted images.
    Unchanged,
    /// A required image is not verified, or an owner would revert the change immediately.
    #[serde(rename_all = "camelCase")]
    HeldBack { reason: String },
    /// None of its images can be changed in place.
    #[serde(rename_all = "camelCase")]
    NotRewritable { reason: String },
}

/// A change of one image field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub image_field: ImageField,
    /// `None` if the whole entry is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `None` if the whole entry is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
