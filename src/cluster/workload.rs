//! A workload as it was read: the snapshot that discovery, rewriting and preflight decide on.

use std::collections::BTreeMap;

use kube::api::ApiResource;

use super::managers::FieldManager;
use super::pod_spec::PodSpec;
use crate::sync::inventory::{WorkloadKind, WorkloadName};

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
    pub fn is_carried_by_its_owner(&self) -> bool {
        let Some(owner) = &self.owner else { return false };
        match self.name.kind {
            WorkloadKind::Pod => owner.workload_kind().is_some(),
            WorkloadKind::ReplicaSet => owner.workload_kind() == Some(WorkloadKind::Deployment),
            WorkloadKind::Job => owner.workload_kind() == Some(WorkloadKind::CronJob),
            _ => false,
        }
    }
}

impl WorkloadKind {
    /// JSON pointer to the pod spec in an object of this kind.
    pub const fn pod_spec_pointer(self) -> &'static str {
        match self {
            Self::Pod => "/spec",
            Self::CronJob => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        }
    }

    const fn group(self) -> &'static str {
        match self {
            Self::Pod | Self::ReplicationController => "",
            Self::CronJob | Self::Job => "batch",
            _ => "apps",
        }
    }

    /// The API that serves this kind.
    pub(super) fn api_resource(self) -> ApiResource {
        let group = self.group();
        ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") },
            kind: self.as_str().to_owned(),
            plural: format!("{}s", self.as_str().to_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;

    use super::*;

    fn owned(kind: WorkloadKind, api_version: &str, owner: &str) -> Workload {
        let object = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "x", "namespace": "y", "ownerReferences": [
                {"apiVersion": api_version, "kind": owner, "name": "o", "uid": "u", "controller": true}
            ]},
        }));
        let mut object: DynamicObject = object.unwrap();
        let pod = serde_json::json!({"containers": [{"name": "c", "image": "i"}]});
        let wrapped = kind
            .pod_spec_pointer()
            .rsplit('/')
            .filter(|part| !part.is_empty())
            .fold(pod, |inner, part| serde_json::json!({part: inner}));
        object.data = wrapped;
        Workload::from_object(kind, "cluster", &object).unwrap()
    }

    #[test]
    fn objects_of_a_known_controller_are_left_to_it() {
        let cases = [
            (WorkloadKind::ReplicaSet, "apps/v1", "Deployment", true),
            (WorkloadKind::ReplicaSet, "argoproj.io/v1alpha1", "Rollout", false),
            (WorkloadKind::Job, "batch/v1", "CronJob", true),
            (WorkloadKind::Job, "apps/v1", "Deployment", false),
            (WorkloadKind::Pod, "apps/v1", "ReplicaSet", true),
            (WorkloadKind::Pod, "batch/v1", "Job", true),
            (WorkloadKind::Pod, "v1", "Node", false),
            (WorkloadKind::Pod, "apps.kruise.io/v1alpha1", "DaemonSet", false),
        ];
        for (kind, api_version, owner, expected) in cases {
            assert_eq!(
                owned(kind, api_version, owner).is_carried_by_its_owner(),
                expected,
                "{kind:?} of {owner}"
            );
        }
    }

    #[test]
    fn the_pod_spec_is_found_in_every_kind() {
        for kind in WorkloadKind::ALL {
            assert_eq!(owned(kind, "x/v1", "X").pod.containers[0].image.as_deref(), Some("i"), "{kind:?}");
        }
    }
}
