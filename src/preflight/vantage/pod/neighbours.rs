//! What selects pods in the component's namespace.

use super::labels::{Selecting, Selectors};
use crate::cluster::Connection;
use crate::cluster::pod_selectors::{SelectingKind, pod_selectors};

/// Kinds that must not count a probe pod as one of theirs: traffic would reach it, its end would use up a budget, and
/// controllers or autoscalers would adopt or count it.
const AVOID: [SelectingKind; 8] = [
    SelectingKind { is_map: true, ..core("Service", "services", "selector") },
    SelectingKind { is_map: true, ..core("ReplicationController", "replicationcontrollers", "selector") },
    of("policy", "PodDisruptionBudget", "poddisruptionbudgets", "selector"),
    of("apps", "Deployment", "deployments", "selector"),
    of("apps", "ReplicaSet", "replicasets", "selector"),
    of("apps", "StatefulSet", "statefulsets", "selector"),
    of("apps", "DaemonSet", "daemonsets", "selector"),
    of("batch", "Job", "jobs", "selector"),
];

/// Kinds that decide what a component's pods reach: network policies of Kubernetes and Cilium, and security groups for
/// pods.
const POLICIES: [SelectingKind; 3] = [
    of("networking.k8s.io", "NetworkPolicy", "networkpolicies", "podSelector"),
    SelectingKind {
        version: "v1beta1",
        ..of("vpcresources.k8s.aws", "SecurityGroupPolicy", "securitygrouppolicies", "podSelector")
    },
    SelectingKind {
        version: "v2",
        ..of("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "endpointSelector")
    },
];

const fn core(kind: &'static str, resource: &'static str, field: &'static str) -> SelectingKind {
    of("", kind, resource, field)
}

const fn of(
    group: &'static str,
    kind: &'static str,
    resource: &'static str,
    field: &'static str,
) -> SelectingKind {
    SelectingKind { group, version: "v1", kind, resource, field, is_map: false }
}

/// Reads the selectors in a namespace.
pub async fn read(connection: &Connection, namespace: &str) -> Selectors {
    let ((avoid, unread), (policies, _)) = tokio::join!(
        pod_selectors(connection, namespace, &AVOID),
        pod_selectors(connection, namespace, &POLICIES),
    );
    let selecting = |found: Vec<crate::cluster::pod_selectors::PodSelector>| {
        let each = found.into_iter();
        each.map(|one| Selecting { object: one.kind.object(&one.name), selector: one.selector }).collect()
    };
    Selectors {
        avoid: selecting(avoid),
        policies: selecting(policies),
        unread: unread.iter().map(|kind| kind.resource.to_owned()).collect(),
    }
}
