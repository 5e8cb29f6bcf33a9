//! The objects of a run: one `ConfigMap` with the request, which owns the pods, and the pods.
//!
//! The pods comply with the Pod Security Standard `restricted`, so they run in any namespace.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMap, ConfigMapVolumeSource, Container, LocalObjectReference, NodeAffinity,
    NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodOS, PodSecurityContext, PodSpec,
    ResourceRequirements, SeccompProfile, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::labels::Labels;
use crate::model::workload::PROBE_LABEL;
use crate::preflight::subject::PodLocation;

/// The start of the names of all objects.
const NAME: &str = "castai-privatelink-probe";
/// Who manages the objects, in the label `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "kubectl-castai-privatelink";
const CONTAINER: &str = "probe";
/// The user of the image.
const USER: i64 = 65532;
const FOLDER: &str = "/etc/castai-privatelink-probe";
const REQUEST: &str = "request.json";
const CA: &str = "ca.pem";
const TERMINATION_LOG: &str = "/dev/termination-log";

/// What the objects of a run have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Of this run only.
    pub id: String,
    pub namespace: String,
    pub service_account: Option<String>,
    pub pull_secrets: Vec<String>,
    /// With those of [`own_labels`].
    pub labels: Labels,
    /// By digest, unless the user chose it.
    pub image: String,
    /// The request, as JSON.
    pub request: String,
    /// Additional roots, in PEM.
    pub ca: Option<String>,
    /// After this time the kubelet ends a pod, whatever became of this program.
    pub deadline_seconds: i64,
}

/// The labels of every object of a run. They name no application, because policies select by such labels.
pub fn own_labels(id: &str) -> Labels {
    BTreeMap::from([
        (PROBE_LABEL.to_owned(), id.to_owned()),
        ("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned()),
        ("sidecar.istio.io/inject".to_owned(), "false".to_owned()),
    ])
}

/// Selects the objects of all runs.
pub fn selector() -> String {
    format!("{PROBE_LABEL},app.kubernetes.io/managed-by={MANAGER}")
}

/// Selects the objects of one run.
pub fn selector_of(id: &str) -> String {
    format!("{PROBE_LABEL}={id}")
}

impl Run {
    pub fn config_map_name(&self) -> String {
        format!("{NAME}-{}", self.id)
    }

    pub fn pod_name(&self, number: usize) -> String {
        format!("{NAME}-{}-{number}", self.id)
    }

    pub fn config_map(&self) -> ConfigMap {
        let mut data = BTreeMap::from([(REQUEST.to_owned(), self.request.clone())]);
        data.extend(self.ca.clone().map(|ca| (CA.to_owned(), ca)));
        ConfigMap {
            metadata: self.metadata(self.config_map_name(), own_labels(&self.id)),
            data: Some(data),
            immutable: Some(true),
            ..ConfigMap::default()
        }
    }

    /// A pod on a node, owned by the `ConfigMap` with this uid. As its controller, so that no other controller adopts the
    /// pod, whatever its labels are.
    pub fn pod(&self, number: usize, location: &PodLocation, owner_uid: &str) -> Pod {
        let annotations = [
            ("sidecar.istio.io/inject", "false"),
            ("linkerd.io/inject", "disabled"),
            // A pod without a workload would keep its node from being removed.
            ("cluster-autoscaler.kubernetes.io/safe-to-evict", "true"),
            ("autoscaling.cast.ai/disposable", "true"),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Pod {
            metadata: ObjectMeta {
                annotations: Some(annotations.into()),
                owner_references: Some(vec![OwnerReference {
                    api_version: "v1".to_owned(),
                    kind: "ConfigMap".to_owned(),
                    name: self.config_map_name(),
                    uid: owner_uid.to_owned(),
                    controller: Some(true),
                    block_owner_deletion: None,
                }]),
                ..self.metadata(self.pod_name(number), self.labels.clone())
            },
            spec: Some(PodSpec {
                active_deadline_seconds: Some(self.deadline_seconds),
                affinity: Some(on_node(&location.node)),
                automount_service_account_token: Some(false),
                containers: vec![self.container()],
                dns_policy: Some(location.dns_policy.as_str().to_owned()),
                enable_service_links: Some(false),
                image_pull_secrets: Some(
                    self.pull_secrets
                        .iter()
                        .map(|name| LocalObjectReference { name: name.clone() })
                        .collect(),
                ),
                os: Some(PodOS { name: "linux".to_owned() }),
                restart_policy: Some("Never".to_owned()),
                security_context: Some(PodSecurityContext {
                    run_as_non_root: Some(true),
                    run_as_user: Some(USER),
                    run_as_group: Some(USER),
                    seccomp_profile: Some(runtime_default()),
                    ..PodSecurityContext::default()
                }),
                service_account_name: self.service_account.clone(),
                termination_grace_period_seconds: Some(1),
                tolerations: Some(vec![Toleration {
                    operator: Some("Exists".to_owned()),
                    ..Toleration::default()
                }]),
                volumes: Some(vec![Volume {
                    name: "request".to_owned(),
                    config_map: Some(ConfigMapVolumeSource {
                        name: self.config_map_name(),
                        ..ConfigMapVolumeSource::default()
                    }),
                    ..Volume::default()
                }]),
                ..PodSpec::default()
            }),
            status: None,
        }
    }

    fn metadata(&self, name: String, labels: Labels) -> ObjectMeta {
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        }
    }

    fn container(&self) -> Container {
        let mut files = vec![("--request", format!("{FOLDER}/{REQUEST}"))];
        if self.ca.is_some() {
            files.push(("--ca", format!("{FOLDER}/{CA}")));
        }
        files.push(("--termination-log", TERMINATION_LOG.to_owned()));
        let arguments = files.into_iter().flat_map(|(flag, file)| [flag.to_owned(), file]).collect();
        let quantities = |cpu: &str, memory: &str| {
            let each = [("cpu", cpu), ("memory", memory)];
            Some(each.map(|(name, value)| (name.to_owned(), Quantity(value.to_owned()))).into())
        };
        Container {
            name: CONTAINER.to_owned(),
            image: Some(self.image.clone()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            args: Some(arguments),
            resources: Some(ResourceRequirements {
                requests: quantities("10m", "16Mi"),
                limits: quantities("250m", "64Mi"),
                ..ResourceRequirements::default()
            }),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
                privileged: Some(false),
                read_only_root_filesystem: Some(true),
                run_as_non_root: Some(true),
                seccomp_profile: Some(runtime_default()),
                ..SecurityContext::default()
            }),
            termination_message_path: Some(TERMINATION_LOG.to_owned()),
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            volume_mounts: Some(vec![VolumeMount {
                name: "request".to_owned(),
                mount_path: FOLDER.to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            }]),
            ..Container::default()
        }
    }
}

fn runtime_default() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }
}

/// Pins a pod to a node through the scheduler, as daemon sets do. `spec.nodeName` would bypass it, and the kubelet then
/// rejects a pod that does not fit.
fn on_node(name: &str) -> Affinity {
    let term = NodeSelectorTerm {
        match_expressions: None,
        match_fields: Some(vec![NodeSelectorRequirement {
            key: "metadata.name".to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![name.to_owned()]),
        }]),
    };
    let required = NodeSelector { node_selector_terms: vec![term] };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(required),
            preferred_during_scheduling_ignored_during_execution: None,
        }),
        ..Affinity::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::preflight::subject::DnsPolicy;

    fn run() -> Run {
        Run {
            id: "0a1b2c3d".to_owned(),
            namespace: "castai-agent".to_owned(),
            service_account: Some("castai-agent".to_owned()),
            pull_secrets: vec!["ecr".to_owned()],
            labels: own_labels("0a1b2c3d"),
            image: "registry.example/castai-privatelink-probe@sha256:0".to_owned(),
            request: "{}".to_owned(),
            ca: Some("PEM".to_owned()),
            deadline_seconds: 60,
        }
    }

    fn location(dns_policy: DnsPolicy) -> PodLocation {
        PodLocation {
            subnet: None,
            zone: None,
            architecture: "arm64".to_owned(),
            node_group: None,
            node: "ip-10-0-1-5".to_owned(),
            dns_policy,
        }
    }

    /// Every pointer with its value.
    fn has(object: &Value, expected: &[(&str, Value)]) {
        for (pointer, value) in expected {
            assert_eq!(object.pointer(pointer).unwrap_or(&Value::Null), value, "{pointer}");
        }
    }

    #[test]
    fn a_pod_is_restricted_and_pinned_and_owned_by_the_request() {
        let pod = serde_json::to_value(run().pod(3, &location(DnsPolicy::Default), "uid-1")).unwrap();
        has(
            &pod,
            &[
                ("/metadata/name", json!("castai-privatelink-probe-0a1b2c3d-3")),
                ("/metadata/namespace", json!("castai-agent")),
                ("/metadata/ownerReferences/0/name", json!("castai-privatelink-probe-0a1b2c3d")),
                ("/metadata/ownerReferences/0/uid", json!("uid-1")),
                ("/metadata/ownerReferences/0/controller", json!(true)),
                ("/metadata/annotations/linkerd.io~1inject", json!("disabled")),
                ("/metadata/labels/sidecar.istio.io~1inject", json!("false")),
                ("/spec/dnsPolicy", json!("Default")),
                ("/spec/restartPolicy", json!("Never")),
                ("/spec/activeDeadlineSeconds", json!(60)),
                ("/spec/automountServiceAccountToken", json!(false)),
                ("/spec/enableServiceLinks", json!(false)),
                ("/spec/hostNetwork", Value::Null),
                ("/spec/nodeName", Value::Null),
                ("/spec/serviceAccountName", json!("castai-agent")),
                ("/spec/tolerations", json!([{"operator": "Exists"}])),
                ("/spec/securityContext/runAsNonRoot", json!(true)),
                ("/spec/securityContext/runAsUser", json!(65532)),
                ("/spec/securityContext/seccompProfile/type", json!("RuntimeDefault")),
                ("/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(false)),
                ("/spec/containers/0/securityContext/capabilities", json!({"drop": ["ALL"]})),
                ("/spec/containers/0/securityContext/readOnlyRootFilesystem", json!(true)),
                ("/spec/containers/0/resources/limits", json!({"cpu": "250m", "memory": "64Mi"})),
                ("/spec/containers/0/resources/requests", json!({"cpu": "10m", "memory": "16Mi"})),
                ("/spec/containers/0/terminationMessagePath", json!("/dev/termination-log")),
                (
                    "/spec/containers/0/args",
                    json!([
                        "--request",
                        "/etc/castai-privatelink-probe/request.json",
                        "--ca",
                        "/etc/castai-privatelink-probe/ca.pem",
                        "--termination-log",
                        "/dev/termination-log",
                    ]),
                ),
                (
                    "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
                    json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["ip-10-0-1-5"]}]}]),
                ),
            ],
        );
    }

    #[test]
    fn the_config_map_has_the_request_and_the_roots() {
        let config_map = serde_json::to_value(run().config_map()).unwrap();
        has(
            &config_map,
            &[
                ("/metadata/name", json!("castai-privatelink-probe-0a1b2c3d")),
                ("/metadata/labels/app.kubernetes.io~1managed-by", json!("kubectl-castai-privatelink")),
                ("/data", json!({"request.json": "{}", "ca.pem": "PEM"})),
                ("/immutable", json!(true)),
            ],
        );
        let without = Run { ca: None, ..run() };
        let pod = without.pod(0, &location(DnsPolicy::ClusterFirst), "u");
        let arguments = pod.spec.unwrap().containers[0].args.clone().unwrap();
        assert_eq!(arguments.len(), 4, "{arguments:?}");
        assert!(without.config_map().data.is_some_and(|data| !data.contains_key(CA)));
    }
}
