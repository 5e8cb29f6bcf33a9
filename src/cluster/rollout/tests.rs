use serde_json::{Value, json};

use super::*;

/// A pod that is ready, or that no node takes.
fn pod(is_ready: bool) -> Pod {
    let (status, reason) = if is_ready { ("True", "") } else { ("False", "Unschedulable") };
    let kind = if is_ready { "Ready" } else { "PodScheduled" };
    let condition = json!({"type": kind, "status": status, "reason": reason});
    serde_json::from_value(json!({"metadata": {"name": "p"}, "status": {"conditions": [condition]}})).unwrap()
}

fn seen(kind: WorkloadKind, spec: &Value, status: &Value, new: &[bool], old: &[bool]) -> Observation {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind.as_str(), "metadata": {"name": "x", "generation": 2},
        "spec": spec, "status": status,
    });
    object["spec"]["selector"] = json!({});
    object["spec"]["serviceName"] = json!("x");
    object["spec"]["template"] = json!({"spec": {"containers": []}});
    let judged = progress::judge(kind, &serde_json::from_value(object).unwrap()).unwrap();
    let pods = |ready: &[bool]| ready.iter().map(|is_ready| pod(*is_ready)).collect();
    Observation {
        progress: judged.progress,
        updated: judged.updated,
        desired: judged.desired,
        ordered: judged.ordered,
        refusal: judged.refusal,
        changed: None,
        pods: Some(Pods { new: pods(new), old: pods(old), renamed: Vec::new() }),
    }
}

#[test]
fn a_rollout_is_unfinished_if_its_change_does_not_reach_pods_that_it_should() {
    use WorkloadKind::{DaemonSet, Deployment, StatefulSet};
    let three = json!({"replicas": 3});
    let deployment = |total: i32, updated: i32, available: i32| {
        json!({"observedGeneration": 2, "replicas": total,
        "updatedReplicas": updated, "availableReplicas": available})
    };
    let daemon = |updated: i32, available: i32| {
        json!({"observedGeneration": 2, "desiredNumberScheduled": 3,
        "currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 1,
        "updatedNumberScheduled": updated, "numberAvailable": available})
    };
    let stateful = |current: i32, ready: i32| {
        json!({"observedGeneration": 2, "replicas": 3, "currentReplicas": current,
        "readyReplicas": ready, "updatedReplicas": 0, "currentRevision": "a", "updateRevision": "b"})
    };
    let partition = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}});
    let on_delete = json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
    let lagging =
        json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
    let cases = [
        ("complete", Deployment, &three, deployment(3, 3, 3), vec![true; 3], vec![], false),
        ("a pod of a lost node", Deployment, &three, deployment(3, 3, 2), vec![true; 3], vec![], false),
        ("refused", Deployment, &three, deployment(3, 0, 3), vec![], vec![true; 3], true),
        ("pending", Deployment, &three, deployment(4, 1, 3), vec![false], vec![true; 3], true),
        ("pending beside all", Deployment, &json!({}), deployment(2, 1, 1), vec![false], vec![true], true),
        ("not observed", Deployment, &three, lagging.clone(), vec![true; 3], vec![], true),
        (
            "paused",
            Deployment,
            &json!({"replicas": 3, "paused": true}),
            deployment(3, 0, 3),
            vec![],
            vec![true; 3],
            false,
        ),
        ("scaled to zero", Deployment, &json!({"replicas": 0}), deployment(0, 0, 0), vec![], vec![], false),
        ("complete", DaemonSet, &json!({}), daemon(3, 3), vec![true; 3], vec![], false),
        ("a lost node", DaemonSet, &json!({}), daemon(3, 2), vec![true, true, false], vec![], false),
        ("a new node", DaemonSet, &json!({}), daemon(2, 2), vec![true; 2], vec![], false),
        (
            "a former pod on a lost node",
            DaemonSet,
            &json!({}),
            daemon(2, 2),
            vec![true; 2],
            vec![false],
            false,
        ),
        ("it goes on", DaemonSet, &json!({}), daemon(1, 3), vec![true], vec![true; 2], false),
        ("none", DaemonSet, &json!({}), daemon(0, 3), vec![], vec![true; 3], true),
        ("no capacity", DaemonSet, &json!({}), daemon(1, 2), vec![false], vec![true; 2], true),
        ("no capacity on a new node", DaemonSet, &json!({}), daemon(2, 2), vec![true, false], vec![], false),
        ("on delete", DaemonSet, &on_delete, daemon(0, 3), vec![], vec![true; 3], false),
        ("stuck", StatefulSet, &three, stateful(2, 2), vec![], vec![true; 2], true),
        ("a missing pod", StatefulSet, &three, stateful(0, 2), vec![true; 2], vec![], false),
        ("a partition", StatefulSet, &partition, stateful(2, 3), vec![true], vec![true; 2], false),
        ("a partition, stuck", StatefulSet, &partition, stateful(3, 3), vec![], vec![true; 3], true),
        ("on delete", StatefulSet, &on_delete, stateful(3, 3), vec![], vec![true; 3], false),
    ];
    for (what, kind, spec, status, new, old, expected) in cases {
        let seen = seen(kind, spec, &status, &new, &old);
        assert_eq!(seen.is_unfinished(kind), expected, "{kind:?} {what}: {:?}", seen.progress);
    }
    let mut refused = seen(DaemonSet, &json!({}), &daemon(1, 2), &[true], &[true]);
    assert!(!refused.is_unfinished(DaemonSet));
    refused.refusal = Some(Refusal::new("exceeded quota: full"));
    assert!(refused.is_unfinished(DaemonSet));
}
