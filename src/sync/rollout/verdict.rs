//! The health rule: what a rollout must achieve, judged from one observation.
//!
//! A component that was healthy must become healthy again. A component that was broken must pull its images and start
//! its containers; its further output is shown but not judged.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::grace_period::GracePeriod;
use crate::cluster::pods::{self, PodProblem, ProblemKind};
use crate::cluster::rollout::{Observation, Progress, RefusedBy};
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
        /// A component that was broken may have started without becoming ready.
        is_ready: bool,
    },
    /// A component that was broken has started; whether it also becomes ready is worth a short wait.
    Started {
        message: String,
        problems: Vec<PodProblem>,
    },
    /// There is no rollout to watch any more; the text says why.
    Unwatched(String),
    Waiting(String),
    /// Waiting for something that our change did not cause.
    Blocked(String),
    Failed {
        cause: Cause,
        why: String,
        problems: Vec<PodProblem>,
    },
}

/// What a rollout failed of, on which depends whether a healthy component is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Our change, as far as can be known.
    Change,
    /// Quotas, missing capacity, rules that would refuse the former images as well: restoring would not help.
    Environment,
    /// Admission gives new pods other images than the template's, so the change has no effect.
    Admission,
}

impl Verdict {
    pub(super) const fn by_change(why: String, problems: Vec<PodProblem>) -> Self {
        Self::Failed { cause: Cause::Change, why, problems }
    }
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
    let problems: Vec<_> = new_pods(now).iter().flat_map(pods::problems).collect();
    match (health, &now.progress) {
        (_, Progress::Unwatched(why)) => Verdict::Unwatched(why.clone()),
        (_, Progress::Complete(message)) => judge_complete(now, message, grace_period),
        (Health::Broken, Progress::Waiting(message) | Progress::Failed(message)) => {
            judge_broken(kind, now, problems, message, grace_period)
        }
        (_, Progress::Failed(message)) => match judge_waiting(now, message, &problems, grace_period) {
            Verdict::Blocked(why) => Verdict::Failed { cause: Cause::Environment, why, problems },
            failed @ Verdict::Failed { .. } => failed,
            _ => Verdict::by_change(message.clone(), problems),
        },
        (_, Progress::Waiting(message)) => {
            let counts = |problem: &&PodProblem| {
                problem.kind != ProblemKind::Unschedulable && grace_period.is_over(problem)
            };
            match problems.iter().find(counts) {
                Some(problem) => Verdict::by_change(describe(problem), problems),
                None => judge_waiting(now, message, &problems, grace_period),
            }
        }
    }
}

/// The pods are what counts: a complete rollout whose pods run other images has not succeeded.
fn judge_complete(now: &Observation, message: &str, grace_period: &GracePeriod) -> Verdict {
    match renamed(now) {
        [] => done(message.to_owned(), Vec::new(), Vec::new()),
        [problem, ..] if grace_period.is_over(problem) => {
            let problems = renamed(now).to_vec();
            Verdict::Failed { cause: Cause::Admission, why: describe(problem), problems }
        }
        [problem, ..] => {
            Verdict::Waiting(format!("Waiting for old pod \"{}\" to be replaced...", problem.pod))
        }
    }
}

/// The pods of a complete rollout that run other images than the template's.
pub(super) fn renamed(observation: &Observation) -> &[PodProblem] {
    match (&observation.progress, &observation.pods) {
        (Progress::Complete(_), Some(pods)) => &pods.renamed,
        _ => &[],
    }
}

/// A rollout without a problem of its own. A policy or webhook that refuses new pods may judge their images, so our change
/// counts as the cause.
fn judge_waiting(
    now: &Observation,
    message: &str,
    problems: &[PodProblem],
    grace_period: &GracePeriod,
) -> Verdict {
    if let Some(refusal) = &now.refusal {
        let why = format!("new pods are refused: {} ({})", refusal.message, refusal.advice());
        let cause = match refusal.by {
            RefusedBy::Quota => return Verdict::Blocked(why),
            RefusedBy::Environment => Cause::Environment,
            RefusedBy::Policy => Cause::Change,
        };
        return if grace_period.is_refusal_over() {
            Verdict::Failed { cause, why, problems: problems.to_vec() }
        } else {
            Verdict::Blocked(why)
        };
    }
    match problems.iter().find(|problem| problem.kind == ProblemKind::Unschedulable) {
        // The scheduler appends its result of preemption, which repeats the reason.
        Some(problem) => {
            let described = describe(problem);
            let why = described.split_once(". ").map_or(described.as_str(), |(why, _)| why);
            Verdict::Blocked(format!("{message} ({why}: free capacity on a matching node, or add a node)"))
        }
        None => Verdict::Waiting(message.to_owned()),
    }
}

/// What a rollout without a problem of its own waits for.
pub(super) fn waits_for(now: &Observation, problems: &[PodProblem]) -> String {
    match judge_waiting(now, now.progress.text(), problems, &GracePeriod::new(Duration::ZERO)) {
        Verdict::Failed { why, .. }
        | Verdict::Blocked(why)
        | Verdict::Waiting(why)
        | Verdict::Unwatched(why) => why,
        Verdict::Done { message, .. } | Verdict::Started { message, .. } => message,
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
        return Verdict::by_change(describe(problem), problems);
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
        return Verdict::Done {
            message: "its images are set".to_owned(),
            problems,
            notes: vec![note],
            is_ready: false,
        };
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
    judge_waiting(now, message, &problems, grace_period)
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
        return Verdict::Unwatched(why.clone());
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
            ProblemKind::Unschedulable | ProblemKind::Renamed => false,
        })
        .filter(|problem| grace_period.is_over(problem))
        .collect();
    match problems.first() {
        Some(problem) => Verdict::by_change(describe(problem), problems),
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
    Verdict::Done { message, is_ready: problems.is_empty(), problems, notes }
}

pub(super) fn describe(problem: &PodProblem) -> String {
    let container = problem.container.as_ref().map(|name| format!(" container {name}")).unwrap_or_default();
    let message = if problem.message.is_empty() { String::new() } else { format!(": {}", problem.message) };
    format!("pod {}{container}: {}{message}", problem.pod, problem.reason)
}

#[cfg(test)]
mod tests;
