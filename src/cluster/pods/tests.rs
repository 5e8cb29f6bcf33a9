use super::*;

fn pod(status: &serde_json::Value) -> Pod {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": "i:1"}]},
        "status": status,
    }))
    .unwrap()
}

fn container(state: &serde_json::Value, restarts: i32) -> serde_json::Value {
    serde_json::json!({"name": "a", "image": "i:1", "imageID": "", "ready": false, "restartCount": restarts, "state": state,
        "containerID": format!("id-{restarts}")})
}

fn waiting(reason: &str) -> serde_json::Value {
    serde_json::json!({"waiting": {"reason": reason, "message": "because\u{7}"}})
}

#[test]
fn waiting_reasons_are_judged() {
    let cases = [
        ("ImagePullBackOff", 0, Some(ProblemKind::Image), false),
        ("CreateContainerConfigError", 0, Some(ProblemKind::Configuration), false),
        ("CrashLoopBackOff", 3, Some(ProblemKind::Crash), true),
        ("ContainerCreating", 0, None, false),
    ];
    for (reason, restarts, kind, has_started) in cases {
        let pod = pod(&serde_json::json!({"containerStatuses": [container(&waiting(reason), restarts)]}));
        let problems = problems(&pod);
        assert_eq!(problems.first().map(|problem| problem.kind), kind, "{reason}");
        assert!(problems.iter().all(|problem| problem.message == "because"), "{problems:?}");
        assert_eq!(started(&pod), has_started, "{reason}");
    }
}

#[test]
fn a_crash_loop_is_seen_between_two_starts() {
    let exit = |code: i32| serde_json::json!({"terminated": {"exitCode": code, "reason": "OOMKilled"}});
    let running = serde_json::json!({"running": {}});
    let cases = [
        (exit(137), false, serde_json::json!({}), "Always", true),
        (exit(137), false, serde_json::json!({}), "OnFailure", false),
        (exit(0), false, serde_json::json!({}), "Always", false),
        (running.clone(), false, exit(1), "Always", true),
        (running.clone(), true, exit(1), "Always", false),
        (running, false, serde_json::json!({}), "Always", false),
        (waiting("ContainerCreating"), false, exit(1), "Always", false),
    ];
    for (state, ready, last, policy, expected) in cases {
        let mut status = container(&state, 1);
        (status["ready"], status["lastState"]) = (ready.into(), last);
        let mut pod = pod(&serde_json::json!({"containerStatuses": [status.clone()]}));
        pod.spec.as_mut().unwrap().restart_policy = Some(policy.to_owned());
        let failed = failed_containers(&pod);
        assert_eq!(!failed.is_empty(), expected, "{status} {policy}");
        assert!(failed.iter().all(|problem| problem.reason == "OOMKilled"), "{failed:?}");
    }
}

#[test]
fn a_pod_without_statuses_has_not_started() {
    assert!(!started(&pod(&serde_json::json!({}))));
    let running = serde_json::json!({"running": {}});
    assert!(started(&pod(&serde_json::json!({"containerStatuses": [container(&running, 0)]}))));
}

#[test]
fn a_crashing_init_container_counts_as_started() {
    let pod = pod(&serde_json::json!({
        "initContainerStatuses": [container(&waiting("CrashLoopBackOff"), 2)],
        "containerStatuses": [container(&waiting("PodInitializing"), 0)],
    }));
    assert!(started(&pod));
}

#[test]
fn pods_of_the_new_template_are_recognised_by_their_images() {
    let template = |image: &str| -> PodTemplate {
        serde_json::from_value(serde_json::json!({"spec": {"containers": [{"name": "a", "image": image}]}}))
            .unwrap()
    };
    let mut pod = pod(&serde_json::json!({}));
    let injected = serde_json::from_value(serde_json::json!({"name": "mesh", "image": "m:1"})).unwrap();
    pod.spec.as_mut().unwrap().containers.push(injected);
    assert!(is_made_from(&pod, &template("i:1"), &Variables::default()));
    assert!(!is_made_from(&pod, &template("i:2"), &Variables::default()));
}

#[test]
fn only_another_repository_is_another_image() {
    let cases = [
        ("castai/x:v1", "castai/x:v1", None),
        ("castai/x:v1", "docker.io/castai/x:v1", None),
        (
            "castai/x:v1",
            "castai/x:v1@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            None,
        ),
        (
            "castai/x:v1",
            "e.example/castai/x:v1",
            Some("it runs e.example/castai/x:v1 instead of castai/x:v1"),
        ),
    ];
    for (wanted, found, expected) in cases {
        let mut pod = pod(&serde_json::json!({}));
        pod.spec.as_mut().unwrap().containers[0].image = Some(found.to_owned());
        let template = serde_json::from_value(
            serde_json::json!({"spec": {"containers": [{"name": "a", "image": wanted}]}}),
        );
        let problem = renamed(&pod, &template.unwrap());
        assert_eq!(problem.is_some(), expected.is_some(), "{found}");
        let message = problem.map(|problem| problem.message).unwrap_or_default();
        assert!(message.starts_with(expected.unwrap_or_default()), "{message}");
    }
}

#[test]
fn a_restarted_container_has_another_id() {
    let running = |restarts| {
        pod(
            &serde_json::json!({"containerStatuses": [container(&serde_json::json!({"running": {}}), restarts)]}),
        )
    };
    let broken = pod(&serde_json::json!({"containerStatuses": [container(&waiting("ImagePullBackOff"), 0)]}));
    assert!(!was_restarted(&running(0), &running(0), &["a"]));
    assert!(was_restarted(&running(0), &running(1), &["a"]));
    assert!(was_restarted(&broken, &running(0), &["a"]));
    assert!(!was_restarted(&broken, &broken, &["a"]));
}

#[test]
fn an_unschedulable_pod_is_reported() {
    let pod = pod(&serde_json::json!({"conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    ]}));
    assert_eq!(problems(&pod)[0].kind, ProblemKind::Unschedulable);
}
