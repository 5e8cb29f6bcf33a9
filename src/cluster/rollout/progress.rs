//! The rules of `kubectl rollout status` (kubectl `pkg/polymorphichelpers/rollout_status.go`), and its messages.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::DynamicObject;

use super::updated::{daemon_set_updated, deployment_updated, partition, stateful_set_updated};
use super::{PodsUpdated, Progress, Refusal};
use crate::cluster::pods;
use crate::model::inventory::WorkloadKind;
use crate::model::pod_template::PodTemplate;

/// One object's rollout status, and the selector of its pods.
pub(super) struct Status {
    pub(super) progress: Progress,
    pub(super) updated: PodsUpdated,
    pub(super) desired: i32,
    pub(super) ordered: bool,
    /// A complete rollout leaves pods of the former template.
    pub(super) keeps_old_pods: bool,
    pub(super) refusal: Option<Refusal>,
    pub(super) selector: Option<(LabelSelector, PodTemplate)>,
}

impl Status {
    fn unwatched(why: impl Into<String>) -> Self {
        Self {
            progress: Progress::Unwatched(why.into()),
            updated: PodsUpdated::All,
            desired: 0,
            ordered: false,
            keeps_old_pods: false,
            refusal: None,
            selector: None,
        }
    }
}

/// Why a workload that wants no pods proves nothing about its images.
pub const fn without_pods(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::DaemonSet => "no matching node: no pod has pulled the image",
        _ => "0 replicas: no pod has pulled the image",
    }
}

pub(super) fn judge(
    kind: WorkloadKind,
    object: &DynamicObject,
) -> Result<Status, kube::core::dynamic::ParseDynamicObjectError> {
    let object = object.clone();
    Ok(match kind {
        WorkloadKind::Deployment => {
            let deployment: Deployment = object.try_parse()?;
            let spec = deployment.spec.clone().unwrap_or_default();
            Status {
                progress: deployment_progress(&deployment),
                updated: deployment_updated(&deployment),
                desired: spec.replicas.unwrap_or(1),
                ordered: false,
                keeps_old_pods: false,
                refusal: replica_failure(&deployment),
                selector: pods_of(spec.selector, &spec.template),
            }
        }
        WorkloadKind::DaemonSet => {
            let daemon_set: DaemonSet = object.try_parse()?;
            let progress = daemon_set_progress(&daemon_set);
            let updated = daemon_set_updated(&daemon_set);
            let spec = daemon_set.spec.unwrap_or_default();
            Status {
                progress,
                updated,
                desired: daemon_set.status.map_or(0, |status| status.desired_number_scheduled),
                ordered: false,
                keeps_old_pods: false,
                refusal: None,
                selector: pods_of(spec.selector, &spec.template),
            }
        }
        WorkloadKind::StatefulSet => {
            let stateful_set: StatefulSet = object.try_parse()?;
            let progress = stateful_set_progress(&stateful_set);
            let updated = stateful_set_updated(&stateful_set);
            let generation = stateful_set.metadata.generation;
            let seen =
                generation <= stateful_set.status.as_ref().and_then(|status| status.observed_generation);
            let spec = stateful_set.spec.unwrap_or_default();
            Status {
                progress,
                updated,
                desired: spec.replicas.unwrap_or(1),
                ordered: seen && spec.pod_management_policy.as_deref() != Some("Parallel"),
                keeps_old_pods: partition(&spec) > 0,
                refusal: None,
                selector: pods_of(spec.selector, &spec.template),
            }
        }
        WorkloadKind::Pod => {
            let pod: Pod = object.try_parse()?;
            let name = pods::name(&pod);
            let progress = if pods::has_ended(&pod) {
                Progress::Unwatched("it has ended".to_owned())
            } else if pods::is_ready(&pod) {
                Progress::Complete(format!("pod \"{name}\" is ready"))
            } else {
                Progress::Waiting(format!("Waiting for pod \"{name}\" to be ready..."))
            };
            Status {
                progress,
                updated: PodsUpdated::All,
                desired: 1,
                ordered: false,
                keeps_old_pods: false,
                refusal: None,
                selector: None,
            }
        }
        WorkloadKind::CronJob => Status::unwatched("takes effect at its next run"),
        WorkloadKind::Job => Status::unwatched("its pods keep their images"),
        WorkloadKind::ReplicaSet | WorkloadKind::ReplicationController => {
            Status::unwatched("its pods keep their images until you delete them")
        }
    })
}

fn pods_of(selector: LabelSelector, template: &PodTemplateSpec) -> Option<(LabelSelector, PodTemplate)> {
    template.spec.is_some().then(|| (selector, template.into()))
}

fn deployment_progress(deployment: &Deployment) -> Progress {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let spec = deployment.spec.clone().unwrap_or_default();
    let status = deployment.status.clone().unwrap_or_default();
    if spec.paused == Some(true) {
        return Progress::Unwatched(format!(
            "paused: run `kubectl rollout resume deployment/{name}` to update its pods"
        ));
    }
    if deployment.metadata.generation > status.observed_generation {
        return Progress::Waiting("Waiting for deployment spec update to be observed...".to_owned());
    }
    let exceeded = status.conditions.iter().flatten().any(|condition| {
        condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    if exceeded {
        return Progress::Failed(format!("deployment \"{name}\" exceeded its progress deadline"));
    }
    let (replicas, total) = (spec.replicas.unwrap_or(1), status.replicas.unwrap_or(0));
    let (updated, available) = (status.updated_replicas.unwrap_or(0), status.available_replicas.unwrap_or(0));
    let waiting = |what: String| {
        Progress::Waiting(format!("Waiting for deployment \"{name}\" rollout to finish: {what}..."))
    };
    if replicas == 0 && total == 0 {
        Progress::Unwatched(without_pods(WorkloadKind::Deployment).to_owned())
    } else if updated < replicas {
        waiting(format!("{updated} out of {replicas} new replicas have been updated"))
    } else if total > updated {
        waiting(format!("{} old replicas are pending termination", total - updated))
    } else if available < updated {
        waiting(format!("{available} of {updated} updated replicas are available"))
    } else {
        Progress::Complete(format!("deployment \"{name}\" successfully rolled out"))
    }
}

/// The Deployment controller copies the condition from its `ReplicaSet`s (Kubernetes
/// `pkg/controller/deployment/progress.go`).
fn replica_failure(deployment: &Deployment) -> Option<Refusal> {
    let mut conditions = deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let failure =
        conditions.find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    Some(Refusal::new(failure.message.as_deref().unwrap_or_default()))
}

fn daemon_set_progress(daemon_set: &DaemonSet) -> Progress {
    let name = daemon_set.metadata.name.as_deref().unwrap_or_default();
    let strategy = daemon_set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
        return Progress::Unwatched("update strategy OnDelete: delete its pods to update them".to_owned());
    }
    let status = daemon_set.status.clone().unwrap_or_default();
    if daemon_set.metadata.generation > status.observed_generation {
        return Progress::Waiting("Waiting for daemon set spec update to be observed...".to_owned());
    }
    let desired = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let available = status.number_available.unwrap_or(0);
    let waiting = |what: String| {
        Progress::Waiting(format!("Waiting for daemon set \"{name}\" rollout to finish: {what}..."))
    };
    if desired == 0 {
        Progress::Unwatched(without_pods(WorkloadKind::DaemonSet).to_owned())
    } else if updated < desired {
        waiting(format!("{updated} out of {desired} new pods have been updated"))
    } else if available < desired {
        waiting(format!("{available} of {desired} updated pods are available"))
    } else {
        Progress::Complete(format!("daemon set \"{name}\" successfully rolled out"))
    }
}

fn stateful_set_progress(stateful_set: &StatefulSet) -> Progress {
    let spec = stateful_set.spec.clone().unwrap_or_default();
    let partition = partition(&spec);
    let strategy = spec.update_strategy.unwrap_or_default();
    if strategy.type_.as_deref() == Some("OnDelete") {
        return Progress::Unwatched("update strategy OnDelete: delete its pods to update them".to_owned());
    }
    let status = stateful_set.status.clone().unwrap_or_default();
    if status.observed_generation.unwrap_or(0) == 0
        || stateful_set.metadata.generation > status.observed_generation
    {
        return Progress::Waiting("Waiting for statefulset spec update to be observed...".to_owned());
    }
    let replicas = spec.replicas.unwrap_or(1);
    let (ready, updated) = (status.ready_replicas.unwrap_or(0), status.updated_replicas.unwrap_or(0));
    if replicas == 0 && status.replicas == 0 {
        return Progress::Unwatched(without_pods(WorkloadKind::StatefulSet).to_owned());
    }
    if partition > 0 && partition >= replicas {
        return Progress::Unwatched(format!("partition {partition}: its pods keep their images"));
    }
    if ready < replicas {
        return Progress::Waiting(format!("Waiting for {} pods to be ready...", replicas - ready));
    }
    if partition > 0 {
        return if updated < replicas - partition {
            Progress::Waiting(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...",
                replicas - partition
            ))
        } else {
            Progress::Complete(format!(
                "partitioned roll out complete: {updated} new pods have been updated..."
            ))
        };
    }
    let revision = status.update_revision.clone().unwrap_or_default();
    if status.update_revision != status.current_revision {
        return Progress::Waiting(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {revision}..."
        ));
    }
    let current = status.current_replicas.unwrap_or(0);
    Progress::Complete(format!(
        "statefulset rolling update complete {current} pods at revision {revision}..."
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn progress(kind: WorkloadKind, mut object: serde_json::Value) -> Progress {
        object["apiVersion"] = json!("apps/v1");
        object["kind"] = json!(kind.as_str());
        object["metadata"]["name"] = json!("x");
        object["spec"]["selector"] = json!({});
        object["spec"]["serviceName"] = json!("x");
        object["spec"]["template"] = json!({"spec": {"containers": []}});
        judge(kind, &serde_json::from_value(object).unwrap()).unwrap().progress
    }

    fn text(progress: Progress) -> (&'static str, String) {
        match progress {
            Progress::Complete(text) => ("complete", text),
            Progress::Waiting(text) => ("waiting", text),
            Progress::Failed(text) => ("failed", text),
            Progress::Unwatched(text) => ("unwatched", text),
        }
    }

    #[test]
    fn rollouts_are_judged_like_kubectl() {
        use WorkloadKind::{CronJob, DaemonSet, Deployment, StatefulSet};
        let deployment = |status: serde_json::Value| json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status});
        let daemon_set =
            |status: serde_json::Value| json!({"metadata": {"generation": 2}, "spec": {}, "status": status});
        let stateful_set = |status: serde_json::Value, partition: i32| {
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate",
                "rollingUpdate": {"partition": partition}}}, "status": status})
        };
        let daemon = |updated: i32, available: i32| {
            json!({"observedGeneration": 2, "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0,
                "numberReady": 0, "updatedNumberScheduled": updated, "numberAvailable": available})
        };
        let cases = [
            (
                Deployment,
                deployment(json!({"observedGeneration": 1})),
                "waiting",
                "spec update to be observed",
            ),
            (
                Deployment,
                deployment(json!({"observedGeneration": 2, "updatedReplicas": 1})),
                "waiting",
                "1 out of 3 new replicas have been updated",
            ),
            (
                Deployment,
                deployment(json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4})),
                "waiting",
                "1 old replicas are pending termination",
            ),
            (
                Deployment,
                deployment(
                    json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}),
                ),
                "waiting",
                "2 of 3 updated replicas are available",
            ),
            (
                Deployment,
                deployment(
                    json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}),
                ),
                "complete",
                "successfully rolled out",
            ),
            (
                Deployment,
                deployment(
                    json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}),
                ),
                "failed",
                "exceeded its progress deadline",
            ),
            (
                Deployment,
                json!({"metadata": {"generation": 2}, "spec": {"replicas": 0}, "status": {"observedGeneration": 2}}),
                "unwatched",
                "0 replicas: no pod has pulled the image",
            ),
            (
                Deployment,
                json!({"metadata": {"generation": 2}, "spec": {"replicas": 0}, "status": {"observedGeneration": 2, "replicas": 1}}),
                "waiting",
                "1 old replicas are pending termination",
            ),
            (
                Deployment,
                json!({"metadata": {"generation": 2}, "spec": {"paused": true}, "status": {"observedGeneration": 1}}),
                "unwatched",
                "paused",
            ),
            (DaemonSet, daemon_set(daemon(1, 1)), "waiting", "1 out of 3 new pods have been updated"),
            (DaemonSet, daemon_set(daemon(3, 1)), "waiting", "1 of 3 updated pods are available"),
            (DaemonSet, daemon_set(daemon(3, 3)), "complete", "successfully rolled out"),
            (
                DaemonSet,
                json!({"metadata": {}, "spec": {}, "status": {"desiredNumberScheduled": 0}}),
                "unwatched",
                "no matching node: no pod has pulled the image",
            ),
            (
                StatefulSet,
                json!({"metadata": {}, "spec": {"replicas": 0}, "status": {"observedGeneration": 2, "replicas": 0}}),
                "unwatched",
                "0 replicas: no pod has pulled the image",
            ),
            (
                StatefulSet,
                stateful_set(json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3}), 3),
                "unwatched",
                "partition 3: its pods keep their images",
            ),
            (
                DaemonSet,
                json!({"metadata": {}, "spec": {"updateStrategy": {"type": "OnDelete"}}}),
                "unwatched",
                "delete its pods to update them",
            ),
            (
                StatefulSet,
                stateful_set(json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 1}), 0),
                "waiting",
                "2 pods to be ready",
            ),
            (
                StatefulSet,
                stateful_set(
                    json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"}),
                    0,
                ),
                "waiting",
                "1 pods at revision b",
            ),
            (
                StatefulSet,
                stateful_set(
                    json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updateRevision": "b", "currentRevision": "b"}),
                    0,
                ),
                "complete",
                "revision b",
            ),
            (
                StatefulSet,
                stateful_set(
                    json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 1}),
                    2,
                ),
                "complete",
                "partitioned roll out complete",
            ),
            (CronJob, json!({"metadata": {}, "spec": {}}), "unwatched", "next run"),
        ];
        for (kind, object, outcome, part) in cases {
            let (seen, message) = text(progress(kind, object.clone()));
            assert!(seen == outcome && message.contains(part), "{object}: {seen} {message}");
        }
    }
}
