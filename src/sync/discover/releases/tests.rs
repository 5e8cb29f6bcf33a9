use serde_json::json;

use super::*;
use crate::cluster::release::Chart;
use crate::model::inventory::WorkloadKind;
use crate::model::record::ANNOTATION;

/// A release whose manifest sets the images of two containers.
fn release(agent: &str, monitor: &str) -> Release {
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "castai-agent"},
        "spec": {"template": {"spec": {"containers": [
            {"name": "agent", "image": agent},
            {"name": "monitor", "image": monitor},
        ]}}},
    });
    Release {
        name: ReleaseName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            name: "agent".to_owned(),
        },
        chart: Chart { name: "castai-agent".to_owned(), version: "1".to_owned() },
        manifest: object.to_string(),
        hooks: Vec::new(),
        set: BTreeSet::new(),
    }
}

#[test]
fn a_release_persists_private_images_if_it_sets_all_of_them() {
    let records = json!({
        "container/agent": {"from": "a.example/agent:v1", "to": "e.example/m/agent:v1"},
        "container/monitor": {"from": "a.example/monitor:v1", "to": "e.example/m/monitor:v1"},
    });
    let workload = Workload {
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind: WorkloadKind::Deployment,
            name: "castai-agent".to_owned(),
        },
        labels: [].into(),
        annotations: [
            (ANNOTATION.to_owned(), records.to_string()),
            ("meta.helm.sh/release-name".to_owned(), "agent".to_owned()),
            ("meta.helm.sh/release-namespace".to_owned(), "castai-agent".to_owned()),
        ]
        .into(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": []}})).unwrap(),
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
    };
    let (private, newer) = ("e.example/m/agent:v1", "e.example/m/agent:v2");
    let cases = [
        (release(private, "e.example/m/monitor:v1"), true),
        (release(newer, "e.example/m/monitor:v2"), true),
        (release(private, "a.example/monitor:v1"), false),
        (release("a.example/agent:v1", "a.example/monitor:v1"), false),
        (Release { manifest: String::new(), ..release(private, private) }, false),
    ];
    for (release, expected) in cases {
        let persisted = persisted_workloads(std::slice::from_ref(&workload), std::slice::from_ref(&release));
        assert_eq!(!persisted.is_empty(), expected, "{}", release.manifest);
    }
    assert!(persisted_workloads(&[workload], &[]).is_empty());
}
