//! How far a rollout has come, as controllers count updated pods.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet, StatefulSetSpec};

use super::PodsUpdated;

/// Its controller does not count pods that are being deleted, such as those of a lost node.
pub(super) fn deployment_updated(deployment: &Deployment) -> PodsUpdated {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let (total, updated) = (status.replicas.unwrap_or(0), status.updated_replicas.unwrap_or(0));
    if deployment.metadata.generation > status.observed_generation {
        PodsUpdated::None
    } else if updated < replicas || total > updated {
        PodsUpdated::Some
    } else {
        PodsUpdated::All
    }
}

pub(super) fn daemon_set_updated(daemon_set: &DaemonSet) -> PodsUpdated {
    let status = daemon_set.status.clone().unwrap_or_default();
    let updated = status.updated_number_scheduled.unwrap_or(0);
    if daemon_set.metadata.generation > status.observed_generation || updated == 0 {
        PodsUpdated::None
    } else if updated < status.desired_number_scheduled {
        PodsUpdated::Some
    } else {
        PodsUpdated::All
    }
}

/// Its controller does not replace a pod of a lost node, and counts it in neither revision: pods that are missing are no
/// sign of an unfinished rollout, only pods of the former revision are.
pub(super) fn stateful_set_updated(stateful_set: &StatefulSet) -> PodsUpdated {
    let status = stateful_set.status.clone().unwrap_or_default();
    let kept = stateful_set.spec.as_ref().map_or(0, partition);
    if stateful_set.metadata.generation > status.observed_generation {
        PodsUpdated::None
    } else if status.update_revision != status.current_revision && status.current_replicas.unwrap_or(0) > kept
    {
        PodsUpdated::Some
    } else {
        PodsUpdated::All
    }
}

/// The first ordinal that a StatefulSet updates.
pub(super) fn partition(spec: &StatefulSetSpec) -> i32 {
    let rolling = spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    rolling.and_then(|rolling| rolling.partition).unwrap_or(0)
}
