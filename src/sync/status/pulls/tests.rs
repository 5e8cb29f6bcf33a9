use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::cluster::waiting::WaitingImage;
use crate::model::inventory::{Cluster, WorkloadKind, WorkloadName};
use crate::model::workload::ControllerReference;
use crate::sync::discover::{Found, ImageFilter, discover};

const AGENT: &str = "e.example/us-docker.pkg.dev/castai-hub/library/agent:v1";

fn name(namespace: &str, kind: WorkloadKind, name: &str) -> WorkloadName {
    WorkloadName { cluster: "c".to_owned(), namespace: namespace.to_owned(), kind, name: name.to_owned() }
}

fn workload(name: WorkloadName, containers: &Value) -> Workload {
    Workload {
        name,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap(),
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
    }
}

/// The agent, a customer's DaemonSet with a Cast AI container, and a DaemonSet without any.
fn workloads() -> Vec<Workload> {
    let mut workloads = vec![
        workload(
            name("castai-agent", WorkloadKind::Deployment, "castai-agent"),
            &json!([{"name": "agent", "image": AGENT}]),
        ),
        workload(
            name("kube-system", WorkloadKind::DaemonSet, "aws-node"),
            &json!([
                {"name": "aws-node", "image": "ghcr.io/castai/live/aws-vpc-cni:v1"},
                {"name": "side", "image": "shop/side:1"},
            ]),
        ),
        workload(
            name("shop", WorkloadKind::Deployment, "web"),
            &json!([{"name": "web", "image": "shop/web:1"}]),
        ),
    ];
    workloads.sort_by(|left, right| left.name.cmp(&right.name));
    workloads
}

/// A pod of `owner`, given as `version Kind/name` or empty, whose `image_field` waits for `image`.
fn pod(namespace: &str, pod: &str, owner: &str, image_field: &str, image: &str) -> WaitingPod {
    let controller = owner.split_once(' ').map(|(version, owner)| {
        let (kind, name) = owner.split_once('/').unwrap();
        ControllerReference { api_version: version.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
    });
    WaitingPod {
        name: name(namespace, WorkloadKind::Pod, pod),
        labels: BTreeMap::from([("pod-template-hash".to_owned(), "5d9f".to_owned())]),
        controller,
        running: Vec::new(),
        images: vec![WaitingImage {
            image_field: image_field.parse().unwrap(),
            image: image.to_owned(),
            reason: "ImagePullBackOff".to_owned(),
            message: format!("said of {pod}"),
        }],
        problems: Vec::new(),
    }
}

fn inventory(workloads: &[Workload], pods: &[WaitingPod]) -> Inventory {
    let found = Found { workloads, pods, ..Found::default() };
    discover(Vec::<Cluster>::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH)
}

/// Each failure as `namespace/controller image_field image: pods`.
fn found(pods: &[WaitingPod], all_of_namespaces: bool) -> Vec<String> {
    let workloads = workloads();
    let known = if all_of_namespaces { pods } else { &[] };
    let inventory = inventory(&workloads, known);
    let failures = pull_failures(pods, &workloads, &inventory, all_of_namespaces);
    let text = |failure: &PullFailure| {
        let place = match &failure.place {
            Place::Workload(name) => format!("{}/{name}", name.namespace),
            Place::Resource { namespace, resource, name, .. } => format!("{namespace}/{resource}/{name}"),
            other => panic!("{other:?}"),
        };
        let outdated = if failure.outdated { " (outdated)" } else { "" };
        format!("{place} {} {}: {}{outdated}", failure.image_field, failure.image, failure.pods.join(" "))
    };
    failures.iter().map(text).collect()
}

#[test]
fn pods_of_cast_ai_are_distinguished_from_others() {
    let replica_set = "apps/v1 ReplicaSet/castai-agent-5d9f";
    let stranger = "example.com/v1 Thing/x";
    let cases: [(&str, &str, &str, &str, Option<&str>); 11] = [
        (
            "castai-agent",
            replica_set,
            "container/agent",
            AGENT,
            Some("castai-agent/deployment.apps/castai-agent"),
        ),
        // Injected by a webhook, with an invalid name, or from an unknown controller: the namespace decides.
        (
            "castai-agent",
            replica_set,
            "init/mesh",
            "mesh:1",
            Some("castai-agent/deployment.apps/castai-agent"),
        ),
        (
            "castai-agent",
            replica_set,
            "container/x",
            "Not A:Name",
            Some("castai-agent/deployment.apps/castai-agent"),
        ),
        ("castai-agent", stranger, "container/x", "x:1", Some("castai-agent/thing.example.com/x")),
        ("castai-agent", "", "container/x", "x:1", Some("castai-agent/pod/p")),
        (
            "castai-agent",
            "batch/v1 Job/resume-29000000",
            "container/x",
            "x:1",
            Some("castai-agent/cronjob.batch/resume"),
        ),
        // Of a customer's workload, only the Cast AI container.
        (
            "kube-system",
            "apps/v1 DaemonSet/aws-node",
            "container/aws-node",
            "ghcr.io/castai/live/aws-vpc-cni:v1",
            Some("kube-system/daemonset.apps/aws-node"),
        ),
        ("kube-system", "apps/v1 DaemonSet/aws-node", "container/side", "shop/side:1", None),
        ("shop", "apps/v1 ReplicaSet/web-5d9f", "container/web", "shop/web:1", None),
        // Injected by Cast AI's webhook.
        (
            "shop",
            "apps/v1 ReplicaSet/web-5d9f",
            "init/jmx",
            "castai/jmx-exporter:v1",
            Some("shop/deployment.apps/web"),
        ),
        ("shop", "", "container/x", "x:1", None),
    ];
    for (namespace, owner, image_field, image, expected) in cases {
        let pods = [pod(namespace, "p", owner, image_field, image)];
        let expected: Vec<_> =
            expected.iter().map(|place| format!("{place} {image_field} {image}: p")).collect();
        assert_eq!(found(&pods, true), expected, "{namespace} {owner} {image_field}");
    }
}

#[test]
fn pods_of_one_controller_and_image_are_one_failure() {
    let replica_set = "apps/v1 ReplicaSet/castai-agent-5d9f";
    let public = "us-docker.pkg.dev/castai-hub/library/agent:v1";
    let pods = [
        pod("castai-agent", "a", replica_set, "container/agent", AGENT),
        pod("castai-agent", "b", replica_set, "container/agent", AGENT),
        pod("castai-agent", "old", replica_set, "container/agent", public),
    ];
    assert_eq!(
        found(&pods, true),
        [
            format!("castai-agent/deployment.apps/castai-agent container/agent {AGENT}: a b"),
            format!("castai-agent/deployment.apps/castai-agent container/agent {public}: old (outdated)"),
        ]
    );
    let workloads = workloads();
    let failures = pull_failures(&pods, &workloads, &inventory(&workloads, &pods), true);
    assert_eq!(failures[0].message, "said of a");
    assert_eq!(failures.iter().map(PullFailure::is_being_replaced).collect::<Vec<_>>(), [false, true]);
    let current: Vec<_> =
        without_outdated(pods.to_vec(), &workloads).into_iter().map(|pod| pod.name.name).collect();
    assert_eq!(current, ["a", "b"]);
}

#[test]
fn only_some_controllers_replace_pods_that_never_ran() {
    use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, StatefulSet};
    for (kind, expected) in
        [(Deployment, true), (DaemonSet, true), (StatefulSet, false), (CronJob, false), (Job, false)]
    {
        let failure = |outdated| PullFailure {
            place: Place::Workload(name("castai-agent", kind, "x")),
            image_field: "container/x".parse().unwrap(),
            image: "x:1".to_owned(),
            reason: String::new(),
            message: String::new(),
            pods: Vec::new(),
            outdated,
        };
        assert_eq!(failure(true).is_being_replaced(), expected, "{kind:?}");
        assert!(!failure(false).is_being_replaced(), "{kind:?}");
    }
}

#[test]
fn a_selector_limits_pods_to_its_workloads() {
    let agent = pod("castai-agent", "a", "apps/v1 ReplicaSet/castai-agent-5d9f", "init/mesh", "mesh:1");
    let other = pod("castai-agent", "b", "apps/v1 ReplicaSet/other-5d9f", "container/x", "x:1");
    let found = found(&[agent, other], false);
    assert_eq!(found, ["castai-agent/deployment.apps/castai-agent init/mesh mesh:1: a"]);
}

#[test]
fn pods_are_listed_in_cast_ais_namespaces() {
    let mut workloads = workloads();
    let unnamed = json!([{"name": "x", "image": "Not A:Name"}]);
    workloads.push(workload(name("castai-live", WorkloadKind::Deployment, "x"), &unnamed));
    workloads.sort_by(|left, right| left.name.cmp(&right.name));
    let known = namespaces(&inventory(&workloads, &[]), &workloads);
    assert_eq!(known.into_iter().collect::<Vec<_>>(), ["castai-agent", "castai-live", "kube-system"]);
}
