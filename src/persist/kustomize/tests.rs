use serde_json::json;

use super::*;
use crate::castai::built_in;
use crate::model::image::Mirror;
use crate::model::inventory::WorkloadKind;
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::plan::assignment::assign;

fn workload(kind: WorkloadKind, name: &str, pod: &Value) -> Workload {
    Workload {
        name: WorkloadName {
            cluster: "demo".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind,
            name: name.to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        managers: Vec::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": pod})).unwrap(),
        has_ended: false,
        replicas: None,
    }
}

fn fixture() -> (Vec<Workload>, Vec<Assignment>) {
    let workloads = vec![
        workload(
            WorkloadKind::Deployment,
            "woop",
            &json!({
                "initContainers": [{"name": "wait", "image": "castai/wait:v1"}],
                "containers": [{"name": "woop", "image": "e.example/ghcr.io/castai/images/woop:v2",
                    "env": [{"name": "JMX_EXPORTER_INIT_IMAGE", "value": "ghcr.io/castai/images/jmx:v3"}]}],
            }),
        ),
        workload(
            WorkloadKind::CronJob,
            "pause",
            &json!({"containers": [{"name": "pauser", "image": "castai/hibernate"}]}),
        ),
        workload(
            WorkloadKind::Job,
            "hook",
            &json!({"containers": [{"name": "k", "image": "rancher/kubectl:v1"}]}),
        ),
    ];
    let found = Found { workloads: &workloads, ..Found::default() };
    let inventory =
        discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let mirror: Mirror = "e.example".parse().unwrap();
    let assignments = assign(&inventory, &mirror, &[], None);
    (workloads, assignments)
}

#[test]
fn repositories_are_renamed_without_tags_and_variable_gaps_are_reported() {
    let (_, assignments) = fixture();
    let renamed = |name: &str| json!({"name": name, "newName": format!("e.example/{name}")});
    let expected =
        ["castai/hibernate", "castai/wait", "ghcr.io/castai/images/woop", "rancher/kubectl"].map(renamed);
    assert_eq!(images(&assignments), json!({"images": expected}));
    let gaps = gaps(&assignments);
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].image, "e.example/ghcr.io/castai/images/jmx:v3");
}

#[test]
fn names_are_printed_as_the_manifests_write_them() {
    let images_of = |names: &[&str]| {
        let containers: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(index, name)| json!({"name": format!("c{index}"), "image": name}))
            .collect();
        let workloads = [workload(WorkloadKind::Deployment, "w", &json!({"containers": containers}))];
        let found = Found { workloads: &workloads, ..Found::default() };
        let inventory =
            discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
        images(&assign(&inventory, &"e.example".parse().unwrap(), &[], None))
    };
    let entry = |name: &str| json!({"name": name, "newName": "e.example/ghcr.io/castai/x"});
    let names = ["GHCR.io:443/castai/x:v1", "Ghcr.io/castai/x:v1", "ghcr.io/castai/x:v1"];
    let expected = names.map(|name| entry(name.strip_suffix(":v1").unwrap()));
    assert_eq!(images_of(&names), json!({"images": expected}));
    assert_eq!(images_of(&["e.example/ghcr.io/castai/x:v1"]), json!({"images": [entry("ghcr.io/castai/x")]}));
}

#[test]
fn each_workload_gets_a_patch_that_tests_only_names() {
    let (workloads, assignments) = fixture();
    let patches = patches(&workloads, &assignments, built_in());
    let entries = patches["patches"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "a Job cannot be patched: {patches:#}");
    assert_eq!(
        entries[0]["target"],
        json!({"group": "apps", "version": "v1", "kind": "Deployment", "name": "woop", "namespace": "castai-agent"})
    );
    let operations: Value = serde_json::from_str(entries[0]["patch"].as_str().unwrap()).unwrap();
    let changed: Vec<_> = operations
        .as_array()
        .unwrap()
        .iter()
        .filter(|operation| operation["op"] == "replace")
        .map(|operation| (operation["path"].as_str().unwrap(), operation["value"].as_str().unwrap()))
        .collect();
    assert_eq!(
        changed,
        [
            ("/spec/template/spec/initContainers/0/image", "e.example/castai/wait:v1"),
            ("/spec/template/spec/containers/0/image", "e.example/ghcr.io/castai/images/woop:v2"),
            ("/spec/template/spec/containers/0/env/0/value", "e.example/ghcr.io/castai/images/jmx:v3"),
        ]
    );
    assert!(
        !operations.to_string().contains("\"value\":\"castai/wait:v1\""),
        "an image is tested: {operations}"
    );
    let cron: Value = serde_json::from_str(entries[1]["patch"].as_str().unwrap()).unwrap();
    assert_eq!(
        cron[1],
        json!({"op": "replace", "path": "/spec/jobTemplate/spec/template/spec/containers/0/image",
            "value": "e.example/castai/hibernate:latest"})
    );
}

#[test]
fn a_volume_is_patched_and_the_gap_of_older_kustomize_is_reported() {
    let pod = json!({
        "containers": [{"name": "a", "image": "castai/hibernate:v1"}],
        "volumes": [{"name": "c", "configMap": {"name": "c"}}, {"name": "m", "image": {"reference": "castai/model:v2"}}],
    });
    let workloads =
        [WorkloadKind::Deployment, WorkloadKind::CronJob].map(|kind| workload(kind, "w", &pod.clone()));
    let found = Found { workloads: &workloads, ..Found::default() };
    let inventory =
        discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let assignments = assign(&inventory, &"e.example".parse().unwrap(), &[], None);
    let renamed = images(&assignments);
    assert_eq!(renamed["images"][1], json!({"name": "castai/model", "newName": "e.example/castai/model"}));
    let gaps: Vec<_> = gaps(&assignments).iter().map(|gap| (gap.field.to_string(), gap.why)).collect();
    assert_eq!(gaps.len(), 2);
    assert!(gaps.iter().all(|(field, _)| field == "volume/m"), "{gaps:?}");
    assert!(gaps.iter().any(|(_, why)| why.contains("CronJob")), "{gaps:?}");
    let patches = patches(&workloads, &assignments, built_in());
    let operations: Value = serde_json::from_str(patches["patches"][0]["patch"].as_str().unwrap()).unwrap();
    let at = |member: &str| format!("/spec/template/spec/volumes/1/{member}");
    assert_eq!(operations[2], json!({"op": "test", "path": at("name"), "value": "m"}));
    let set = json!({"op": "replace", "path": at("image/reference"), "value": "e.example/castai/model:v2"});
    assert_eq!(operations[3], set);
}

#[test]
fn a_variable_that_the_user_adds_is_patched() {
    let pod = json!({"containers": [{"name": "a", "image": "castai/hibernate:v1",
        "env": [{"name": "PROBE_IMAGE", "value": "castai/probe:v1"}]}]});
    let workloads = [workload(WorkloadKind::Deployment, "w", &pod)];
    let found = Found { workloads: &workloads, ..Found::default() };
    let added = Knowledge { variables: vec!["PROBE_IMAGE".to_owned()], ..Knowledge::default() };
    let filter = ImageFilter::default().with(added.clone());
    let inventory = discover(Vec::new(), &[found], &filter, Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let assignments = assign(&inventory, &"e.example".parse().unwrap(), &[], None);
    let patches = patches(&workloads, &assignments, &added).to_string();
    assert!(patches.contains("e.example/castai/probe:v1"), "{patches}");
}
