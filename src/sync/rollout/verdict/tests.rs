use std::time::Duration;

use serde_json::json;

use super::*;
use crate::cluster::rollout::{Pods, PodsUpdated, Refusal};
use crate::model::image_field::ImageField;

/// A pod whose only container has this state and number of restarts.
fn pod(state: &serde_json::Value, restarts: i32) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a"}]},
        "status": {"containerStatuses": [{"name": "a", "image": "", "imageID": "", "ready": false,
            "restartCount": restarts, "state": state, "containerID": format!("id-{restarts}")}]},
    }))
    .unwrap()
}

fn waiting(reason: &str, restarts: i32) -> Pod {
    pod(&json!({"waiting": {"reason": reason, "message": "cannot pull private/a:1"}}), restarts)
}

fn running(restarts: i32) -> Pod {
    pod(&json!({"running": {}}), restarts)
}

fn observed(progress: Progress, new: Vec<Pod>, old: Vec<Pod>) -> Observation {
    let pods = Some(Pods { new, old, ..Pods::default() });
    Observation {
        progress,
        updated: PodsUpdated::All,
        desired: 2,
        ordered: false,
        refusal: None,
        changed: None,
        pods,
    }
}

/// A grace period that is over.
fn expired(now: &Observation) -> GracePeriod {
    let mut grace_period = GracePeriod::new(Duration::ZERO);
    grace_period.observe(now, Duration::ZERO);
    grace_period
}

fn in_progress() -> Progress {
    Progress::Waiting("waiting".to_owned())
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done { .. } => "done",
        Verdict::Started { .. } => "started",
        Verdict::Unwatched(_) => "unwatched",
        Verdict::Waiting(_) => "waiting",
        Verdict::Blocked(_) => "blocked",
        Verdict::Failed { .. } => "failed",
    }
}

#[test]
fn the_health_rule() {
    use Health::{Broken, Healthy};
    use WorkloadKind::{DaemonSet, Deployment};
    let complete = || Progress::Complete("complete".to_owned());
    let exceeded = || Progress::Failed("exceeded".to_owned());
    let cases = [
        (Deployment, Healthy, in_progress(), vec![running(0)], "waiting"),
        (Deployment, Healthy, complete(), vec![running(0)], "done"),
        (Deployment, Healthy, in_progress(), vec![waiting("ErrImagePull", 0)], "failed"),
        (Deployment, Healthy, in_progress(), vec![waiting("CrashLoopBackOff", 2)], "failed"),
        (Deployment, Healthy, exceeded(), vec![], "failed"),
        (Deployment, Broken, in_progress(), vec![], "waiting"),
        (Deployment, Broken, in_progress(), vec![waiting("ContainerCreating", 0)], "waiting"),
        (Deployment, Broken, in_progress(), vec![waiting("CrashLoopBackOff", 2)], "done"),
        (Deployment, Broken, in_progress(), vec![running(0)], "started"),
        (Deployment, Broken, exceeded(), vec![running(0)], "started"),
        (Deployment, Broken, complete(), vec![running(0), running(0)], "done"),
        (Deployment, Broken, in_progress(), vec![waiting("ImagePullBackOff", 0)], "failed"),
        (DaemonSet, Broken, in_progress(), vec![running(0)], "waiting"),
        (DaemonSet, Broken, in_progress(), vec![running(0), waiting("CrashLoopBackOff", 1)], "done"),
    ];
    for (kind, health, progress, pods, expected) in cases {
        let before = observed(in_progress(), Vec::new(), Vec::new());
        let now = observed(progress, pods, Vec::new());
        let verdict = judge(kind, &health, &before, &now, &[], &expired(&now));
        assert_eq!(word(&verdict), expected, "{kind:?} {health:?} {now:?}");
    }
}

#[test]
fn a_pull_that_kubelets_retry_is_waited_for() {
    for health in [Health::Healthy, Health::Broken] {
        let now = observed(in_progress(), vec![waiting("ErrImagePull", 0)], Vec::new());
        let mut grace_period = GracePeriod::new(Duration::from_secs(1));
        for (at, expected) in [(0, "waiting"), (1, "failed")] {
            grace_period.observe(&now, Duration::from_secs(at));
            let verdict = judge(WorkloadKind::Deployment, &health, &now, &now, &[], &grace_period);
            assert_eq!(word(&verdict), expected, "{health:?} after {at} s");
        }
    }
}

#[test]
fn a_stuck_ordered_stateful_set_is_reported() {
    let mut now = observed(in_progress(), Vec::new(), vec![waiting("ImagePullBackOff", 0)]);
    now.ordered = true;
    let Verdict::Done { notes, .. } =
        judge(WorkloadKind::StatefulSet, &Health::Broken, &now, &now, &[], &GracePeriod::new(Duration::MAX))
    else {
        panic!("nothing to wait for")
    };
    assert!(notes[0].contains("kubectl delete pod -n default p"), "{notes:?}");
}

#[test]
fn a_bare_pod_is_judged_by_its_new_image_only() {
    let change = |to: &str| {
        vec![Change {
            image_field: ImageField::of_container("a"),
            from: Some("public/a:1".to_owned()),
            to: Some(to.to_owned()),
        }]
    };
    let seen = |pod: Pod| observed(in_progress(), vec![pod], Vec::new());
    let before = seen(waiting("ImagePullBackOff", 0));
    let cases = [
        (Health::Broken, waiting("ImagePullBackOff", 0), "ecr/a:1", "waiting"),
        (Health::Broken, waiting("ImagePullBackOff", 0), "private/a:1", "failed"),
        (Health::Broken, running(0), "ecr/a:1", "done"),
        (Health::Broken, waiting("CrashLoopBackOff", 1), "ecr/a:1", "done"),
    ];
    for (health, pod, to, expected) in cases {
        assert_eq!(
            {
                let now = seen(pod);
                word(&judge(WorkloadKind::Pod, &health, &before, &now, &change(to), &expired(&now)))
            },
            expected,
            "{to}"
        );
    }
    let before = seen(running(0));
    assert_eq!(
        word(&judge(
            WorkloadKind::Pod,
            &Health::Healthy,
            &before,
            &seen(running(0)),
            &change("x"),
            &GracePeriod::new(Duration::MAX)
        )),
        "waiting"
    );
    assert_eq!(
        word(&judge(
            WorkloadKind::Pod,
            &Health::Healthy,
            &before,
            &seen(running(1)),
            &change("x"),
            &GracePeriod::new(Duration::MAX)
        )),
        "done"
    );
}

#[test]
fn pods_that_cannot_be_listed_are_not_waited_for() {
    let mut before = observed(in_progress(), Vec::new(), Vec::new());
    assert_eq!(health(&before), Health::Broken);
    before.pods = None;
    assert!(matches!(health(&before), Health::Unwatched(_)));
}

/// Refused by whom, in which progress, before or after the grace period; the verdict and the cause of a failure.
#[test]
fn refused_pods_are_shown_at_once_and_judged_by_their_cause() {
    let quota = "pods \"x\" is forbidden: exceeded quota: compute";
    let security = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"";
    let policy = "admission webhook \"validation.gatekeeper.sh\" denied the request: [allowed-repos]";
    let exceeded = || Progress::Failed("exceeded its progress deadline".to_owned());
    let cases = [
        (quota, in_progress(), false, "blocked", None),
        (quota, in_progress(), true, "blocked", None),
        (quota, exceeded(), true, "failed", Some(Cause::Environment)),
        (security, in_progress(), false, "blocked", None),
        (security, in_progress(), true, "failed", Some(Cause::Environment)),
        (policy, in_progress(), false, "blocked", None),
        (policy, in_progress(), true, "failed", Some(Cause::Change)),
    ];
    for (message, progress, is_over, expected, expected_cause) in cases {
        let mut now = observed(progress, Vec::new(), vec![running(0)]);
        now.refusal = Some(Refusal::new(message));
        let mut grace_period = GracePeriod::new(Duration::from_secs(15));
        grace_period.observe(&now, Duration::ZERO);
        grace_period.observe(&now, Duration::from_secs(if is_over { 15 } else { 1 }));
        for health in [Health::Healthy, Health::Broken] {
            if health == Health::Broken && matches!(now.progress, Progress::Failed(_)) {
                continue;
            }
            let verdict = judge(WorkloadKind::Deployment, &health, &now, &now, &[], &grace_period);
            assert_eq!(word(&verdict), expected, "{message} {is_over}");
            match verdict {
                Verdict::Blocked(why) => assert!(why.contains(message), "{why}"),
                Verdict::Failed { cause, why, .. } => {
                    assert_eq!(Some(cause), expected_cause, "{message}");
                    assert!(why.contains(message), "{why}");
                }
                _ => unreachable!(),
            }
        }
    }
}

#[test]
fn a_pod_without_a_node_is_not_our_fault() {
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "status": {"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"},
    ]}}))
    .unwrap();
    for (progress, expected) in
        [(in_progress(), "blocked"), (Progress::Failed("exceeded".to_owned()), "failed")]
    {
        let now = observed(progress, vec![pod.clone()], Vec::new());
        let verdict = judge(WorkloadKind::Deployment, &Health::Healthy, &now, &now, &[], &expired(&now));
        assert_eq!(word(&verdict), expected);
        assert!(!matches!(verdict, Verdict::Failed { cause: Cause::Change, .. }));
    }
}

#[test]
fn a_complete_rollout_whose_pods_run_other_images_has_failed() {
    let problem = PodProblem {
        pod: "p".to_owned(),
        container: Some("a".to_owned()),
        kind: ProblemKind::Renamed,
        reason: "ImageChanged".to_owned(),
        message: "it runs e.example/castai/x:v1 instead of castai/x:v1".to_owned(),
        log: Vec::new(),
    };
    let mut now = observed(Progress::Complete("complete".to_owned()), Vec::new(), vec![running(0)]);
    now.pods.as_mut().unwrap().renamed.push(problem);
    let mut grace_period = GracePeriod::new(Duration::from_secs(1));
    for (at, expected) in [(0, "waiting"), (1, "failed")] {
        grace_period.observe(&now, Duration::from_secs(at));
        for health in [Health::Healthy, Health::Broken] {
            let verdict = judge(WorkloadKind::DaemonSet, &health, &now, &now, &[], &grace_period);
            assert_eq!(word(&verdict), expected, "after {at} s");
            assert!(!matches!(verdict, Verdict::Failed { cause: Cause::Change | Cause::Environment, .. }));
        }
    }
    // While a rollout is in progress, they are old pods.
    now.progress = in_progress();
    assert!(renamed(&now).is_empty());
}
