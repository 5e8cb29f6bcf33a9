//! The result of each workload, as plain data.

use serde::Serialize;

use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::model::cluster_plan::Change;
use crate::model::inventory::{ImageField, WorkloadName};
use crate::model::owner::Owner;
use crate::ownership::fields::FieldOwnership;
use crate::sync::rewrite_workload::{HeldBack, WorkloadPatch};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkloadReport {
    pub workload: WorkloadName,
    pub changes: Vec<Change>,
    /// Image fields whose ownership was relinquished, because their owner sets the same image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relinquished: Vec<ImageField>,
    pub outcome: Outcome,
    /// Its images run, but it did not become ready: it was broken before too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_ready: bool,
    /// Problems of its pods; crash logs of a component that was broken before are shown but not judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<PodProblem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why no pod has pulled its images, so that nothing proves that nodes can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_pulled: Option<String>,
    /// Other owners of its images, if they were or would be changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
    /// Who owns its private images afterwards; `None` if no field manager uses server-side apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<FieldOwnership>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type", content = "reason")]
pub enum Outcome {
    Updated,
    /// It already uses the verified images.
    Unchanged,
    /// The patch was planned, without a server dry run.
    Planned,
    /// The server would accept the patch.
    DryRunOk,
    /// Not changed for now, for example because an image that it needs is not verified.
    HeldBack(#[cfg_attr(test, schemars(with = "String"))] HeldBack),
    /// None of its images can be changed in place.
    NotRewritable(String),
    Failed(String),
    /// Its images are set, and its pods do not run them.
    RolloutFailed(String),
    /// It was healthy and did not become healthy again, so its former images were restored.
    Restored(String),
    /// The run stopped before it.
    NotStarted,
}

/// The note on a workload whose rollout the user chose not to wait for.
pub const NOT_AWAITED: &str = "did not wait for its rollout";

impl Outcome {
    /// Whether it needs attention.
    pub fn needs_attention(&self) -> bool {
        matches!(
            self,
            Self::HeldBack(_)
                | Self::Failed(_)
                | Self::RolloutFailed(_)
                | Self::Restored(_)
                | Self::NotStarted
        )
    }
}

impl WorkloadReport {
    /// Whether it needs attention: also if it cannot be changed, and its pods wait for an image.
    pub fn needs_attention(&self) -> bool {
        let is_waiting = matches!(self.outcome, Outcome::NotRewritable(_)) && !self.problems.is_empty();
        self.outcome.needs_attention() || is_waiting
    }

    pub fn new(workload: WorkloadName, changes: Vec<Change>, outcome: Outcome) -> Self {
        Self {
            workload,
            changes,
            relinquished: Vec::new(),
            outcome,
            not_ready: false,
            problems: Vec::new(),
            notes: Vec::new(),
            not_pulled: None,
            owners: Vec::new(),
            ownership: None,
        }
    }

    /// Each image that its pods were to pull, with the message of a pod that could not.
    pub fn pull_failures(&self) -> impl Iterator<Item = (&str, &str)> {
        let problems = self.problems.iter().filter(|problem| problem.kind == ProblemKind::Image);
        problems.flat_map(|problem| {
            let images = self.changes.iter().filter_map(|change| change.to.as_deref());
            images.map(|image| (image, problem.message.as_str()))
        })
    }

    pub(super) fn from_patch(patch: WorkloadPatch, outcome: Outcome) -> Self {
        Self { relinquished: patch.relinquished, ..Self::new(patch.workload, patch.changes, outcome) }
    }
}
