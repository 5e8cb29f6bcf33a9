//! The controller at the top of an object with an image: it is reported to users, and would revert changes to its
//! objects.

use crate::cluster::waiting::WaitingPod;
use crate::model::inventory::{Place, WorkloadKind, WorkloadName};
use crate::model::workload::{ControllerReference, Workload};

/// A controller of another kind, which would revert changes to the objects that it controls. A Deployment can be
/// patched even if an operator controls it.
pub(super) fn custom_owner(workload: &Workload) -> Option<&ControllerReference> {
    use WorkloadKind::{Job, Pod, ReplicaSet, ReplicationController};
    let is_part = matches!(workload.name.kind, Pod | ReplicaSet | ReplicationController | Job);
    workload.controller.as_ref().filter(|_| is_part)
}

/// `Rollout checkout (argoproj.io)`.
pub(super) fn described(owner: &ControllerReference) -> String {
    match owner.group() {
        "" => format!("{} {}", owner.kind, owner.name),
        group => format!("{} {} ({group})", owner.kind, owner.name),
    }
}

/// The place of a workload's images: the workload itself, or the custom controller that created it.
pub(super) fn place_of(workload: &Workload) -> Place {
    match custom_owner(workload) {
        Some(owner) => place_of_owner(&workload.name, owner),
        None => Place::Workload(workload.name.clone()),
    }
}

/// The top controller of a pod. A ReplicaSet or Job that is not in `workloads` was omitted because a Deployment or
/// CronJob owns it; the owner's name is followed by a hash or a time in its name.
pub(in crate::sync) fn top_controller(pod: &WaitingPod, workloads: &[Workload]) -> Place {
    let Some(owner) = &pod.controller else { return Place::Workload(pod.name.clone()) };
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
        // The suffix is the number of minutes since 1970 (Kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go`).
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
    // The list is sorted.
    workloads.binary_search_by(|workload| workload.name.cmp(name)).ok().map(|index| &workloads[index])
}

fn place_of_owner(below: &WorkloadName, owner: &ControllerReference) -> Place {
    let kind = owner.kind.to_lowercase();
    Place::Resource {
        cluster: below.cluster.clone(),
        namespace: below.namespace.clone(),
        resource: if owner.group().is_empty() { kind } else { format!("{kind}.{}", owner.group()) },
        name: owner.name.clone(),
    }
}
