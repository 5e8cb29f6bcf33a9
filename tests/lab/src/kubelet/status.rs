//! The status of a pod as the kubelet reports it, from the records of its containers.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::lifecycle::{Exit, Missing, Record, Role, State, containers, restarts};

/// Where a pod runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) host: Ipv4Addr,
    pub(super) pod: Ipv4Addr,
}

/// The status of `pod`; `reported` is the last reported one, for the times of its conditions.
pub(super) fn status(
    pod: &Pod,
    records: &[Record],
    reported: Option<&PodStatus>,
    addresses: Addresses,
    now: Timestamp,
) -> PodStatus {
    let initialized = initialized(pod, records);
    let phase = phase(pod, records);
    let statuses = |init: bool| -> Vec<ContainerStatus> {
        containers(pod)
            .zip(records)
            .filter(|((role, _), _)| (*role != Role::Main) == init)
            .map(|((role, _), record)| container_status(pod, role, record, initialized))
            .collect()
    };
    let (init_statuses, main_statuses) = (statuses(true), statuses(false));
    let unready: Vec<&str> = containers(pod)
        .zip(init_statuses.iter().chain(&main_statuses))
        .filter(|((role, _), status)| *role != Role::Init && !status.ready)
        .map(|(_, status)| status.name.as_str())
        .collect();
    let incomplete: Vec<&str> = containers(pod)
        .zip(records)
        .filter(|((role, _), record)| !is_initialized(*role, record))
        .map(|(_, record)| record.name.as_str())
        .collect();
    let ready = match phase {
        "Succeeded" => Verdict::no("PodCompleted", String::new()),
        "Failed" => Verdict::no("PodFailed", String::new()),
        _ if unready.is_empty() => Verdict::YES,
        _ => Verdict::no(
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    let initialized = match phase {
        "Succeeded" => Verdict { reason: Some("PodCompleted"), ..Verdict::YES },
        _ if initialized => Verdict::YES,
        _ => Verdict::no(
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{}]", incomplete.join(" ")),
        ),
    };
    let has_sandbox = if matches!(phase, "Succeeded" | "Failed") {
        Verdict { status: "False", ..Verdict::YES }
    } else {
        Verdict::YES
    };
    let generation = pod.metadata.generation;
    let conditions = [
        ("PodReadyToStartContainers", has_sandbox),
        ("Initialized", initialized),
        ("Ready", ready.clone()),
        ("ContainersReady", ready),
    ];
    PodStatus {
        phase: Some(phase.to_owned()),
        observed_generation: generation,
        host_ip: Some(addresses.host.to_string()),
        host_ips: Some(vec![HostIP { ip: addresses.host.to_string() }]),
        pod_ip: Some(addresses.pod.to_string()),
        pod_ips: Some(vec![PodIP { ip: addresses.pod.to_string() }]),
        start_time: reported.and_then(|status| status.start_time.clone()).or(Some(Time(now))),
        init_container_statuses: (!init_statuses.is_empty()).then_some(init_statuses),
        container_statuses: Some(main_statuses),
        conditions: Some(
            conditions
                .into_iter()
                .map(|(type_, verdict)| condition(type_, verdict, reported, generation, now))
                .collect(),
        ),
        ..PodStatus::default()
    }
}

/// The patch that replaces the status of the pod by `status`.
///
/// Conditions are merged one by one, so that those of the scheduler are kept; a removed field of a condition has to
/// be named in the patch.
pub(super) fn patch(pod: &Pod, status: &PodStatus) -> Value {
    let mut status = json!(status);
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        for field in ["reason", "message"] {
            if condition[field].is_null() {
                condition[field] = Value::Null;
            }
        }
    }
    // Because of the uid, a newer pod with the same name is not changed.
    json!({"metadata": {"uid": pod.metadata.uid}, "status": status})
}

#[derive(Clone)]
struct Verdict {
    status: &'static str,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    const YES: Self = Self { status: "True", reason: None, message: None };

    fn no(reason: &'static str, message: String) -> Self {
        Self { status: "False", reason: Some(reason), message: (!message.is_empty()).then_some(message) }
    }
}

fn condition(
    type_: &str,
    verdict: Verdict,
    reported: Option<&PodStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> PodCondition {
    let before = reported
        .and_then(|status| status.conditions.as_ref())
        .and_then(|conditions| conditions.iter().find(|condition| condition.type_ == type_));
    let transition = before
        .filter(|condition| condition.status == verdict.status)
        .and_then(|condition| condition.last_transition_time.clone());
    PodCondition {
        type_: type_.to_owned(),
        status: verdict.status.to_owned(),
        reason: verdict.reason.map(str::to_owned),
        message: verdict.message,
        observed_generation: generation,
        last_transition_time: transition.or(Some(Time(now))),
        last_probe_time: None,
    }
}

/// The pod's phase, by the rules of the kubelet's `getPhase`.
fn phase(pod: &Pod, records: &[Record]) -> &'static str {
    let is_final = |role: Role, record: &Record| match &record.state {
        State::Exited(exit) if !restarts(pod, role, exit.code) => Some(exit.code),
        _ => None,
    };
    let failed_to_initialize = containers(pod).zip(records).any(|((role, _), record)| {
        role == Role::Init && is_final(role, record).is_some_and(|code| code != 0)
    });
    if failed_to_initialize {
        return "Failed";
    }
    let mains: Vec<&Record> = containers(pod)
        .zip(records)
        .filter(|((role, _), _)| *role == Role::Main)
        .map(|(_, record)| record)
        .collect();
    let never_ran = |record: &Record| {
        matches!(record.state, State::Created | State::NoImage { .. }) && record.last.is_none()
    };
    if !initialized(pod, records) || mains.iter().any(|record| never_ran(record)) {
        return "Pending";
    }
    let codes: Option<Vec<i32>> = mains.iter().map(|record| is_final(Role::Main, record)).collect();
    match codes {
        None => "Running",
        Some(codes) if codes.iter().all(|code| *code == 0) => "Succeeded",
        Some(_) => "Failed",
    }
}

fn initialized(pod: &Pod, records: &[Record]) -> bool {
    // Once a main container has run, a restarting sidecar does not undo the initialisation.
    containers(pod).zip(records).all(|((role, _), record)| is_initialized(role, record))
        || containers(pod)
            .zip(records)
            .any(|((role, _), record)| role == Role::Main && (record.is_running() || record.last.is_some()))
}

fn is_initialized(role: Role, record: &Record) -> bool {
    match role {
        Role::Main => true,
        Role::Sidecar => record.is_running() || record.last.is_some(),
        Role::Init => matches!(&record.state, State::Exited(exit) if exit.code == 0),
    }
}

fn container_status(pod: &Pod, role: Role, record: &Record, initialized: bool) -> ContainerStatus {
    let waits_for_init = role == Role::Main && !initialized;
    let has_init = containers(pod).any(|(role, _)| role != Role::Main);
    let (state, ready, id) = match &record.state {
        State::Created if waits_for_init || has_init => (waiting("PodInitializing", None), false, None),
        State::Created => (waiting("ContainerCreating", None), false, None),
        State::NoImage { missing, message, .. } => {
            let message = match missing {
                Missing::BackOff => {
                    format!("Back-off pulling image \"{}\": ErrImagePull: {message}", record.image)
                }
                Missing::Pull | Missing::NeverPull | Missing::InvalidName => message.clone(),
            };
            (waiting(missing.reason(), Some(message)), false, None)
        }
        State::Running { id, started, ready } => {
            let running = ContainerStateRunning { started_at: Some(Time(*started)) };
            (ContainerState { running: Some(running), ..ContainerState::default() }, *ready, Some(id))
        }
        State::Exited(exit) => (terminated(exit), role == Role::Init && exit.code == 0, Some(&exit.id)),
        State::CrashLoop(exit) => {
            let message = format!(
                "back-off {} restarting failed container={} pod={}",
                nominal_delay(record.crashes),
                record.name,
                pod_name(pod)
            );
            (waiting("CrashLoopBackOff", Some(message)), false, Some(&exit.id))
        }
    };
    let shown = record.pulled.as_ref().filter(|_| id.is_some());
    let last = match &record.state {
        State::CrashLoop(exit) => Some(exit),
        _ => record.last.as_ref(),
    };
    ContainerStatus {
        name: record.name.clone(),
        image: shown.map_or_else(|| record.image.clone(), |pulled| pulled.name.clone()),
        image_id: shown.map(|pulled| pulled.id.clone()).unwrap_or_default(),
        container_id: id.map(|id| format!("containerd://{id}")),
        ready,
        started: Some(record.is_running()),
        restart_count: record.restarts,
        state: Some(state),
        last_state: Some(last.map(terminated).unwrap_or_default()),
        ..ContainerStatus::default()
    }
}

/// The delay in the kubelet's message after this number of crashes; the lab's own delays are shorter.
fn nominal_delay(crashes: u32) -> &'static str {
    match crashes {
        0..=2 => "10s",
        3 => "20s",
        4 => "40s",
        5 => "1m20s",
        6 => "2m40s",
        _ => "5m0s",
    }
}

/// The pod as in the kubelet's messages.
pub(super) fn pod_name(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!("{}_{}({})", text(&metadata.name), text(&metadata.namespace), text(&metadata.uid))
}

fn waiting(reason: &str, message: Option<String>) -> ContainerState {
    let waiting = ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    ContainerState { waiting: Some(waiting), ..ContainerState::default() }
}

fn terminated(exit: &Exit) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            container_id: Some(format!("containerd://{}", exit.id)),
            exit_code: exit.code,
            reason: Some(if exit.code == 0 { "Completed" } else { "Error" }.to_owned()),
            started_at: Some(Time(exit.started)),
            finished_at: Some(Time(exit.finished)),
            message: exit
                .output
                .as_ref()
                .map(|output| output.message.clone())
                .filter(|text| !text.is_empty()),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
