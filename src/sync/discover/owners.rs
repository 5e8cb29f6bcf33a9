//! The controller at the top of what holds an image: whom a person would ask, and who would undo a change below.

use crate::cluster::waiting::WaitingPod;
use crate::model::inventory::{Place, WorkloadKind, WorkloadName};
use crate::model::workload::{Owner, Workload};

/// The controller of a kind that is not ours, which would put back what is changed below it. Controllers such as an
/// operator may own a Deployment, which can be patched all the same.
pub(super) fn custom_owner(workload: &Workload) -> Option<&Owner> {
    use WorkloadKind::{Job, Pod, ReplicaSet, ReplicationController};
    let is_part = matches!(workload.name.kind, Pod | ReplicaSet | ReplicationController | Job);
    workload.owner.as_ref().filter(|_| is_part)
}

/// `Rollout checkout (argoproj.io)`.
pub(super) fn described(owner: &Owner) -> String {
    match owner.group() {
        "" => format!("{} {}", owner.kind, owner.name),
        group => format!("{} {} ({group})", owner.kind, owner.name),
    }
}

/// Where the images of a workload stand: in itself, or in the custom controller that made it.
pub(super) fn place_of(workload: &Workload) -> Place {
    match custom_owner(workload) {
        Some(owner) => place_of_owner(&workload.name, owner),
        None => Place::Workload(workload.name.clone()),
    }
}

/// The object that made a pod in the end. A ReplicaSet or a Job that is not among `workloads` was left to the
/// Deployment or CronJob that owns it, whose names Kubernetes puts before a hash or a time.
pub(in crate::sync) fn top_controller(pod: &WaitingPod, workloads: &[Workload]) -> Place {
    let Some(owner) = &pod.owner else { return Place::Workload(pod.name.clone()) };
    let Some(kind) = owner.workload_kind() else { return place_of_owner(&pod.name, owner) };
    let named = |kind, name: &str| WorkloadName { kind, name: name.to_owned(), ..pod.name.clone() };
    let name = named(kind, &owner.name);
    if let Some(workload) = find(workloads, &name) {
        return place_of(workload);
    }
    let above = match kind {
        // https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
        WorkloadKind::ReplicaSet => pod.labels.get("pod-template-hash").and_then(|hash| {
            let deployment = owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
            Some(named(WorkloadKind::Deployment, deployment))
        }),
        // The minutes since 1970 (Kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go`).
        WorkloadKind::Job => owner
            .name
            .rsplit_once('-')
            .filter(|(_, minutes)| minutes.len() >= 8 && minutes.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|(cron_job, _)| named(WorkloadKind::CronJob, cron_job)),
        _ => None,
    };
    Place::Workload(above.unwrap_or(name))
}

/// The workload of this name, if it was listed.
pub(in crate::sync) fn find<'w>(workloads: &'w [Workload], name: &WorkloadName) -> Option<&'w Workload> {
    // They are listed in order.
    workloads.binary_search_by(|workload| workload.name.cmp(name)).ok().map(|index| &workloads[index])
}

fn place_of_owner(below: &WorkloadName, owner: &Owner) -> Place {
    let kind = owner.kind.to_lowercase();
    Place::Resource {
        cluster: below.cluster.clone(),
        namespace: below.namespace.clone(),
        resource: if owner.group().is_empty() { kind } else { format!("{kind}.{}", owner.group()) },
        name: owner.name.clone(),
    }
}
