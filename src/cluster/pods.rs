//! Judges the pods of a workload: which ones are new, whether they started, and what their problems are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::LogParams;
use serde::Serialize;

use super::connect::Connection;
use super::error::plain;
use crate::model::image::Image;
use crate::model::image_field::{Variables, locate_image_fields};
use crate::model::pod_template::PodTemplate;

/// Number of lines shown from a crashed container's log.
const LOG_LINES: i64 = 5;
/// Maximum bytes of a log to read.
const LOG_BYTES: i64 = 16 * 1024;

/// Our reason for [`ProblemKind::Renamed`].
const IMAGE_CHANGED: &str = "ImageChanged";

/// A problem that keeps a pod from running, or from running its images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PodProblem {
    pub pod: String,
    /// `None` if it concerns the whole pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    pub kind: ProblemKind,
    /// Kubernetes' reason, such as `ImagePullBackOff`; `ImageChanged` if admission changed the image.
    pub reason: String,
    pub message: String,
    /// Last lines of a crashed container's log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl PodProblem {
    /// Whether the kubelet retries by itself and may succeed, for example after a short outage of the registry.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "ErrImagePull"
                | "ImagePullBackOff"
                | "CreateContainerError"
                | "RunContainerError"
                | IMAGE_CHANGED
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ProblemKind {
    /// The image cannot be pulled or is invalid.
    Image,
    /// The container cannot be created, for example because a Secret is missing.
    Configuration,
    /// The container starts and exits repeatedly.
    Crash,
    /// Currently no node fits the pod.
    Unschedulable,
    /// The pod runs another image than its controller's template names.
    Renamed,
}

/// The problems of `pod`, in the order of its containers.
pub fn problems(pod: &Pod) -> Vec<PodProblem> {
    let name = name(pod);
    let mut problems = Vec::new();
    if let Some(condition) =
        pod.status.iter().flat_map(|status| status.conditions.iter().flatten()).find(|condition| {
            condition.type_ == "PodScheduled"
                && condition.status == "False"
                && condition.reason.as_deref() == Some("Unschedulable")
        })
    {
        problems.push(PodProblem {
            pod: name.clone(),
            container: None,
            kind: ProblemKind::Unschedulable,
            reason: "Unschedulable".to_owned(),
            message: plain(condition.message.as_deref().unwrap_or_default()),
            log: Vec::new(),
        });
    }
    for status in statuses(pod) {
        let Some(waiting) = status.state.as_ref().and_then(|state| state.waiting.as_ref()) else {
            continue;
        };
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let Some(kind) = kind_of(reason) else { continue };
        problems.push(PodProblem {
            pod: name.clone(),
            container: Some(status.name.clone()),
            kind,
            reason: reason.to_owned(),
            message: plain(waiting.message.as_deref().unwrap_or_default()),
            log: Vec::new(),
        });
    }
    problems
}

/// Containers between two starts of a crash loop: they have failed and are about to be started again, or were and are not
/// ready. A rollout waits for what comes of them.
pub fn failed_containers(pod: &Pod) -> Vec<PodProblem> {
    let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    if policy.is_some_and(|policy| policy != "Always") {
        return Vec::new();
    }
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    containers.filter_map(|status| failed_container(&name(pod), status)).collect()
}

fn failed_container(pod: &str, status: &ContainerStatus) -> Option<PodProblem> {
    let state = status.state.as_ref()?;
    let is_restarted = state.running.is_some() && !status.ready;
    let last = status.last_state.as_ref().filter(|_| is_restarted);
    let terminated = state.terminated.as_ref().or_else(|| last?.terminated.as_ref())?;
    (terminated.exit_code != 0).then(|| PodProblem {
        pod: pod.to_owned(),
        container: Some(status.name.clone()),
        kind: ProblemKind::Crash,
        reason: terminated.reason.clone().unwrap_or_else(|| "Error".to_owned()),
        message: format!("exit code {}", terminated.exit_code),
        log: Vec::new(),
    })
}

/// The kubelet's reasons for a waiting container, without those that are only temporary.
fn kind_of(reason: &str) -> Option<ProblemKind> {
    match reason {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull"
        | "ImageInspectError" => Some(ProblemKind::Image),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            Some(ProblemKind::Configuration)
        }
        "CrashLoopBackOff" => Some(ProblemKind::Crash),
        _ => None,
    }
}

/// Whether every image of `pod` was pulled and every container started, even if it exited later. If an init container
/// crashes, the ones after it cannot start yet.
pub fn started(pod: &Pod) -> bool {
    let started = |status: &ContainerStatus| {
        let ran = |state: Option<&k8s_openapi::api::core::v1::ContainerState>| {
            state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        ran(status.state.as_ref()) || ran(status.last_state.as_ref()) || status.restart_count > 0
    };
    let Some(status) = &pod.status else { return false };
    let init = status.init_container_statuses.as_deref().unwrap_or_default();
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let expected = pod.spec.as_ref().map_or(0, |spec| spec.containers.len());
    init.iter().any(|status| started(status) && is_crashing(status))
        || (containers.len() == expected && containers.iter().all(started))
}

fn is_crashing(status: &ContainerStatus) -> bool {
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    waiting.is_some_and(|waiting| waiting.reason.as_deref() == Some("CrashLoopBackOff"))
}

/// Whether `pod` was created from `template`, judged by images only: changes by admission are ignored.
pub fn is_made_from(pod: &Pod, template: &PodTemplate, variables: &Variables) -> bool {
    let current: BTreeMap<_, _> = locate_image_fields(&pod.into(), variables)
        .into_iter()
        .map(|field| (field.image_field, field.value))
        .collect();
    locate_image_fields(template, variables)
        .iter()
        .all(|field| current.get(&field.image_field) == Some(&field.value))
}

/// The first image of `pod` in another repository than that of `template`, if any. Admission may complete a name or add a
/// digest, and the image remains the same.
pub fn renamed(pod: &Pod, template: &PodTemplate) -> Option<PodProblem> {
    // Only images that a kubelet pulls.
    let locate = |pod: &PodTemplate| locate_image_fields(pod, &Variables::default());
    let current = locate(&pod.into());
    let is_other = |wanted: &str, found: &str| match (wanted.parse::<Image>(), found.parse::<Image>()) {
        (Ok(wanted), Ok(found)) => (wanted.host(), wanted.path()) != (found.host(), found.path()),
        _ => wanted != found,
    };
    locate(template).into_iter().find_map(|wanted| {
        let found = current.iter().find(|found| found.image_field == wanted.image_field)?;
        is_other(&wanted.value, &found.value).then(|| PodProblem {
            pod: name(pod),
            container: found.image_field.container().map(str::to_owned),
            kind: ProblemKind::Renamed,
            reason: IMAGE_CHANGED.to_owned(),
            message: format!(
                "it runs {} instead of {}, because an admission policy or webhook changes images of new pods",
                found.value, wanted.value
            ),
            log: Vec::new(),
        })
    })
}

/// Whether `pod` has finished.
pub fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}

pub fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether each of `containers` is running, and was restarted since `before`.
pub fn was_restarted(before: &Pod, now: &Pod, containers: &[&str]) -> bool {
    let identity = |pod: &Pod, name: &str| {
        statuses(pod)
            .find(|status| {
                status.name == name && status.state.as_ref().is_some_and(|state| state.running.is_some())
            })
            .and_then(|status| status.container_id.clone())
    };
    containers.iter().all(|name| {
        let now = identity(now, name);
        now.is_some() && now != identity(before, name)
    })
}

pub fn name(pod: &Pod) -> String {
    pod.metadata.name.clone().unwrap_or_default()
}

/// Adds the last lines of crashed containers' logs, if they can be read.
pub async fn add_logs(connection: &Connection, namespace: &str, problems: &mut [PodProblem]) {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), namespace);
    for problem in problems.iter_mut().filter(|problem| problem.kind == ProblemKind::Crash) {
        let parameters = |previous| LogParams {
            container: problem.container.clone(),
            previous,
            tail_lines: Some(LOG_LINES),
            limit_bytes: Some(LOG_BYTES),
            ..LogParams::default()
        };
        let mut text = connection.once(api.logs(&problem.pod, &parameters(true))).await.unwrap_or_default();
        if text.is_empty() {
            text = connection.once(api.logs(&problem.pod, &parameters(false))).await.unwrap_or_default();
        }
        problem.log = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    }
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
    })
}

#[cfg(test)]
mod tests;
