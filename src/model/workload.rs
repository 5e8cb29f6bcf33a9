//! A workload as read from the cluster, on which discovery, rewriting and preflight decide.

use std::collections::BTreeMap;

use serde::Serialize;

use super::field_manager::FieldManager;
use super::pod_template::PodTemplate;
use crate::model::inventory::WorkloadName;
use crate::model::workload_kind::WorkloadKind;

/// The label of preflight's probe pods, with the id of their run.
pub const PROBE_LABEL: &str = "privatelink.cast.ai/probe";

/// An object with a pod template (or a pod), reduced to what decisions need.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub name: WorkloadName,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The controller that created this object, if any.
    pub controller: Option<ControllerReference>,
    pub pod: PodTemplate,
    /// Whether it is a pod that has finished or is being deleted: it will not run another image.
    pub has_ended: bool,
    /// `None` for kinds whose pods are not counted, such as jobs.
    pub replicas: Option<Replicas>,
    /// The field managers of its images; empty if its owner has the same images, because then it is not processed.
    pub managers: Vec<FieldManager>,
}

/// The pods of a workload, as its status counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Replicas {
    pub desired: u32,
    pub ready: u32,
    /// Whether its status does not show that its last change has reached all of them.
    #[serde(skip)]
    pub may_be_outdated: bool,
}

/// A controlling owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
}

impl ControllerReference {
    /// The API group of its kind; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The kind of workload that it is; `None` for other controllers.
    pub fn workload_kind(&self) -> Option<WorkloadKind> {
        let group = self.group();
        WorkloadKind::ALL.into_iter().find(|kind| kind.as_str() == self.kind && kind.group() == group)
    }
}

impl Workload {
    /// Whether it is scaled to zero, or no node matches it.
    pub fn wants_no_pod(&self) -> bool {
        self.replicas.is_some_and(|replicas| replicas.desired == 0)
    }

    /// Whether pods are desired and none is ready.
    pub fn has_no_ready_pod(&self) -> bool {
        self.replicas.is_some_and(|replicas| replicas.desired > 0 && replicas.ready == 0)
    }

    /// Whether its last rollout may not be finished. Only its pods show whether it is.
    pub fn may_be_outdated(&self) -> bool {
        self.replicas.is_some_and(|replicas| replicas.desired > 0 && replicas.may_be_outdated)
    }

    /// Whether its controller is a workload with the same images, so that this object can be ignored, as are
    /// preflight's own pods.
    pub fn is_covered_by_its_controller(&self) -> bool {
        if self.name.kind == WorkloadKind::Pod && self.labels.contains_key(PROBE_LABEL) {
            return true;
        }
        let Some(owner) = &self.controller else { return false };
        match self.name.kind {
            WorkloadKind::Pod => owner.workload_kind().is_some(),
            WorkloadKind::ReplicaSet => owner.workload_kind() == Some(WorkloadKind::Deployment),
            WorkloadKind::Job => owner.workload_kind() == Some(WorkloadKind::CronJob),
            _ => false,
        }
    }
}
