//! Objects of a list, parsed only as far as needed to decide whether the rest matters.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::model::field_manager::field_managers;
use crate::model::image_field::Variables;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::pod_template::PodTemplate;
use crate::model::workload::{ControllerReference, Replicas, Workload};

/// One page of a list of workloads or pods. kube's own type would hold the whole response in several copies.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow, default)]
    items: Option<Vec<Object<'a>>>,
}

impl<'a> Page<'a> {
    /// The objects, and the metadata for the next page.
    pub(super) fn into_parts(self) -> (Vec<Object<'a>>, ListMeta) {
        (self.items.unwrap_or_default(), self.metadata)
    }
}

/// An object of a list, or its metadata if only that was listed.
#[derive(Deserialize)]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owner_references: Vec<Reference>,
    generation: i64,
    deletion_timestamp: Option<IgnoredAny>,
    #[serde(borrow)]
    managed_fields: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    api_version: String,
    kind: String,
    name: String,
    controller: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

/// The part of a spec that says how many pods are desired, and whether a change reaches them.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Scale {
    replicas: Option<u32>,
    paused: bool,
    update_strategy: Strategy,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Strategy {
    r#type: String,
}

/// The part of a status that counts pods.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    observed_generation: i64,
    replicas: u32,
    ready_replicas: u32,
    updated_replicas: u32,
    current_revision: String,
    update_revision: String,
    desired_number_scheduled: u32,
    updated_number_scheduled: u32,
    number_ready: u32,
}

impl Object<'_> {
    /// The workload without its pod spec.
    pub(super) fn outline(&mut self, kind: WorkloadKind, cluster: &str) -> Workload {
        let metadata = std::mem::take(&mut self.metadata);
        self.metadata.managed_fields = metadata.managed_fields;
        let status: Status =
            self.status.and_then(|status| serde_json::from_str(status.get()).ok()).unwrap_or_default();
        let has_ended =
            metadata.deletion_timestamp.is_some() || matches!(status.phase.as_str(), "Succeeded" | "Failed");
        Workload {
            name: WorkloadName {
                cluster: cluster.to_owned(),
                namespace: metadata.namespace,
                kind,
                name: metadata.name,
            },
            labels: metadata.labels,
            annotations: metadata.annotations,
            controller: metadata.owner_references.into_iter().find(|owner| owner.controller).map(|owner| {
                ControllerReference { api_version: owner.api_version, kind: owner.kind, name: owner.name }
            }),
            pod: PodTemplate::default(),
            has_ended: kind == WorkloadKind::Pod && has_ended,
            replicas: None,
            managers: Vec::new(),
        }
    }

    /// Adds the pod spec's content and the field managers of its images to an outline of this object.
    ///
    /// # Errors
    /// There is no pod spec, or a field is malformed.
    pub(super) fn fill(
        &self,
        mut outline: Workload,
        variables: &Variables,
    ) -> Result<Workload, serde_json::Error> {
        let kind = outline.name.kind;
        outline.pod = self.pod(kind)?;
        outline.replicas = self.replicas(kind);
        if let (Some(managed), false) = (self.metadata.managed_fields, outline.is_covered_by_its_controller())
        {
            let entries = serde_json::from_str(managed.get())?;
            outline.managers = field_managers(kind, entries, &outline.pod, variables);
        }
        Ok(outline)
    }

    /// As the kind's controller counts them. A status that cannot be parsed counts as absent: the object's images are
    /// what matters most.
    fn replicas(&self, kind: WorkloadKind) -> Option<Replicas> {
        use WorkloadKind::{DaemonSet, Deployment, ReplicaSet, ReplicationController, StatefulSet};
        fn parse<T: Default + for<'a> Deserialize<'a>>(value: Option<&RawValue>) -> T {
            value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
        }
        let status: Counts = parse(self.status);
        let spec: Scale = parse(self.spec);
        let desired = spec.replicas.unwrap_or(1);
        let is_observed = status.observed_generation >= self.metadata.generation;
        let is_on_delete = spec.update_strategy.r#type == "OnDelete";
        let (desired, ready, may_be_outdated) = match kind {
            DaemonSet => {
                let desired = status.desired_number_scheduled;
                let is_updated = is_observed && status.updated_number_scheduled >= desired;
                (desired, status.number_ready, !is_on_delete && !is_updated)
            }
            Deployment => {
                let has_old = status.replicas > status.updated_replicas;
                let is_updated = is_observed && !has_old && status.updated_replicas >= desired;
                (desired, status.ready_replicas, !spec.paused && !is_updated)
            }
            StatefulSet => {
                let is_updated = is_observed && status.update_revision == status.current_revision;
                (desired, status.ready_replicas, !is_on_delete && !is_updated)
            }
            ReplicaSet | ReplicationController => (desired, status.ready_replicas, false),
            WorkloadKind::Pod | WorkloadKind::Job | WorkloadKind::CronJob => return None,
        };
        Some(Replicas { desired, ready, may_be_outdated })
    }

    fn pod(&self, kind: WorkloadKind) -> Result<PodTemplate, serde_json::Error> {
        let mut value = self.spec.unwrap_or(RawValue::NULL);
        if kind == WorkloadKind::Pod {
            return Ok(PodTemplate { spec: serde_json::from_str(value.get())? });
        }
        for name in kind.pod_template_pointer().split('/').skip(2) {
            let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(value.get())?;
            value = members.remove(name).unwrap_or(RawValue::NULL);
        }
        serde_json::from_str(value.get())
    }
}

impl Workload {
    /// Parses what we need from an object as the server sent it.
    ///
    /// # Errors
    /// As [`Object::fill`].
    pub(super) fn from_object(
        kind: WorkloadKind,
        cluster: &str,
        object: &DynamicObject,
        variables: &Variables,
    ) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(object)?;
        let mut object: Object = serde_json::from_str(&text)?;
        let outline = object.outline(kind, cluster);
        object.fill(outline, variables)
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;

    fn owned(kind: WorkloadKind, api_version: &str, owner: &str) -> Workload {
        let object = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "x", "namespace": "y", "ownerReferences": [
                {"apiVersion": api_version, "kind": owner, "name": "o", "uid": "u", "controller": true}
            ]},
        }));
        let mut object: DynamicObject = object.unwrap();
        let pod = serde_json::json!({"spec": {"containers": [{"name": "c", "image": "i"}]}});
        let wrapped = kind
            .pod_template_pointer()
            .rsplit('/')
            .filter(|part| !part.is_empty())
            .fold(pod, |inner, part| serde_json::json!({part: inner}));
        object.data = wrapped;
        Workload::from_object(kind, "cluster", &object, &Variables::default()).unwrap()
    }

    #[test]
    fn objects_of_a_known_controller_are_ignored() {
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
                owned(kind, api_version, owner).is_covered_by_its_controller(),
                expected,
                "{kind:?} of {owner}"
            );
        }
    }

    #[test]
    fn pods_are_counted_as_their_controller_does() {
        use WorkloadKind::{CronJob, DaemonSet, Deployment, Pod, StatefulSet};
        let (two, daemon) = (json!({"replicas": 2}), json!({"desiredNumberScheduled": 3, "numberReady": 1}));
        let cases = [
            (Deployment, two.clone(), json!({"readyReplicas": 1}), Some((2, 1))),
            (Deployment, json!({}), json!({}), Some((1, 0))),
            (StatefulSet, json!({"replicas": 0}), json!({}), Some((0, 0))),
            (DaemonSet, json!({}), daemon, Some((3, 1))),
            (Deployment, two, json!({"readyReplicas": "x"}), Some((2, 0))),
            (CronJob, json!({}), json!({}), None),
            (Pod, json!({"containers": []}), json!({}), None),
        ];
        for (kind, spec, status, expected) in cases {
            let (spec, status) = (spec.to_string(), status.to_string());
            let (spec, status) =
                (serde_json::from_str(&spec).unwrap(), serde_json::from_str(&status).unwrap());
            let object = Object { metadata: Metadata::default(), spec: Some(spec), status: Some(status) };
            let counts = object.replicas(kind).map(|replicas| (replicas.desired, replicas.ready));
            assert_eq!(counts, expected, "{kind:?} {spec} {status}");
        }
    }

    #[test]
    fn a_rollout_that_is_not_finished_is_seen_in_its_counts() {
        use WorkloadKind::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
        let (two, paused) = (json!({"replicas": 2}), json!({"replicas": 2, "paused": true}));
        let on_delete = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
        let counts = |total: u32, updated: u32| json!({"observedGeneration": 3, "replicas": total, "updatedReplicas": updated});
        let revisions =
            |update: &str| json!({"observedGeneration": 3, "currentRevision": "a", "updateRevision": update});
        let daemon = |updated: u32| json!({"observedGeneration": 3, "desiredNumberScheduled": 2, "updatedNumberScheduled": updated});
        let cases = [
            (Deployment, &two, counts(2, 2), false),
            (Deployment, &two, counts(3, 2), true),
            (Deployment, &two, counts(1, 1), true),
            (Deployment, &two, json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2}), true),
            (Deployment, &paused, counts(2, 0), false),
            (StatefulSet, &two, revisions("a"), false),
            (StatefulSet, &two, revisions("b"), true),
            (StatefulSet, &on_delete, revisions("b"), false),
            (DaemonSet, &two, daemon(2), false),
            (DaemonSet, &two, daemon(1), true),
            (DaemonSet, &on_delete, daemon(0), false),
            (ReplicaSet, &two, counts(2, 0), false),
        ];
        for (kind, spec, status, expected) in cases {
            let (spec, status) = (spec.to_string(), status.to_string());
            let (spec, status) =
                (serde_json::from_str(&spec).unwrap(), serde_json::from_str(&status).unwrap());
            let metadata = Metadata { generation: 3, ..Metadata::default() };
            let object = Object { metadata, spec: Some(spec), status: Some(status) };
            assert_eq!(object.replicas(kind).unwrap().may_be_outdated, expected, "{kind:?} {spec} {status}");
        }
    }

    #[test]
    fn the_pod_spec_is_found_in_every_kind() {
        for kind in WorkloadKind::ALL {
            assert_eq!(
                owned(kind, "x/v1", "X").pod.spec.containers[0].image.as_deref(),
                Some("i"),
                "{kind:?}"
            );
        }
    }
}
