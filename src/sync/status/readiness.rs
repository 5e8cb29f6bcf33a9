//! Workloads of Cast AI that do not run, although the registry has their images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::PullFailure;
use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::cluster::waiting::WaitingPod;
use crate::model::inventory::{Inventory, Place, Reason, WorkloadName};
use crate::model::workload::{Replicas, Workload};
use crate::sync::discover::owners::{find, top_controller};

/// A workload of which no pod is ready, a container crashes or cannot be created, or the last rollout is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NotReady {
    pub workload: WorkloadName,
    /// `None` for kinds whose pods are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// Kubernetes' reason for the first pod: `CrashLoopBackOff`. `FailedCreate` if pods are refused, `NotReady` if nothing
    /// says why. `RolloutNotFinished` if its former pods still run.
    pub reason: String,
    /// Kubernetes' message; may be empty.
    pub message: String,
    /// Names of the pods with this reason, sorted.
    pub pods: Vec<String>,
    /// Whether a container of it is restarted again and again.
    #[serde(skip)]
    pub crashes: bool,
}

/// The reason of a workload whose pods report none.
const UNEXPLAINED: &str = "NotReady";

/// The reason of a workload whose former pods still run.
const UNFINISHED: &str = "RolloutNotFinished";

impl NotReady {
    /// Whether no pod says why, so that the controller's events may: it reports pods that the API server refuses there.
    pub fn is_unexplained(&self) -> bool {
        self.reason == UNEXPLAINED
    }

    /// A workload that runs, but not with its current images.
    pub fn unfinished(workload: &Workload, why: String) -> Self {
        Self {
            workload: workload.name.clone(),
            replicas: workload.replicas,
            reason: UNFINISHED.to_owned(),
            message: why,
            pods: Vec::new(),
            crashes: false,
        }
    }

    /// Whether only its last rollout is missing.
    pub fn is_unfinished(&self) -> bool {
        self.reason == UNFINISHED
    }

    /// The same, for refused pods.
    pub fn refused(&mut self, message: String) {
        (self.reason, self.message) = ("FailedCreate".to_owned(), message);
    }
}

/// Workloads with images of Cast AI that do not run, except those whose pods cannot pull, sorted. Some pods that wait for a node
/// or have not started yet are nothing unusual beside others that are ready: nodes come and go.
pub fn not_ready(
    pods: &[WaitingPod],
    workloads: &[Workload],
    inventory: &Inventory,
    pull_failures: &[PullFailure],
) -> Vec<NotReady> {
    let mut problems: BTreeMap<WorkloadName, Vec<&PodProblem>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !pod.problems.is_empty()) {
        if let Place::Workload(name) = top_controller(pod, workloads) {
            problems.entry(name).or_default().extend(&pod.problems);
        }
    }
    that_pull(workloads, inventory, pull_failures)
        .filter_map(|workload| judge(workload, problems.get(&workload.name).map_or(&[], Vec::as_slice)))
        .collect()
}

/// Workloads with images of Cast AI that run, and whose last rollout may not be finished.
pub fn maybe_unfinished<'w>(
    workloads: &'w [Workload],
    inventory: &Inventory,
    not_ready: &[NotReady],
    pull_failures: &[PullFailure],
) -> Vec<&'w Workload> {
    let is_known = |workload: &&Workload| !not_ready.iter().any(|one| one.workload == workload.name);
    that_pull(workloads, inventory, pull_failures)
        .filter(|workload| workload.may_be_outdated())
        .filter(is_known)
        .collect()
}

/// Workloads with images of Cast AI whose pods can pull them, sorted.
fn that_pull<'w>(
    workloads: &'w [Workload],
    inventory: &Inventory,
    pull_failures: &[PullFailure],
) -> impl Iterator<Item = &'w Workload> {
    let cannot_pull: BTreeSet<_> = pull_failures.iter().map(|failure| &failure.place).collect();
    let uses = inventory.images.iter().flat_map(|wanted| &wanted.used_by);
    // A workload whose pods got an image of Cast AI by a webhook is not Cast AI's.
    let own = uses.filter(|used_by| !matches!(used_by.reason, Reason::FailingPod { .. }));
    let places: BTreeSet<_> = own.map(|used_by| &used_by.place).collect();
    let found = places.difference(&cannot_pull).filter_map(|place| match place {
        Place::Workload(name) => find(workloads, name),
        _ => None,
    });
    found.collect::<Vec<_>>().into_iter()
}

fn judge(workload: &Workload, problems: &[&PodProblem]) -> Option<NotReady> {
    let is_own =
        |problem: &PodProblem| matches!(problem.kind, ProblemKind::Crash | ProblemKind::Configuration);
    let own = problems.iter().find(|problem| is_own(problem));
    let first = own.or_else(|| problems.first().filter(|_| workload.has_no_ready_pod()));
    let new = |reason: &str, message: &str, pods: BTreeSet<&str>| NotReady {
        workload: workload.name.clone(),
        replicas: workload.replicas,
        reason: reason.to_owned(),
        message: message.to_owned(),
        pods: pods.into_iter().map(str::to_owned).collect(),
        crashes: first.is_some_and(|first| first.kind == ProblemKind::Crash),
    };
    match first {
        Some(first) => {
            let same = problems.iter().filter(|problem| problem.reason == first.reason);
            Some(new(&first.reason, &first.message, same.map(|problem| problem.pod.as_str()).collect()))
        }
        None => workload.has_no_ready_pod().then(|| new(UNEXPLAINED, "", BTreeSet::new())),
    }
}

#[cfg(test)]
mod tests;
