use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::workload::ControllerReference;
use crate::sync::discover::uses;

const CPVPA: &str = "registry.k8s.io/cpa/cpvpa:v0.8.4";
const KUBECTL: &str = "rancher/kubectl:v1.35.6";

fn workload(kind: WorkloadKind, namespace: &str, name: &str, image: &str) -> Workload {
    Workload {
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: namespace.to_owned(),
            kind,
            name: name.to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": [{"name": "c", "image": image}]}}))
            .unwrap(),
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
    }
}

fn cpvpa(namespace: &str) -> Workload {
    let mut workload = workload(WorkloadKind::Deployment, namespace, "castai-agent-cpvpa", CPVPA);
    for label in ["app.kubernetes.io/name", "app.kubernetes.io/instance"] {
        workload.labels.insert(label.to_owned(), "castai-agent-cpvpa".to_owned());
    }
    workload
}

/// Why its image is included, if it is.
fn reason(workload: &Workload, filter: &ImageFilter) -> Option<String> {
    let (uses, _) = uses(workload, filter);
    uses.first().map(|(_, used_by)| used_by.reason.to_string())
}

type Change = fn(&mut Workload);

#[test]
fn a_name_selects_a_workload_only_with_evidence() {
    let filter = ImageFilter::default();
    let alone = cpvpa("shop");
    assert_eq!(reason(&alone, &filter), None, "the name and the labels that repeat it prove nothing");

    let cases: [(Change, Option<&str>); 9] = [
        (
            |one| one.pod.spec.service_account_name = Some("castai-agent".to_owned()),
            Some("part of castai-agent: service account castai-agent"),
        ),
        (|one| one.pod.spec.service_account_name = Some("default".to_owned()), None),
        (
            |one| {
                one.annotations.insert("meta.helm.sh/release-name".to_owned(), "castai-agent".to_owned());
            },
            Some("part of castai-agent: Helm release castai-agent"),
        ),
        (
            |one| {
                one.annotations.insert("meta.helm.sh/release-name".to_owned(), "dashboards".to_owned());
            },
            None,
        ),
        (
            |one| {
                one.labels.insert("app.kubernetes.io/instance".to_owned(), "castai".to_owned());
            },
            Some("part of castai-agent: Helm release castai"),
        ),
        (
            |one| {
                one.labels.insert("app.kubernetes.io/instance".to_owned(), "shop".to_owned());
            },
            None,
        ),
        (
            |one| {
                one.controller = Some(ControllerReference {
                    api_version: "castware.cast.ai/v1alpha1".to_owned(),
                    kind: "Component".to_owned(),
                    name: "castai-agent".to_owned(),
                });
            },
            Some("part of castai-agent: owned by Component castai-agent (castware.cast.ai)"),
        ),
        (
            |one| {
                one.name.name = "dns-autoscaler".to_owned();
                one.pod.spec.service_account_name = Some("castai-agent".to_owned());
            },
            None,
        ),
        (
            |one| {
                one.name.kind = WorkloadKind::StatefulSet;
                one.pod.spec.service_account_name = Some("castai-agent".to_owned());
            },
            None,
        ),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let mut changed = alone.clone();
        change(&mut changed);
        assert_eq!(reason(&changed, &filter).as_deref(), expected, "case {index}");
    }
}

#[test]
fn a_component_beside_it_is_evidence() {
    let agent = "us-docker.pkg.dev/castai-hub/library/agent:v1";
    let mut labelled = workload(WorkloadKind::Deployment, "charts", "w", "e.example/x:v1");
    labelled.labels.insert("helm.sh/chart".to_owned(), "castai-evictor-0.35.143".to_owned());
    let workloads = [
        workload(WorkloadKind::Deployment, "cast", "castai-agent", agent),
        workload(WorkloadKind::Deployment, "mirrored", "castai-agent", &format!("e.example/pfx/{agent}")),
        workload(WorkloadKind::DaemonSet, "kube-system", "aws-node", "ghcr.io/castai/live/cni:v1"),
        workload(WorkloadKind::Deployment, "shop", "castai-web", "evil.example/castai/agent:v1"),
        labelled,
    ];
    let filter = ImageFilter::default().below(vec!["e.example/pfx".parse().unwrap()]);
    let filter = beside(filter, &workloads);
    for (namespace, is_beside) in
        [("cast", true), ("mirrored", true), ("charts", true), ("kube-system", false), ("shop", false)]
    {
        let expected = format!("part of castai-agent: Cast AI's components run in namespace {namespace}");
        let reason = reason(&cpvpa(namespace), &filter);
        assert_eq!(reason, is_beside.then_some(expected), "{namespace}");
    }
    let mut elsewhere = cpvpa("cast");
    elsewhere.name.cluster = "d".to_owned();
    assert_eq!(reason(&elsewhere, &filter), None, "another cluster's namespace of this name is another one");
}

#[test]
fn hook_jobs_are_recognised_by_name_and_evidence() {
    let job = |name: &str, image: &str, account: &str| {
        let mut job = workload(WorkloadKind::Job, "cast", name, image);
        job.pod.spec.service_account_name = Some(account.to_owned());
        reason(&job, &ImageFilter::default())
    };
    let evictor = "castai-evictor-crd-upgrade";
    assert!(job("castai-evictor-crd-upgrade-1", KUBECTL, evictor).is_some());
    assert!(job("castai-umbrella-kent-preflight", "bitnami/kubectl:latest", "castai-umbrella").is_some());
    assert_eq!(job("castai-evictor-crd-upgrade-1", KUBECTL, "default"), None);
    assert_eq!(job("backup", KUBECTL, evictor), None);
    // The cluster only selects among known images.
    assert_eq!(job("castai-evictor-crd-upgrade-1", "evil.example/kubectl:v1", evictor), None);
}
