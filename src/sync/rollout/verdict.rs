//! The health rule: what a rollout must achieve, judged from one observation.
//!
//! A component that was healthy must become healthy again. A component that was broken must pull its images and start
//! its containers; its further output is shown but not judged.

use k8s_openapi::api::core::v1::Pod;

use super::grace_period::GracePeriod;
use crate::cluster::pods::{self, PodProblem, ProblemKind};
use crate::cluster::rollout::{Observation, Progress};
use crate::model::cluster_plan::Change;
use crate::model::inventory::WorkloadKind;

/// The health of a component before we changed it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Health {
    Healthy,
    Broken,
    /// There is no rollout to watch; the text says why.
    Unwatched(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Done {
        message: String,
        problems: Vec<PodProblem>,
        notes: Vec<String>,
    },
    /// A component that was broken has started; whether it also becomes ready is worth a short wait.
    Started {
        message: String,
        problems: Vec<PodProblem>,
    },
    Waiting(String),
    Failed {
        why: String,
        problems: Vec<PodProblem>,
    },
}

pub(super) fn health(observation: &Observation) -> Health {
    match &observation.progress {
        Progress::Complete(_) => Health::Healthy,
        Progress::Unwatched(why) => Health::Unwatched(why.clone()),
        Progress::Waiting(_) | Progress::Failed(_) => match observation.pods {
            Some(_) => Health::Broken,
            None => Health::Unwatched("cannot list its pods, so the rollout was not watched".to_owned()),
        },
    }
}

/// Whether a component with this earlier `health` has achieved what it must.
pub(super) fn judge(
    kind: WorkloadKind,
    health: &Health,
    before: &Observation,
    now: &Observation,
    changes: &[Change],
    grace_period: &GracePeriod,
) -> Verdict {
    if kind == WorkloadKind::Pod {
        return judge_pod(health, before, now, changes, grace_period);
    }
    let problems = new_pods(now).iter().flat_map(pods::problems).collect();
    match (health, &now.progress) {
        (_, Progress::Unwatched(why)) => done(String::new(), Vec::new(), vec![why.clone()]),
        (_, Progress::Complete(message)) => done(message.clone(), Vec::new(), Vec::new()),
        (Health::Broken, Progress::Waiting(message) | Progress::Failed(message)) => {
            judge_broken(kind, now, problems, message, grace_period)
        }
        (_, Progress::Failed(message)) => Verdict::Failed { why: message.clone(), problems },
        (_, Progress::Waiting(message)) => {
            let counts = |problem: &&PodProblem| {
                problem.kind != ProblemKind::Unschedulable && grace_period.is_over(problem)
            };
            match problems.iter().find(counts) {
                Some(problem) => Verdict::Failed { why: describe(problem), problems },
                None => Verdict::Waiting(with_unschedulable(message, &problems)),
            }
        }
    }
}

fn judge_broken(
    kind: WorkloadKind,
    now: &Observation,
    problems: Vec<PodProblem>,
    message: &str,
    grace_period: &GracePeriod,
) -> Verdict {
    let counts = |problem: &&PodProblem| {
        matches!(problem.kind, ProblemKind::Image | ProblemKind::Configuration)
            && grace_period.is_over(problem)
    };
    if let Some(problem) = problems.iter().find(counts) {
        return Verdict::Failed { why: describe(problem), problems };
    }
    let new = new_pods(now);
    let old = now.pods.as_ref().map_or(&[][..], |pods| &pods.old);
    let stuck: Vec<_> = old.iter().filter(|pod| !pods::is_ready(pod)).map(pods::name).collect();
    if now.ordered && new.is_empty() && !stuck.is_empty() {
        // kubernetes/kubernetes#67250: an ordered StatefulSet does not replace a pod that never became ready.
        let namespace = old.iter().find_map(|pod| pod.metadata.namespace.as_deref()).unwrap_or("default");
        let note = format!(
            "a StatefulSet does not replace pods that never became ready: kubectl delete pod -n {namespace} {}",
            stuck.join(" ")
        );
        return done("its images are set".to_owned(), problems, vec![note]);
    }
    // In other kinds, a new pod that is not ready may block the next one.
    let expected = if kind == WorkloadKind::DaemonSet { now.desired } else { now.desired.min(1) };
    let enough = i32::try_from(new.len()).is_ok_and(|count| count >= expected);
    if enough && new.iter().all(pods::started) {
        let message = "images pulled, containers started".to_owned();
        let crashes = problems.iter().any(|problem| problem.kind == ProblemKind::Crash);
        return if crashes {
            done(message, problems, Vec::new())
        } else {
            Verdict::Started { message, problems }
        };
    }
    Verdict::Waiting(with_unschedulable(message, &problems))
}

/// A pod is changed in place, so for a moment its status still refers to the former image.
fn judge_pod(
    health: &Health,
    before: &Observation,
    now: &Observation,
    changes: &[Change],
    grace_period: &GracePeriod,
) -> Verdict {
    if let Progress::Unwatched(why) = &now.progress {
        return done(String::new(), Vec::new(), vec![why.clone()]);
    }
    let (Some(before), Some(now)) = (new_pods(before).first(), new_pods(now).first()) else {
        return Verdict::Waiting("Waiting for the pod to be observed...".to_owned());
    };
    let containers: Vec<&str> =
        changes.iter().filter_map(|change| change.image_field.restarted_container()).collect();
    if pods::was_restarted(before, now, &containers) {
        return done("its containers run".to_owned(), Vec::new(), Vec::new());
    }
    let problems: Vec<_> = pods::problems(now)
        .into_iter()
        .filter(|problem| match problem.kind {
            ProblemKind::Image => changes
                .iter()
                .any(|change| change.to.as_ref().is_some_and(|image| problem.message.contains(image))),
            ProblemKind::Configuration | ProblemKind::Crash => *health == Health::Healthy,
            ProblemKind::Unschedulable => false,
        })
        .filter(|problem| grace_period.is_over(problem))
        .collect();
    match problems.first() {
        Some(problem) => Verdict::Failed { why: describe(problem), problems },
        None if *health == Health::Broken && restarted(before, now) => {
            done("its containers have started".to_owned(), pods::problems(now), Vec::new())
        }
        None => Verdict::Waiting(format!("Waiting for pod \"{}\" to run its new images...", pods::name(now))),
    }
}

/// Whether any container was started since, even if it has exited.
fn restarted(before: &Pod, now: &Pod) -> bool {
    let restarts = |pod: &Pod| -> i32 {
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        statuses.map(|status| status.restart_count).sum()
    };
    restarts(now) > restarts(before)
}

fn new_pods(observation: &Observation) -> &[Pod] {
    observation.pods.as_ref().map_or(&[], |pods| &pods.new)
}

fn done(message: String, problems: Vec<PodProblem>, notes: Vec<String>) -> Verdict {
    Verdict::Done { message, problems, notes }
}

fn describe(problem: &PodProblem) -> String {
    let container = problem.container.as_ref().map(|name| format!(" container {name}")).unwrap_or_default();
    let message = if problem.message.is_empty() { String::new() } else { format!(": {}", problem.message) };
    format!("pod {}{container}: {}{message}", problem.pod, problem.reason)
}

fn with_unschedulable(message: &str, problems: &[PodProblem]) -> String {
    match problems.iter().find(|problem| problem.kind == ProblemKind::Unschedulable) {
        // The scheduler appends its result of preemption, which repeats the reason.
        Some(problem) => {
            let described = describe(problem);
            let why = described.split_once(". ").map_or(described.as_str(), |(why, _)| why);
            format!("{message} ({why}: free capacity on a matching node, or add a node)")
        }
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::cluster::rollout::Pods;
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
        Observation { progress, desired: 2, ordered: false, pods: Some(Pods { new, old }) }
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
            Verdict::Waiting(_) => "waiting",
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
        let Verdict::Done { notes, .. } = judge(
            WorkloadKind::StatefulSet,
            &Health::Broken,
            &now,
            &now,
            &[],
            &GracePeriod::new(Duration::MAX),
        ) else {
            panic!("nothing to wait for")
        };
        assert!(notes[0].contains("kubectl delete pod -n default p"), "{notes:?}");
    }

    #[test]
    fn a_bare_pod_is_judged_by_its_new_image_only() {
        let change = |to: &str| {
            vec![Change {
                image_field: ImageField::Container("a".to_owned()),
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
}
