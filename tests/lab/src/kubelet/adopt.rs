//! Taking over pods that an earlier run of the lab started in a seeded cluster.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};

use super::image::Name;
use super::lifecycle::{Exit, Record, State, containers};
use super::pull::{Behaviour, Pulled};

/// The records of the pod's containers: from its status, or else with no history.
pub(super) fn adopt(pod: &Pod) -> Vec<Record> {
    let status = pod.status.as_ref();
    let statuses = |list: Option<&Vec<ContainerStatus>>| list.cloned().unwrap_or_default();
    let mut reported = statuses(status.and_then(|status| status.init_container_statuses.as_ref()));
    reported.extend(statuses(status.and_then(|status| status.container_statuses.as_ref())));
    containers(pod)
        .map(|(_, container)| {
            let mut record = Record::new(container);
            if let Some(status) = reported.iter().find(|status| status.name == record.name) {
                restore(&mut record, status);
            }
            record
        })
        .collect()
}

fn restore(record: &mut Record, status: &ContainerStatus) {
    record.restarts = status.restart_count;
    record.crashes = u32::try_from(status.restart_count).unwrap_or_default();
    record.last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref()).map(exit);
    let Some(ContainerState { running, terminated, .. }) = &status.state else {
        return;
    };
    let id = status.container_id.as_deref().unwrap_or_default().trim_start_matches("containerd://");
    if let Some(running) = running {
        let started = running.started_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        record.state = State::Running { id: id.to_owned(), started, ready: status.ready };
    } else if let Some(terminated) = terminated {
        record.state = State::Exited(exit(terminated));
    } else {
        return;
    }
    record.pulled = Some(Pulled {
        name: status.image.clone(),
        id: status.image_id.clone(),
        size: 0,
        behaviour: if record.is_running() && !status.ready { Behaviour::Unready } else { Behaviour::Run },
        program: None,
    });
    // An image that was changed while the lab was down is treated as a change, and not as the running image.
    if Name::parse(&record.image).is_ok_and(|name| name.full() != status.image) {
        record.image.clone_from(&status.image);
    }
}

fn exit(terminated: &ContainerStateTerminated) -> Exit {
    let time = |time: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
        time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    };
    Exit {
        id: terminated
            .container_id
            .as_deref()
            .unwrap_or_default()
            .trim_start_matches("containerd://")
            .to_owned(),
        code: terminated.exit_code,
        started: time(&terminated.started_at),
        finished: time(&terminated.finished_at),
        output: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::lifecycle::{Delays, Next, next};
    use serde_json::json;

    fn pod(image: &str, status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "spec": {"containers": [{"name": "agent", "image": image}]},
            "status": {"containerStatuses": [status]},
        }))
        .unwrap()
    }

    #[test]
    fn running_containers_keep_running() {
        let pod = pod(
            "castai/agent:v1",
            &json!({
                "name": "agent", "image": "docker.io/castai/agent:v1", "imageID": "docker.io/castai/agent@sha256:1",
                "ready": true, "restartCount": 2, "containerID": "containerd://abc",
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }),
        );
        let records = adopt(&pod);
        assert_eq!(records[0].restarts, 2);
        assert_eq!(
            records[0].state,
            State::Running {
                id: "abc".into(),
                started: "2026-01-01T00:00:00Z".parse().unwrap(),
                ready: true
            }
        );
        assert_eq!(next(&pod, &records, &Delays::default(), Timestamp::now()), Next::Never);
    }

    #[test]
    fn an_image_changed_while_the_lab_was_down_is_noticed() {
        let pod = pod(
            "castai/agent:v2",
            &json!({
                "name": "agent", "image": "docker.io/castai/agent:v1", "imageID": "", "ready": true,
                "restartCount": 0, "state": {"running": {}},
            }),
        );
        assert_ne!(adopt(&pod)[0].image, "castai/agent:v2");
    }

    #[test]
    fn waiting_containers_are_retried() {
        let pod = pod(
            "castai/agent:v2",
            &json!({
                "name": "agent", "image": "castai/agent:v2", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff"}},
            }),
        );
        assert_eq!(adopt(&pod)[0].state, State::Created);
    }
}
