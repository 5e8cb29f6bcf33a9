//! Workloads of Cast AI that do not run, although the registry has their images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::PullFailure;
use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::cluster::waiting::WaitingPod;
use crate::model::inventory::{Inventory, Place, Reason, WorkloadName};
use crate::model::workload::{Replicas, Workload};
use crate::sync::discover::owners::{find, top_controller};

/// A workload of which no pod is ready, or a container crashes or cannot be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NotReady {
    pub workload: WorkloadName,
    /// `None` for kinds whose pods are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// Kubernetes' reason for the first pod: `CrashLoopBackOff`. `FailedCreate` if pods are refused, `NotReady` if nothing
    /// says why.
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

impl NotReady {
    /// Whether no pod says why, so that the controller's events may: it reports pods that the API server refuses there.
    pub fn is_unexplained(&self) -> bool {
        self.reason == UNEXPLAINED
    }

    /// The same, for refused pods.
    pub fn refused(&mut self, message: String) {
        (self.reason, self.message) = ("FailedCreate".to_owned(), message);
    }
}

/// Cast AI's own workloads that do not run, except those whose pods cannot pull, sorted. Some pods that wait for a node
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
    let cannot_pull: BTreeSet<_> = pull_failures.iter().map(|failure| &failure.place).collect();
    let uses = inventory.images.iter().flat_map(|wanted| &wanted.used_by);
    // Elsewhere a tenant may write the labels.
    let own = uses.filter(|used_by| matches!(used_by.reason, Reason::Namespace { .. }));
    let places: BTreeSet<_> = own.map(|used_by| &used_by.place).collect();
    let names = places.difference(&cannot_pull).filter_map(|place| match place {
        Place::Workload(name) => find(workloads, name),
        _ => None,
    });
    names
        .filter_map(|workload| judge(workload, problems.get(&workload.name).map_or(&[], Vec::as_slice)))
        .collect()
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
