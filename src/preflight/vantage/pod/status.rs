//! How far a probe pod is, by its status and its events.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Event, Pod};
use probe::pod::{self, InvalidReport, PodReport};

use crate::preflight::pods::{Ended, Phase, Trouble};
use crate::printable::one_line;

/// Maximum length of a text of the cluster, in characters.
const TEXT: usize = 1000;

/// Maximum size of a report, in bytes: 1000 hosts take less.
pub const REPORT_BYTES: usize = 4 * 1024 * 1024;

/// How far a pod is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Its container has not started; with what the kubelet waits for, if it says so.
    Waiting(Option<String>),
    Running,
    Ended(Ended),
    /// It ran, and its report is only complete in its log; with what the termination message has.
    EndedWithLog(Result<PodReport, Trouble>),
}

/// The state of a pod by its status.
pub fn state(pod: &Pod) -> State {
    let failed =
        |phase, reason: &str, message: &str| State::Ended(Ended::Failed(trouble(phase, reason, message)));
    let status = pod.status.clone().unwrap_or_default();
    let (reason, message) =
        (status.reason.as_deref().unwrap_or_default(), status.message.as_deref().unwrap_or_default());
    let container = status.container_statuses.iter().flatten().next();
    match container.and_then(|container| container.state.as_ref()) {
        Some(ContainerState { terminated: Some(terminated), .. }) => {
            return ended(terminated, reason, message);
        }
        Some(ContainerState { running: Some(_), .. }) => return State::Running,
        Some(ContainerState { waiting: Some(waiting), .. }) => {
            let (reason, message) = (
                waiting.reason.as_deref().unwrap_or_default(),
                waiting.message.as_deref().unwrap_or_default(),
            );
            if let Some(phase) = phase_of_waiting(reason) {
                return failed(phase, reason, message);
            }
        }
        _ => {}
    }
    if status.phase.as_deref() == Some("Failed") {
        return failed(Phase::Run, reason, message);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return failed(Phase::Run, "Deleted", "the pod was deleted before it reported");
    }
    let unscheduled = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && matches!(condition.reason.as_deref(), Some("Unschedulable" | "SchedulingGated"))
    });
    if let Some(condition) = unscheduled {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        return failed(Phase::Schedule, &text(&condition.reason), &text(&condition.message));
    }
    let is_scheduled = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let waiting = if is_scheduled { "its container has not started" } else { "it is not scheduled" };
    State::Waiting(Some(waiting.to_owned()))
}

/// The phase in which a container waits in vain (Kubernetes `pkg/kubelet/images/types.go`, `pkg/kubelet/kuberuntime` and
/// `pkg/errors/errors.go` of `k8s.io/cri-api`).
fn phase_of_waiting(reason: &str) -> Option<Phase> {
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Some(Phase::Pull),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some(Phase::Run),
        _ => None,
    }
}

fn ended(terminated: &ContainerStateTerminated, reason: &str, message: &str) -> State {
    let text = terminated.message.as_deref().unwrap_or_default();
    match pod::decode_message(text, REPORT_BYTES) {
        Ok(report) if report.omitted == 0 => State::Ended(Ended::Reported(report)),
        Ok(report) => State::EndedWithLog(Ok(report)),
        // The probe writes a report whenever it ends by itself.
        Err(InvalidReport::Missing) if terminated.exit_code != 0 => {
            // The reason of the pod says more: `DeadlineExceeded`, `Evicted`.
            let own = terminated.reason.as_deref().unwrap_or("Error");
            let reason = if reason.is_empty() { own } else { reason };
            let parts = [format!("exit code {}", terminated.exit_code), message.to_owned(), text.to_owned()];
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            State::Ended(Ended::Failed(trouble(Phase::Run, reason, &parts.join(": "))))
        }
        Err(error) => State::EndedWithLog(Err(trouble(Phase::Run, "InvalidReport", &error.to_string()))),
    }
}

/// What a warning event says about a pod that has not started, if that ends it: the status has no reason for these.
pub fn trouble_of_event(event: &Event) -> Option<Trouble> {
    let phase = match event.reason.as_deref()? {
        "FailedScheduling" => Phase::Schedule,
        "FailedCreatePodSandBox" | "NetworkNotReady" => Phase::Sandbox,
        _ => return None,
    };
    Some(trouble(phase, event.reason.as_deref()?, event.message.as_deref().unwrap_or_default()))
}

/// A trouble with texts of the cluster, each on one line.
pub fn trouble(phase: Phase, reason: &str, message: &str) -> Trouble {
    Trouble { phase, reason: one_line(reason, 100), message: one_line(message, TEXT) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> Pod {
        let spec = json!({"nodeName": "n", "containers": []});
        serde_json::from_value(json!({"metadata": {}, "spec": spec, "status": status})).unwrap()
    }

    fn container(state: &Value) -> Value {
        let container = json!({
            "name": "probe", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        });
        json!({"containerStatuses": [container]})
    }

    fn waiting(reason: &str) -> Value {
        container(&json!({"waiting": {"reason": reason, "message": "say\u{7}why"}}))
    }

    fn report(hosts: usize) -> PodReport {
        let target = probe::Target {
            endpoint: "api.cast.ai".parse().unwrap(),
            layer: probe::Layer::Dns,
            connect: probe::Connect::Anywhere,
        };
        let host = probe::HostFacts::new(target, jiff::Timestamp::UNIX_EPOCH);
        PodReport {
            version: pod::VERSION,
            probe: "v0".to_owned(),
            name_servers: Vec::new(),
            hosts: vec![host; hosts],
            omitted: 0,
        }
    }

    fn terminated(code: i32, message: &str) -> Value {
        container(&json!({"terminated": {"exitCode": code, "reason": "Error", "message": message}}))
    }

    #[test]
    fn a_pod_that_cannot_start_has_ended_at_once() {
        let cases = [
            (waiting("ErrImagePull"), Phase::Pull, "ErrImagePull: say why"),
            (waiting("ImagePullBackOff"), Phase::Pull, "ImagePullBackOff: say why"),
            (waiting("InvalidImageName"), Phase::Pull, "InvalidImageName: say why"),
            (waiting("CreateContainerConfigError"), Phase::Run, "CreateContainerConfigError: say why"),
            (json!({"phase": "Failed", "reason": "Evicted", "message": "low"}), Phase::Run, "Evicted: low"),
            (
                json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}]}),
                Phase::Schedule,
                "Unschedulable: 0/1",
            ),
            (terminated(2, "no request"), Phase::Run, "Error: exit code 2: no request"),
        ];
        for (status, phase, text) in cases {
            let State::Ended(Ended::Failed(trouble)) = state(&pod(&status)) else { panic!("{status}") };
            assert_eq!((trouble.phase, trouble.to_text().as_str()), (phase, text));
        }
        let mut status = terminated(137, "");
        status["reason"] = json!("DeadlineExceeded");
        let State::Ended(Ended::Failed(trouble)) = state(&pod(&status)) else { panic!() };
        assert_eq!(trouble.to_text(), "DeadlineExceeded: exit code 137");
    }

    #[test]
    fn a_pod_that_may_still_start_has_not_ended() {
        for status in
            [json!({}), waiting("ContainerCreating"), waiting("PodInitializing"), json!({"phase": "Pending"})]
        {
            assert!(matches!(state(&pod(&status)), State::Waiting(_)), "{status}");
        }
        assert_eq!(state(&pod(&container(&json!({"running": {}})))), State::Running);
    }

    #[test]
    fn a_report_is_read_from_the_termination_message() {
        let message = pod::encode_message(&report(2), pod::MESSAGE_BYTES);
        assert_eq!(state(&pod(&terminated(0, &message))), State::Ended(Ended::Reported(report(2))));
        // One that did not fit is complete in the log.
        let short = PodReport { omitted: 3, ..report(1) };
        let message = pod::encode_message(&short, pod::MESSAGE_BYTES);
        assert_eq!(state(&pod(&terminated(0, &message))), State::EndedWithLog(Ok(short)));
        for message in ["", "deflate:!", "deflate:AAAA"] {
            let State::EndedWithLog(Err(trouble)) = state(&pod(&terminated(0, message))) else {
                panic!("{message}")
            };
            assert_eq!(trouble.reason, "InvalidReport");
        }
    }

    #[test]
    fn events_end_a_pod_whose_status_has_no_reason() {
        for (reason, expected) in [
            ("FailedCreatePodSandBox", Some(Phase::Sandbox)),
            ("FailedScheduling", Some(Phase::Schedule)),
            ("FailedMount", None),
            ("Pulling", None),
        ] {
            let event: Event = serde_json::from_value(
                json!({"metadata": {}, "involvedObject": {}, "reason": reason, "message": "no IP\naddress"}),
            )
            .unwrap();
            let seen = trouble_of_event(&event);
            assert_eq!(seen.as_ref().map(|trouble| trouble.phase), expected);
            assert!(seen.is_none_or(|trouble| trouble.message == "no IP address"));
        }
    }
}
