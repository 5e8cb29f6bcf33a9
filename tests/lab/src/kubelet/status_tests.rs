use serde_json::json;

use super::*;
use crate::kubelet::pull::{Behaviour, Pulled};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const ADDRESSES: Addresses =
    Addresses { host: Ipv4Addr::new(10, 0, 1, 10), pod: Ipv4Addr::new(10, 0, 64, 4) };

fn pod(restart_policy: &str, with_init: bool) -> Pod {
    let init = if with_init { json!([{"name": "init", "image": "castai/init:1"}]) } else { json!([]) };
    serde_json::from_value(json!({
        "metadata": {"name": "agent-0", "namespace": "castai-agent", "uid": "u", "generation": 3},
        "spec": {
            "restartPolicy": restart_policy,
            "initContainers": init,
            "containers": [{"name": "agent", "image": "castai/agent:1"}],
        },
    }))
    .unwrap()
}

fn records(pod: &Pod) -> Vec<Record> {
    containers(pod).map(|(_, container)| Record::new(container)).collect()
}

fn start(record: &mut Record) {
    let pulled = Pulled {
        name: format!("docker.io/{}", record.image),
        id: "docker.io/castai/agent@sha256:1".into(),
        size: 1,
        behaviour: Behaviour::Run,
        program: None,
    };
    record.start("abc".into(), pulled, false, NOW);
}

fn report(pod: &Pod, records: &[Record]) -> PodStatus {
    status(pod, records, None, ADDRESSES, NOW)
}

fn condition_status<'a>(status: &'a PodStatus, type_: &str) -> (&'a str, Option<&'a str>, Option<&'a str>) {
    let condition =
        status.conditions.as_ref().unwrap().iter().find(|condition| condition.type_ == type_).unwrap();
    (&condition.status, condition.reason.as_deref(), condition.message.as_deref())
}

fn reason(status: &ContainerStatus) -> (Option<&str>, Option<&str>) {
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    (
        waiting.and_then(|waiting| waiting.reason.as_deref()),
        waiting.and_then(|waiting| waiting.message.as_deref()),
    )
}

#[test]
fn a_running_pod() {
    let pod = pod("Always", false);
    let mut records = records(&pod);
    start(&mut records[0]);
    let status = report(&pod, &records);
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(status.observed_generation, Some(3));
    for type_ in ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"] {
        assert_eq!(condition_status(&status, type_), ("True", None, None), "{type_}");
    }
    let container = &status.container_statuses.unwrap()[0];
    assert!(container.ready);
    assert_eq!(container.image, "docker.io/castai/agent:1");
    assert_eq!(container.image_id, "docker.io/castai/agent@sha256:1");
    assert_eq!(container.container_id.as_deref(), Some("containerd://abc"));
}

#[test]
fn a_pod_whose_image_is_missing() {
    let pod = pod("Always", false);
    let mut records = records(&pod);
    records[0].fail_pull(Missing::Pull, "rpc error: no".into(), NOW);
    let status = report(&pod, &records);
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    let message = "containers with unready status: [agent]";
    assert_eq!(condition_status(&status, "Ready"), ("False", Some("ContainersNotReady"), Some(message)));
    let containers = status.container_statuses.unwrap();
    assert_eq!(reason(&containers[0]), (Some("ErrImagePull"), Some("rpc error: no")));

    records[0].state =
        State::NoImage { missing: Missing::BackOff, message: "rpc error: no".into(), since: NOW };
    let containers = report(&pod, &records).container_statuses.unwrap();
    let message = "Back-off pulling image \"castai/agent:1\": ErrImagePull: rpc error: no";
    assert_eq!(reason(&containers[0]), (Some("ImagePullBackOff"), Some(message)));
    assert_eq!(containers[0].image, "castai/agent:1");
}

#[test]
fn a_pod_that_initializes() {
    let pod = pod("Always", true);
    let mut records = records(&pod);
    start(&mut records[0]);
    let status = report(&pod, &records);
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    let message = "containers with incomplete status: [init]";
    assert_eq!(
        condition_status(&status, "Initialized"),
        ("False", Some("ContainersNotInitialized"), Some(message))
    );
    assert_eq!(reason(&status.container_statuses.unwrap()[0]), (Some("PodInitializing"), None));

    records[0].exit(0, NOW);
    start(&mut records[1]);
    let status = report(&pod, &records);
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(condition_status(&status, "Initialized").0, "True");
    assert!(status.init_container_statuses.unwrap()[0].ready);
}

#[test]
fn a_crash_loop() {
    let pod = pod("Always", false);
    let mut records = records(&pod);
    start(&mut records[0]);
    records[0].exit(1, NOW);
    start(&mut records[0]);
    records[0].exit(1, NOW);
    let State::Exited(exit) = records[0].state.clone() else { panic!("{records:?}") };
    records[0].state = State::CrashLoop(exit);
    let status = report(&pod, &records);
    assert_eq!(status.phase.as_deref(), Some("Running"));
    let container = &status.container_statuses.unwrap()[0];
    let message = "back-off 10s restarting failed container=agent pod=agent-0_castai-agent(u)";
    assert_eq!(reason(container), (Some("CrashLoopBackOff"), Some(message)));
    assert_eq!(container.restart_count, 1);
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref()).unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (1, Some("Error")));
}

#[test]
fn phases_at_the_end() {
    for (policy, with_init, codes, expected) in [
        ("Never", false, vec![0], "Succeeded"),
        ("Never", false, vec![1], "Failed"),
        ("OnFailure", false, vec![0], "Succeeded"),
        ("OnFailure", false, vec![1], "Running"),
        ("Always", false, vec![0], "Running"),
        ("Never", true, vec![1], "Failed"),
        ("OnFailure", true, vec![1], "Pending"),
        ("Never", true, vec![0, 0], "Succeeded"),
    ] {
        let pod = pod(policy, with_init);
        let mut records = records(&pod);
        for (record, code) in records.iter_mut().zip(&codes) {
            start(record);
            record.exit(*code, NOW);
        }
        let status = report(&pod, &records);
        assert_eq!(status.phase.as_deref(), Some(expected), "{policy} {codes:?}");
    }
}

#[test]
fn conditions_keep_the_time_of_their_status() {
    let pod = pod("Always", false);
    let mut records = records(&pod);
    let before = report(&pod, &records);
    start(&mut records[0]);
    let later: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let after = status(&pod, &records, Some(&before), ADDRESSES, later);
    let time = |type_: &str| {
        let conditions = after.conditions.as_ref().unwrap();
        conditions.iter().find(|condition| condition.type_ == type_).unwrap().last_transition_time.clone()
    };
    assert_eq!((time("Initialized"), time("Ready")), (Some(Time(NOW)), Some(Time(later))));
    assert_eq!(after.start_time, Some(Time(NOW)));
    assert_eq!(status(&pod, &records, Some(&after), ADDRESSES, Timestamp::MAX), after);
}

#[test]
fn a_patch_clears_removed_fields_of_a_condition() {
    let pod = pod("Always", false);
    let mut records = records(&pod);
    start(&mut records[0]);
    let patch = patch(&pod, &report(&pod, &records));
    assert_eq!(patch["metadata"]["uid"], "u");
    for condition in patch["status"]["conditions"].as_array().unwrap() {
        let condition = condition.as_object().unwrap();
        assert_eq!(
            (condition.get("reason"), condition.get("message")),
            (Some(&Value::Null), Some(&Value::Null))
        );
    }
}
