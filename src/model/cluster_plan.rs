//! The half of a plan that changes clusters: which workload gets which images.

use json_patch::Patch;
use serde::{Deserialize, Serialize};

use crate::model::image::Mirror;
use crate::model::inventory::{ImageField, WorkloadName};
use crate::model::owner::Owner;

/// What is to be done with the workloads of one cluster.
///
/// It is decided on from the workloads as they were read and from what the destination holds. Patches in a file are for
/// people and other tools: a run decides anew on the workloads that it reads, so that no file says what is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    pub cluster: String,
    /// The mirror whose names the workloads get.
    pub destination: Mirror,
    /// In the order in which they are rolled out.
    pub workloads: Vec<WorkloadPlan>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPlan {
    pub workload: WorkloadName,
    pub step: WorkloadStep,
    /// Who writes its images too, where they are changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
}

/// What is to be done with one workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum WorkloadStep {
    #[serde(rename_all = "camelCase")]
    Patch {
        /// Empty where only our record or field ownership is brought up to date.
        changes: Vec<Change>,
        /// Fields whose ownership is relinquished.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        relinquished: Vec<ImageField>,
        /// A JSON patch; its `test` operations are the guards against changes in the meantime.
        #[cfg_attr(test, schemars(schema_with = "crate::schema_tests::json_patch"))]
        patch: Patch,
    },
    /// It names the wanted images already.
    Unchanged,
    /// An image that it needs is not verified, or its owner would revert the change at once.
    #[serde(rename_all = "camelCase")]
    HeldBack { reason: String },
    /// None of its images can be changed in place.
    #[serde(rename_all = "camelCase")]
    NotRewritable { reason: String },
}

/// A field that gets another value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub image_field: ImageField,
    /// Absent where the whole entry is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Absent where the whole entry is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
