use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::model::inventory::{Inventory, WorkloadKind, WorkloadName};
use crate::model::workload::ControllerReference;
use crate::sync::discover::{discover, explain};

const AUTOSCALER: &str = "us-docker.pkg.dev/castai-hub/library/workload-autoscaler:v1";

fn name(namespace: &str, kind: WorkloadKind, name: &str) -> WorkloadName {
    WorkloadName { cluster: "c".to_owned(), namespace: namespace.to_owned(), kind, name: name.to_owned() }
}

fn workload(name: WorkloadName, container: &serde_json::Value) -> Workload {
    Workload {
        name,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": [container]}})).unwrap(),
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
    }
}

/// A pod of `owner`, given as `version Kind/name`, that cannot pull one image.
fn pod(namespace: &str, pod: &str, owner: &str, image_field: &str, image: &str) -> WaitingPod {
    let (api_version, owner) = owner.split_once(' ').unwrap();
    let (kind, owner) = owner.split_once('/').unwrap();
    WaitingPod {
        name: name(namespace, WorkloadKind::Pod, pod),
        labels: BTreeMap::from([("pod-template-hash".to_owned(), "5d9f".to_owned())]),
        controller: Some(ControllerReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: owner.to_owned(),
        }),
        running: Vec::new(),
        images: vec![WaitingImage {
            image_field: image_field.parse().unwrap(),
            image: image.to_owned(),
            reason: "ImagePullBackOff".to_owned(),
            message: String::new(),
        }],
        problems: Vec::new(),
    }
}

fn workloads() -> Vec<Workload> {
    let autoscaler = json!({"name": "woop", "image": AUTOSCALER,
        "env": [{"name": "JMX_EXPORTER_INIT_IMAGE", "value": "acme/jmx:v1"}]});
    let mut replica_set = workload(
        name("shop", WorkloadKind::ReplicaSet, "checkout-1"),
        &json!({"name": "checkout", "image": "shop/checkout:1"}),
    );
    replica_set.controller = Some(ControllerReference {
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Rollout".to_owned(),
        name: "checkout".to_owned(),
    });
    let mut workloads = vec![
        workload(name("castai-agent", WorkloadKind::Deployment, "woop"), &autoscaler),
        workload(
            name("shop", WorkloadKind::Deployment, "web"),
            &json!({"name": "web", "image": "shop/web:1"}),
        ),
        workload(name("shop", WorkloadKind::CronJob, "backup"), &json!({"name": "b", "image": "shop/b:1"})),
        replica_set,
    ];
    workloads.sort_by(|left, right| left.name.cmp(&right.name));
    workloads
}

fn inventory(workloads: &[Workload], pods: &[WaitingPod]) -> (Inventory, Vec<ExcludedImage>) {
    let found = Found { workloads, pods, ..Found::default() };
    let filter = ImageFilter::default();
    let inventory = discover(Vec::new(), &[found], &filter, Vec::new(), Timestamp::UNIX_EPOCH);
    let excluded = explain(&inventory, found, &filter).excluded;
    (inventory, excluded)
}

/// Image, object and reason of the images that are included because of pods.
fn included(pods: &[WaitingPod]) -> Vec<(String, String, String)> {
    let (inventory, _) = inventory(&workloads(), pods);
    let uses =
        inventory.images.iter().flat_map(|wanted| wanted.used_by.iter().map(move |used| (wanted, used)));
    uses.filter_map(|(wanted, used)| {
        let Reason::FailingPod { matched_by, .. } = &used.reason else { return None };
        let object = match &used.place {
            Place::Workload(workload) => workload.to_string(),
            Place::Resource { resource, name, .. } => format!("{resource}/{name}"),
            other => format!("{other:?}"),
        };
        Some((wanted.image.to_string(), object, matched_by.clone()))
    })
    .collect()
}

#[test]
fn images_that_cast_ai_injects_are_reported_for_the_top_controller() {
    let jmx = "init/castai-jmx-exporter-init";
    let cases = [
        (
            "shop",
            "apps/v1 ReplicaSet/web-5d9f",
            "init/x",
            "acme/jmx:v1",
            "deployment.apps/web",
            "added by deployment.apps/woop, variable JMX_EXPORTER_INIT_IMAGE",
        ),
        (
            "shop",
            "apps/v1 ReplicaSet/checkout-1",
            "init/x",
            "ghcr.io/castai/x:1",
            "rollout.argoproj.io/checkout",
            "Cast AI image prefix ghcr.io/castai/",
        ),
        (
            "shop",
            "batch/v1 Job/backup-29384756",
            jmx,
            "alpine/k8s:v1",
            "cronjob.batch/backup",
            "Cast AI injects containers with this name",
        ),
        (
            "castai-agent",
            "apps/v1 ReplicaSet/woop-5d9f",
            "container/istio-proxy",
            "istio/proxyv2:1",
            "deployment.apps/woop",
            "in Cast AI namespace castai-agent",
        ),
        (
            "tools",
            "omni.cast.ai/v1 Edge/e",
            "container/e",
            "rancher/kubectl:1",
            "edge.omni.cast.ai/e",
            "owned by Edge e (omni.cast.ai)",
        ),
    ];
    for (namespace, owner, image_field, image, object, matched_by) in cases {
        let pods = ["p-1", "p-2"].map(|name| pod(namespace, name, owner, image_field, image));
        let expected = (image.to_owned(), object.to_owned(), matched_by.to_owned());
        assert_eq!(included(&pods), [expected], "one pod represents all");
    }
    let mut scan =
        pod("tools", "p", "batch/v1 Job/castai-imgscan-1", "container/collector", "otel/ebpf-instrument:1");
    scan.labels.insert("app.kubernetes.io/managed-by".to_owned(), "castai".to_owned());
    assert_eq!(included(&[scan])[0].2, "label app.kubernetes.io/managed-by=castai");
}

#[test]
fn a_pod_represents_a_workload_that_cannot_be_listed() {
    let pods = [pod("castai-agent", "p", "apps/v1 DaemonSet/kvisor", "container/kvisor", "acme/kvisor:1")];
    assert_eq!(included(&pods)[0].1, "daemonset.apps/kvisor");
    let (inventory, _) = inventory(&workloads(), &pods);
    let mut uses = inventory.images.iter().flat_map(|wanted| &wanted.used_by);
    let used = uses.find(|used| matches!(used.reason, Reason::FailingPod { .. })).unwrap();
    assert_eq!(used.not_rewritable.as_deref(), Some("its workload was not read"));
}

#[test]
fn images_that_others_add_or_that_the_template_has_are_excluded() {
    let cases = [
        // Its own template contains it: it is the customer's responsibility.
        ("apps/v1 ReplicaSet/web-5d9f", "container/web", "shop/web:1", false),
        // A Cast AI name with an image that Cast AI is not known to use: anyone can write both.
        ("apps/v1 ReplicaSet/web-5d9f", "init/castai-jmx-exporter-init", "acme/other:v1", true),
        ("omni.cast.ai/v1 Edge/e", "container/e", "acme/edge:1", true),
        ("apps/v1 ReplicaSet/web-5d9f", "init/x", "evil.example/ghcr.io/castai/x:1", true),
        // Another vendor's webhook.
        ("apps/v1 ReplicaSet/web-5d9f", "container/istio-proxy", "istio/proxyv2:1", true),
        ("apps/v1 ReplicaSet/web-5d9f", "container/side", "NOT AN IMAGE", true),
    ];
    for (owner, image_field, image, is_explained) in cases {
        let pods = [pod("shop", "p", owner, image_field, image)];
        assert_eq!(included(&pods), [], "{image}");
        let (_, excluded) = inventory(&workloads(), &pods);
        let explained = excluded.iter().any(|one| one.image.as_deref() == Some(image));
        assert_eq!(explained, is_explained, "{image}: {excluded:?}");
    }
}
