use serde_json::json;

use super::*;
use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::model::inventory::{API_VERSION, Inventory, WorkloadName};
use crate::sync::rollout::NOT_AWAITED;

fn workload(name: &str, outcome: Outcome) -> WorkloadReport {
    let name = WorkloadName {
        cluster: "c".to_owned(),
        namespace: "castai-agent".to_owned(),
        kind: WorkloadKind::Deployment,
        name: name.to_owned(),
    };
    let change = crate::model::cluster_plan::Change {
        image_field: crate::model::image_field::ImageField::of_container("a"),
        from: None,
        to: Some("e.example/x:v1".to_owned()),
    };
    WorkloadReport::new(name, vec![change], outcome)
}

/// A Job whose pod waits for an image.
fn job() -> WorkloadReport {
    let mut job = workload("j", Outcome::NotRewritable("Jobs are immutable".to_owned()));
    job.workload.kind = WorkloadKind::Job;
    job.problems.push(PodProblem {
        pod: "j-1".to_owned(),
        container: None,
        kind: ProblemKind::Image,
        reason: "ImagePullBackOff".to_owned(),
        message: String::new(),
        log: Vec::new(),
    });
    job
}

fn report(workloads: Vec<WorkloadReport>) -> SyncReport {
    let inventory: Inventory = serde_json::from_value(json!({
        "apiVersion": API_VERSION, "kind": "Inventory", "created": "1970-01-01T00:00:00Z", "clusters": [], "images": [],
    }))
    .unwrap();
    SyncReport { workloads, ..SyncReport::new(vec!["e.example".parse().unwrap()], &inventory) }
}

#[test]
fn the_last_line_says_what_happened_and_what_helps() {
    let updated = || workload("u", Outcome::Updated);
    let failed = || workload("f", Outcome::Failed("timed out".to_owned()));
    let empty = |name: &str| WorkloadReport {
        not_pulled: Some("0 replicas: no pod has pulled the image".to_owned()),
        ..workload(name, Outcome::Updated)
    };
    let unwatched = || WorkloadReport { notes: vec![NOT_AWAITED.to_owned()], ..updated() };
    let rollout = || workload("r", Outcome::RolloutFailed("refused".to_owned()));
    let unfinished = || WorkloadReport { changes: Vec::new(), ..rollout() };
    let mut other_owner = job();
    other_owner.workload.kind = WorkloadKind::DaemonSet;
    let cases = [
        (vec![updated()], "done: 1 workload updated"),
        (
            vec![updated(), empty("a"), empty("b")],
            "done: 3 workloads updated; no pod has pulled the images of deployment.apps/a, deployment.apps/b (0 replicas)",
        ),
        (vec![unwatched()], "done: 1 workload updated; rollouts were not watched"),
        (
            vec![updated(), failed()],
            "incomplete: 1 workload not updated; 1 workload updated; fix the errors above and run again to continue",
        ),
        (
            vec![updated(), rollout(), unfinished()],
            "incomplete: 1 workload updated, its rollout failed; 1 workload whose rollout is not finished; 1 workload \
             updated; fix the errors above and run again to continue",
        ),
        (
            vec![rollout(), rollout(), failed()],
            "incomplete: 1 workload not updated; 2 workloads updated, their rollouts failed; fix the errors above and run \
             again to continue",
        ),
        (
            vec![job(), job()],
            "incomplete: 2 workloads not rewritable, whose pods cannot pull; delete and recreate the Jobs, as the errors \
             above say",
        ),
        // Another run cannot change it either.
        (
            vec![updated(), job()],
            "incomplete: 1 workload not rewritable, whose pods cannot pull; 1 workload updated; delete and recreate the \
             Job, as the error above says",
        ),
        (
            vec![other_owner],
            "incomplete: 1 workload not rewritable, whose pods cannot pull; do what the errors above say, because another \
             run does not change it",
        ),
        (
            vec![failed(), job()],
            "incomplete: 1 workload not updated; 1 workload not rewritable, whose pods cannot pull; fix the \
             errors above and run again to continue",
        ),
    ];
    for (workloads, expected) in cases {
        let report = report(workloads);
        assert_eq!(conclusion(&report), expected);
        assert_eq!(report.needs_attention(), expected.starts_with("incomplete"), "{expected}");
    }
}

#[test]
fn unchanged_workloads_without_pods_are_named() {
    let mut unchanged = workload("a", Outcome::Unchanged);
    unchanged.not_pulled = Some("no matching node: no pod has pulled the image".to_owned());
    assert_eq!(
        nothing_to_do(&report(vec![unchanged]), true),
        "up to date, used by 1 workload; no pod has pulled the images of deployment.apps/a (no matching node)"
    );
}

#[test]
fn a_question_says_what_stays_as_it_is() {
    assert_eq!(left_unchanged(&report(vec![workload("u", Outcome::Planned)])), "");
    let held = report(vec![workload("u", Outcome::Planned), job()]);
    assert_eq!(left_unchanged(&held), ", without the 1 workload of the errors above");
}
