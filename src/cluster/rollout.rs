//! How far a rollout is, by the rules and in the words of `kubectl rollout status`.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::Selector;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::list::{PAGE, api};
use super::pods;
use crate::sync::inventory::{WorkloadKind, WorkloadName};

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Complete(String),
    Waiting(String),
    Failed(String),
    /// There is nothing to wait for; the text says what will happen instead.
    Unwatched(String),
}

/// A workload's rollout and its pods at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub progress: Progress,
    /// Pods that there should be.
    pub desired: i32,
    /// A StatefulSet that waits for each pod to be ready before it goes on to the next.
    pub ordered: bool,
    /// `None` where pods may not be listed.
    pub pods: Option<Pods>,
}

/// The workload's pods that are not about to go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pods {
    /// Made from the template as it is now.
    pub new: Vec<Pod>,
    pub old: Vec<Pod>,
}

/// Reads the workload and its pods.
///
/// # Errors
/// The workload is gone or may not be read, or the server cannot be reached.
pub async fn observe(connection: &Connection, name: &WorkloadName) -> Result<Observation, Error> {
    let api = api(connection, name.kind, Some(&name.namespace));
    let object = connection.read(|| api.get(&name.name)).await?;
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let status = judge(name.kind, &object)
        .map_err(|error| Error::other(format!("{name} cannot be understood: {error}")))?;
    let mut observation = Observation {
        progress: status.progress,
        desired: status.desired,
        ordered: status.ordered,
        pods: Some(Pods::default()),
    };
    if name.kind == WorkloadKind::Pod {
        let pod = object
            .try_parse()
            .map_err(|error| Error::other(format!("{name} cannot be understood: {error}")))?;
        observation.pods = Some(Pods {
            new: vec![pod],
            old: Vec::new(),
        });
    } else if let Some((selector, template)) = status.selector {
        observation.pods = match list(connection, name, &uid, selector).await {
            Ok(listed) => {
                let (new, old) = listed
                    .into_iter()
                    .partition(|pod| pods::is_made_from(pod, &template));
                Some(Pods { new, old })
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => None,
            Err(error) => return Err(error),
        };
    }
    Ok(observation)
}

async fn list(
    connection: &Connection,
    name: &WorkloadName,
    uid: &str,
    selector: LabelSelector,
) -> Result<Vec<Pod>, Error> {
    let selector = Selector::try_from(selector)
        .map_err(|error| Error::other(format!("the selector of {name} cannot be understood: {error}")))?;
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &name.namespace);
    let mut parameters = ListParams::default().limit(PAGE).labels_from(&selector);
    let mut result = Vec::new();
    loop {
        let page = connection.read(|| api.list(&parameters)).await?;
        result.extend(page.items.into_iter().filter(|pod| is_of(pod, name, uid)));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(result),
        }
    }
}

/// Whether `pod` belongs to the workload and is there to stay. A Deployment owns pods through ReplicaSets, which are
/// called after it.
fn is_of(pod: &Pod, name: &WorkloadName, uid: &str) -> bool {
    let mut owners = pod
        .metadata
        .owner_references
        .iter()
        .flatten()
        .filter(|owner| owner.controller == Some(true));
    pod.metadata.deletion_timestamp.is_none()
        && owners.any(|owner| match name.kind {
            WorkloadKind::Deployment => {
                owner.kind == "ReplicaSet"
                    && owner
                        .name
                        .rsplit_once('-')
                        .is_some_and(|(owner, _)| owner == name.name)
            }
            _ => owner.uid == uid,
        })
}

struct Status {
    progress: Progress,
    desired: i32,
    ordered: bool,
    selector: Option<(LabelSelector, PodSpec)>,
}

impl Status {
    fn unwatched(why: impl Into<String>) -> Self {
        Self {
            progress: Progress::Unwatched(why.into()),
            desired: 0,
            ordered: false,
            selector: None,
        }
    }
}

fn judge(
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
                desired: spec.replicas.unwrap_or(1),
                ordered: false,
                selector: spec.template.spec.map(|pod| (spec.selector, pod)),
            }
        }
        WorkloadKind::DaemonSet => {
            let daemon_set: DaemonSet = object.try_parse()?;
            let progress = daemon_set_progress(&daemon_set);
            let spec = daemon_set.spec.unwrap_or_default();
            Status {
                progress,
                desired: daemon_set
                    .status
                    .map_or(0, |status| status.desired_number_scheduled),
                ordered: false,
                selector: spec.template.spec.map(|pod| (spec.selector, pod)),
            }
        }
        WorkloadKind::StatefulSet => {
            let stateful_set: StatefulSet = object.try_parse()?;
            let progress = stateful_set_progress(&stateful_set);
            let spec = stateful_set.spec.unwrap_or_default();
            Status {
                progress,
                desired: spec.replicas.unwrap_or(1),
                ordered: spec.pod_management_policy.as_deref() != Some("Parallel"),
                selector: spec.template.spec.map(|pod| (spec.selector, pod)),
            }
        }
        WorkloadKind::Pod => {
            let pod: Pod = object.try_parse()?;
            let name = pods::name(&pod);
            let progress = if pods::is_ready(&pod) {
                Progress::Complete(format!("pod \"{name}\" is ready"))
            } else {
                Progress::Waiting(format!("Waiting for pod \"{name}\" to be ready..."))
            };
            Status {
                progress,
                desired: 1,
                ordered: false,
                selector: None,
            }
        }
        WorkloadKind::CronJob => Status::unwatched("its next run uses the new images"),
        WorkloadKind::Job => Status::unwatched("its pods keep their images"),
        WorkloadKind::ReplicaSet | WorkloadKind::ReplicationController => {
            Status::unwatched("its pods keep their images until you delete them")
        }
    })
}

fn deployment_progress(deployment: &Deployment) -> Progress {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let spec = deployment.spec.clone().unwrap_or_default();
    let status = deployment.status.clone().unwrap_or_default();
    if spec.paused == Some(true) {
        return Progress::Unwatched(format!(
            "it is paused: its pods change after `kubectl rollout resume deployment/{name}`"
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
    let (updated, available) = (
        status.updated_replicas.unwrap_or(0),
        status.available_replicas.unwrap_or(0),
    );
    let waiting = |what: String| {
        Progress::Waiting(format!(
            "Waiting for deployment \"{name}\" rollout to finish: {what}..."
        ))
    };
    if updated < replicas {
        waiting(format!(
            "{updated} out of {replicas} new replicas have been updated"
        ))
    } else if total > updated {
        waiting(format!(
            "{} old replicas are pending termination",
            total - updated
        ))
    } else if available < updated {
        waiting(format!("{available} of {updated} updated replicas are available"))
    } else {
        Progress::Complete(format!("deployment \"{name}\" successfully rolled out"))
    }
}

fn daemon_set_progress(daemon_set: &DaemonSet) -> Progress {
    let name = daemon_set.metadata.name.as_deref().unwrap_or_default();
    let strategy = daemon_set
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.as_ref());
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
        return Progress::Unwatched("its update strategy is OnDelete: delete its pods yourself".to_owned());
    }
    let status = daemon_set.status.clone().unwrap_or_default();
    if daemon_set.metadata.generation > status.observed_generation {
        return Progress::Waiting("Waiting for daemon set spec update to be observed...".to_owned());
    }
    let desired = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let available = status.number_available.unwrap_or(0);
    let waiting = |what: String| {
        Progress::Waiting(format!(
            "Waiting for daemon set \"{name}\" rollout to finish: {what}..."
        ))
    };
    if updated < desired {
        waiting(format!("{updated} out of {desired} new pods have been updated"))
    } else if available < desired {
        waiting(format!("{available} of {desired} updated pods are available"))
    } else {
        Progress::Complete(format!("daemon set \"{name}\" successfully rolled out"))
    }
}

fn stateful_set_progress(stateful_set: &StatefulSet) -> Progress {
    let spec = stateful_set.spec.clone().unwrap_or_default();
    let strategy = spec.update_strategy.unwrap_or_default();
    if strategy.type_.as_deref() == Some("OnDelete") {
        return Progress::Unwatched("its update strategy is OnDelete: delete its pods yourself".to_owned());
    }
    let status = stateful_set.status.clone().unwrap_or_default();
    if status.observed_generation.unwrap_or(0) == 0
        || stateful_set.metadata.generation > status.observed_generation
    {
        return Progress::Waiting("Waiting for statefulset spec update to be observed...".to_owned());
    }
    let replicas = spec.replicas.unwrap_or(1);
    let (ready, updated) = (
        status.ready_replicas.unwrap_or(0),
        status.updated_replicas.unwrap_or(0),
    );
    if ready < replicas {
        return Progress::Waiting(format!("Waiting for {} pods to be ready...", replicas - ready));
    }
    let partition = strategy
        .rolling_update
        .and_then(|rolling| rolling.partition)
        .unwrap_or(0);
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
        judge(kind, &serde_json::from_value(object).unwrap())
            .unwrap()
            .progress
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
    fn rollouts_are_judged_as_kubectl_judges_them() {
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
                "complete",
                "successfully rolled out",
            ),
            (
                Deployment,
                json!({"metadata": {"generation": 2}, "spec": {"paused": true}, "status": {"observedGeneration": 1}}),
                "unwatched",
                "paused",
            ),
            (
                DaemonSet,
                daemon_set(daemon(1, 1)),
                "waiting",
                "1 out of 3 new pods have been updated",
            ),
            (
                DaemonSet,
                daemon_set(daemon(3, 1)),
                "waiting",
                "1 of 3 updated pods are available",
            ),
            (
                DaemonSet,
                daemon_set(daemon(3, 3)),
                "complete",
                "successfully rolled out",
            ),
            (
                DaemonSet,
                json!({"metadata": {}, "spec": {"updateStrategy": {"type": "OnDelete"}}}),
                "unwatched",
                "delete its pods yourself",
            ),
            (
                StatefulSet,
                stateful_set(
                    json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 1}),
                    0,
                ),
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
            (
                CronJob,
                json!({"metadata": {}, "spec": {}}),
                "unwatched",
                "next run",
            ),
        ];
        for (kind, object, outcome, part) in cases {
            let (seen, message) = text(progress(kind, object.clone()));
            assert!(
                seen == outcome && message.contains(part),
                "{object}: {seen} {message}"
            );
        }
    }
}
