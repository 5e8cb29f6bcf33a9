//! A workload as it was read: the snapshot that discovery, rewriting and preflight decide on.

use std::collections::BTreeMap;

use super::field_manager::FieldManager;
use super::pod_spec::PodSpec;
use crate::model::inventory::WorkloadName;
use crate::model::workload_kind::WorkloadKind;

/// An object that holds a pod template (or is a pod), with what decisions need of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub name: WorkloadName,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The controller that made this object, if any.
    pub owner: Option<Owner>,
    /// The pod template's spec, or a pod's own.
    pub pod: PodSpec,
    /// A pod that has ended or is about to: it will not run another image.
    pub has_ended: bool,
    /// Who set its images; nobody for what is carried by its owner, which is never looked at.
    pub managers: Vec<FieldManager>,
}

/// A controlling owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
}

impl Owner {
    /// The group of its kind; empty for Kubernetes' core.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The kind of workload that it is, where it is none of somebody else's.
    pub fn workload_kind(&self) -> Option<WorkloadKind> {
        let group = self.group();
        WorkloadKind::ALL.into_iter().find(|kind| kind.as_str() == self.kind && kind.group() == group)
    }
}

impl Workload {
    /// Whether its controller is a workload that carries the same images, so that this object is never looked at.
    pub fn is_covered_by_its_owner(&self) -> bool {
        let Some(owner) = &self.owner else { return false };
        match self.name.kind {
            WorkloadKind::Pod => owner.workload_kind().is_some(),
            WorkloadKind::ReplicaSet => owner.workload_kind() == Some(WorkloadKind::Deployment),
            WorkloadKind::Job => owner.workload_kind() == Some(WorkloadKind::CronJob),
            _ => false,
        }
    }
}
