use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::model::inventory::{Cluster, ImageField, WorkloadKind};
use crate::model::workload::ControllerReference;
use crate::sync::discover::{Found, ImageFilter, discover};

fn name(namespace: &str, kind: WorkloadKind, name: &str) -> WorkloadName {
    WorkloadName { cluster: "c".to_owned(), namespace: namespace.to_owned(), kind, name: name.to_owned() }
}

fn workload(namespace: &str, kind: WorkloadKind, workload: &str, counts: Option<(u32, u32)>) -> Workload {
    let image = "us-docker.pkg.dev/castai-hub/library/agent:v1";
    Workload {
        name: name(namespace, kind, workload),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": [{"name": "a", "image": image}]}}))
            .unwrap(),
        has_ended: false,
        replicas: counts.map(|(ready, desired)| Replicas { desired, ready, may_be_outdated: false }),
        managers: Vec::new(),
    }
}

/// A pod of the DaemonSet or StatefulSet `owner` with a problem.
fn pod(pod: &str, owner: &str, kind: ProblemKind, reason: &str) -> WaitingPod {
    let problem = PodProblem {
        pod: pod.to_owned(),
        container: None,
        kind,
        reason: reason.to_owned(),
        message: "why".to_owned(),
        log: Vec::new(),
    };
    WaitingPod {
        name: name("castai-agent", WorkloadKind::Pod, pod),
        labels: BTreeMap::new(),
        controller: Some(ControllerReference {
            api_version: "apps/v1".to_owned(),
            kind: "DaemonSet".to_owned(),
            name: owner.to_owned(),
        }),
        images: Vec::new(),
        running: Vec::new(),
        problems: vec![problem],
    }
}

/// What is not ready, as `workload reason: pods`.
fn found(workloads: &[Workload], pods: &[WaitingPod], pull_failures: &[PullFailure]) -> Vec<String> {
    let found = Found { workloads, pods, ..Found::default() };
    let (filter, time) = (ImageFilter::default(), Timestamp::UNIX_EPOCH);
    let inventory = discover(Vec::<Cluster>::new(), &[found], &filter, Vec::new(), time);
    let all = not_ready(pods, workloads, &inventory, pull_failures);
    all.iter().map(|one| format!("{} {}: {}", one.workload, one.reason, one.pods.join(" "))).collect()
}

#[test]
fn a_workload_without_a_ready_pod_is_not_ready_and_some_missing_pods_are_usual() {
    use ProblemKind::{Configuration, Crash, Unschedulable};
    let cases = [
        ((3, 3), vec![], None),
        ((0, 0), vec![], None),
        ((1, 3), vec![], None),
        ((0, 3), vec![], Some("NotReady: ")),
        ((2, 3), vec![("p", Unschedulable, "Unschedulable")], None),
        (
            (0, 2),
            vec![("p", Unschedulable, "Unschedulable"), ("q", Unschedulable, "Unschedulable")],
            Some("Unschedulable: p q"),
        ),
        ((2, 3), vec![("p", Crash, "CrashLoopBackOff")], Some("CrashLoopBackOff: p")),
        (
            (2, 3),
            vec![("p", Configuration, "CreateContainerConfigError")],
            Some("CreateContainerConfigError: p"),
        ),
        (
            (0, 2),
            vec![("p", Unschedulable, "Unschedulable"), ("q", Crash, "CrashLoopBackOff")],
            Some("CrashLoopBackOff: q"),
        ),
    ];
    for (counts, problems, expected) in cases {
        let workloads = [workload("castai-agent", WorkloadKind::DaemonSet, "kvisor", Some(counts))];
        let pods: Vec<_> =
            problems.iter().map(|(name, kind, reason)| pod(name, "kvisor", *kind, reason)).collect();
        let expected: Vec<_> =
            expected.map(|rest| format!("daemonset.apps/kvisor {rest}")).into_iter().collect();
        assert_eq!(found(&workloads, &pods, &[]), expected, "{counts:?} {problems:?}");
    }
}

#[test]
fn every_workload_with_an_image_of_cast_ai_is_judged_if_its_pods_are_counted() {
    let mut tenants = workload("shop", WorkloadKind::Deployment, "web", Some((0, 1)));
    tenants.pod =
        serde_json::from_value(json!({"spec": {"containers": [{"name": "a", "image": "shop/web:1"}]}}))
            .unwrap();
    let workloads = [
        workload("castai-agent", WorkloadKind::CronJob, "resume", None),
        workload("castai-logs", WorkloadKind::StatefulSet, "receiver", Some((0, 1))),
        tenants,
    ];
    assert_eq!(found(&workloads, &[], &[]), ["statefulset.apps/receiver NotReady: "]);
}

/// A pod that Cast AI changed by its webhook belongs to a workload of others.
#[test]
fn a_workload_of_others_whose_pod_got_an_image_of_cast_ai_is_not_judged() {
    let mut others = workload("shop", WorkloadKind::Deployment, "web", Some((0, 1)));
    others.pod =
        serde_json::from_value(json!({"spec": {"containers": [{"name": "a", "image": "shop/web:1"}]}}))
            .unwrap();
    let workloads = [others];
    let mut inventory = discover(
        Vec::<Cluster>::new(),
        &[Found { workloads: &[], ..Found::default() }],
        &ImageFilter::default(),
        Vec::new(),
        Timestamp::UNIX_EPOCH,
    );
    let used_by = crate::model::inventory::Use {
        place: Place::Workload(workloads[0].name.clone()),
        image_field: ImageField::of_container("jmx"),
        reason: Reason::FailingPod {
            pod: "web-1".to_owned(),
            waiting: "ImagePullBackOff".to_owned(),
            matched_by: String::new(),
        },
        recorded_source: None,
        not_rewritable: None,
    };
    inventory.images.push(crate::model::inventory::WantedImage {
        image: "us-docker.pkg.dev/castai-hub/library/jmx:v1".parse().unwrap(),
        source: None,
        provenance: None,
        used_by: vec![used_by],
    });
    assert_eq!(not_ready(&[], &workloads, &inventory, &[]), Vec::new());
}

#[test]
fn only_rollouts_of_running_workloads_are_looked_at_again() {
    let with = |name: &str, counts: (u32, u32), may_be_outdated: bool| {
        let mut workload = workload("castai-agent", WorkloadKind::Deployment, name, Some(counts));
        workload.replicas.as_mut().unwrap().may_be_outdated = may_be_outdated;
        workload
    };
    let workloads = [
        with("finished", (2, 2), false),
        with("not-running", (0, 2), true),
        with("outdated", (2, 2), true),
        with("scaled-to-zero", (0, 0), true),
    ];
    let found = Found { workloads: &workloads, ..Found::default() };
    let (filter, time) = (ImageFilter::default(), Timestamp::UNIX_EPOCH);
    let inventory = discover(Vec::<Cluster>::new(), &[found], &filter, Vec::new(), time);
    let not_ready = not_ready(&[], &workloads, &inventory, &[]);
    let names: Vec<_> = maybe_unfinished(&workloads, &inventory, &not_ready, &[])
        .into_iter()
        .map(|workload| workload.name.name.as_str())
        .collect();
    assert_eq!(names, ["outdated"]);
}

#[test]
fn a_workload_whose_pods_cannot_pull_is_reported_once() {
    let workloads = [workload("castai-agent", WorkloadKind::DaemonSet, "kvisor", Some((0, 1)))];
    let failure = PullFailure {
        place: Place::Workload(workloads[0].name.clone()),
        image_field: ImageField::of_container("a"),
        image: "i".to_owned(),
        reason: "ErrImagePull".to_owned(),
        message: String::new(),
        pods: Vec::new(),
        outdated: false,
    };
    assert_eq!(found(&workloads, &[], &[failure]), Vec::<String>::new());
}
