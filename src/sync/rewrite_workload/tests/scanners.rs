//! The variable that sets kvisor's scanners if kvisor would not find them.

use super::*;
use crate::sync::rollback;

const CONTROLLER: &str = "ghcr.io/castai/kvisor/kvisor-controller:v1";
const SCANNERS: &str = "ghcr.io/castai/kvisor/kvisor-scanners:v1";
const VARIABLE: &str = "env/controller/SCANNERS_IMAGE";

fn controller(image: &str, env: &Value) -> Value {
    let mut container = json!({"name": "controller", "image": image});
    if !env.is_null() {
        container["env"] = env.clone();
    }
    json!({"initContainers": [{"name": "first", "image": "nodes.example/reach:1"}], "containers": [container]})
}

fn deployment(object: &Value) -> Workload {
    let annotations = &object["metadata"]["annotations"];
    workload(WorkloadKind::Deployment, annotations, &object["spec"]["template"]["spec"]).1
}

fn env(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]["env"]
}

/// The lock of a controller and its scanners with these names in the mirror.
fn names(source: &str, private: &str, scanners: &str) -> Lock {
    lock(&[(source, private), (SCANNERS, scanners)])
}

#[test]
fn kvisor_gets_its_scanner_variable_when_needed_and_rollback_removes_it() {
    let pinned = format!("{CONTROLLER}@{}", Digest::compute(b"x"));
    let behind = format!("{MIRROR}/{SCANNERS}");
    let elsewhere = format!("{MIRROR}/my-controller/{SCANNERS}");
    let scan = format!("{MIRROR}/scan:v1");
    let cases = [
        // Pinned by a digest, which belongs to the controller.
        (pinned.as_str(), format!("{MIRROR}/{pinned}"), &behind),
        // An additional `-controller` in its name, none at all, and scanners with another name.
        (CONTROLLER, format!("{MIRROR}/my-controller/{CONTROLLER}"), &elsewhere),
        (CONTROLLER, format!("{MIRROR}/kvisor:v1"), &behind),
        (CONTROLLER, format!("{MIRROR}/{CONTROLLER}"), &scan),
    ];
    for env_before in [Value::Null, json!([{"name": "A", "value": "b"}, {"name": "C"}])] {
        for (source, private, scanners) in &cases {
            let lock = names(source, private, scanners);
            let pod = controller(source, &env_before);
            let (object, before) = workload(WorkloadKind::Deployment, &json!({"a": "b"}), &pod);
            let applied = patched(&lock, &before);
            let change = |from: Option<&str>, to: Option<&str>| Change {
                image_field: VARIABLE.parse().unwrap(),
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
            };
            assert_eq!(applied.changes[1], change(None, Some(scanners)));
            let after = apply(object.clone(), &applied.patch).unwrap();
            let variable = json!({"name": "SCANNERS_IMAGE", "value": scanners});
            let mut expected = env_before.as_array().cloned().unwrap_or_default();
            expected.push(variable);
            assert_eq!(env(&after), &json!(expected), "{private}");
            let record =
                json!({"container/controller": {"from": source, "to": private}, VARIABLE: {"to": scanners}});
            assert_eq!(recorded(&after), record);
            assert_eq!(rewrite(&lock, &deployment(&after)), Some(Rewrite::Unchanged), "{private}");

            // A failed rollout is restored, and a rollback reverts everything, to the last byte.
            let restored = apply(after.clone(), &restoring(&deployment(&after), &applied).unwrap()).unwrap();
            assert_eq!(restored, object, "{private}");
            let Some(Rewrite::Patch(back)) = rollback::decide(&deployment(&after)) else {
                panic!("{private}")
            };
            assert_eq!(back.changes[1], change(Some(scanners), None));
            let rolled_back = apply(after.clone(), &back.patch).unwrap();
            assert_eq!(rolled_back, object, "{private}");
            // That rollback may fail as well.
            let again = restoring(&deployment(&rolled_back), &back).unwrap();
            assert_eq!(apply(rolled_back, &again).unwrap(), after, "{private}");
        }
    }
}

#[test]
fn changed_variables_are_not_rolled_back() {
    let private = format!("{MIRROR}/kvisor:v1");
    let lock = names(CONTROLLER, &private, &format!("{MIRROR}/{SCANNERS}"));
    let (object, before) =
        workload(WorkloadKind::Deployment, &Value::Null, &controller(CONTROLLER, &Value::Null));
    let mut after = apply(object, &patched(&lock, &before).patch).unwrap();
    after["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("theirs.example/scan:v1");
    let Some(Rewrite::Patch(back)) = rollback::decide(&deployment(&after)) else { panic!("no patch") };
    assert_eq!(back.changes.len(), 1);
    let back = apply(after.clone(), &back.patch).unwrap();
    assert_eq!(env(&back)[0]["value"], "theirs.example/scan:v1");
    assert!(back["metadata"]["annotations"].as_object().is_none_or(|all| !all.contains_key(ANNOTATION)));

    // From then on it is an ordinary image, whose original value can be restored.
    after["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!(SCANNERS);
    let after = apply(after.clone(), &patched(&lock, &deployment(&after)).patch).unwrap();
    let theirs = json!({"from": SCANNERS, "to": format!("{MIRROR}/{SCANNERS}")});
    assert_eq!(recorded(&after)[VARIABLE], theirs);
    assert_eq!(rewrite(&lock, &deployment(&after)), Some(Rewrite::Unchanged));
}

#[test]
fn the_scanner_variable_follows_mirror_and_version_and_is_removed_when_unneeded() {
    let flat = format!("{MIRROR}/kvisor:v1");
    let behind = format!("{MIRROR}/{SCANNERS}");
    let workload_with = |image: &str, named: &str| {
        let annotation =
            json!({"container/controller": {"from": CONTROLLER, "to": flat}, VARIABLE: {"to": named}});
        let env = json!([{"name": "SCANNERS_IMAGE", "value": named}]);
        let annotations = json!({ANNOTATION: annotation.to_string()});
        workload(WorkloadKind::Deployment, &annotations, &controller(image, &env))
    };
    let next = |text: &str| text.replace(":v1", ":v2");
    // The controller, and the expected names in the next lock: its own and its scanners'.
    let cases = [
        // Another mirror.
        (
            flat.as_str(),
            names(CONTROLLER, "new.example/kvisor:v1", "new.example/scan:v1"),
            Some("new.example/scan:v1"),
        ),
        // An upgrade to a private name.
        (
            &next(&flat),
            lock(&[(&next(CONTROLLER), &next(&flat)), (&next(SCANNERS), &next(&behind))]),
            Some(&next(&behind)),
        ),
        // A name next to which kvisor finds them.
        (
            &flat,
            names(CONTROLLER, &format!("new.example/{CONTROLLER}"), &format!("new.example/{SCANNERS}")),
            None,
        ),
    ];
    for (image, lock, expected) in &cases {
        let (object, before) = workload_with(image, &behind);
        let after = apply(object, &patched(lock, &before).patch).unwrap();
        if let Some(expected) = expected {
            assert_eq!(env(&after), &json!([{"name": "SCANNERS_IMAGE", "value": expected}]));
            assert_eq!(recorded(&after)[VARIABLE], json!({"to": expected}));
        } else {
            assert!(env(&after).is_null(), "{after}");
            assert!(recorded(&after).get(VARIABLE).is_none());
        }
        assert_eq!(rewrite(lock, &deployment(&after)), Some(Rewrite::Unchanged), "{image}");
    }
}

#[test]
fn a_workload_is_skipped_when_the_scanner_variable_cannot_be_set() {
    let lock = names(CONTROLLER, &format!("{MIRROR}/kvisor:v1"), &format!("{MIRROR}/{SCANNERS}"));
    let assert_held_back = |kind, env: &Value, words: &str| {
        let (_, workload) = workload(kind, &Value::Null, &controller(CONTROLLER, env));
        match rewrite(&lock, &workload) {
            Some(Rewrite::HeldBack(why)) => assert!(why.to_string().contains(words), "{why}"),
            other => panic!("{words}: {other:?}"),
        }
    };
    let elsewhere =
        json!([{"name": "SCANNERS_IMAGE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]);
    assert_held_back(
        WorkloadKind::Deployment,
        &elsewhere,
        "set it to registry.example/ghcr.io/castai/kvisor/kvisor-scanners:v1",
    );
    assert_held_back(WorkloadKind::Pod, &Value::Null, "environment variables of a pod are immutable");
}

#[test]
fn a_variable_is_added_only_to_the_container_that_was_read() {
    let lock = names(CONTROLLER, &format!("{MIRROR}/kvisor:v1"), &format!("{MIRROR}/{SCANNERS}"));
    for before in [Value::Null, json!([{"name": "A", "value": "b"}])] {
        let pod = controller(CONTROLLER, &before);
        let (object, workload) = workload(WorkloadKind::Deployment, &Value::Null, &pod);
        let patch = patched(&lock, &workload).patch;
        for (member, value) in [
            ("name", json!("other")),
            ("image", json!("other:1")),
            // A list that did not exist, or no longer exists.
            ("env", if before.is_null() { json!([{"name": "B"}]) } else { json!([]) }),
        ] {
            let mut changed = object.clone();
            changed["spec"]["template"]["spec"]["containers"][0][member] = value;
            assert!(apply(changed, &patch).is_err(), "{member}");
        }
    }
}

#[test]
fn ownership_of_the_scanner_variable_is_relinquished_once_the_owner_sets_it() {
    let (private, behind) = (format!("{MIRROR}/kvisor:v1"), format!("{MIRROR}/{SCANNERS}"));
    let lock = names(CONTROLLER, &private, &behind);
    let annotation =
        json!({"container/controller": {"from": CONTROLLER, "to": private}, VARIABLE: {"to": behind}});
    let env = json!([{"name": "SCANNERS_IMAGE", "value": behind}]);
    let annotations = json!({ANNOTATION: annotation.to_string()});
    let (_, mut workload) = workload(WorkloadKind::Deployment, &annotations, &controller(&private, &env));
    let manager = |index, name: &str, applies| FieldManager {
        index,
        name: name.to_owned(),
        applies,
        time: None,
        image_fields: vec![VARIABLE.parse().unwrap()],
        fields: None,
    };
    workload.managers = vec![manager(0, "helm", true), manager(1, FIELD_MANAGER, false)];
    let patch = patched(&lock, &workload);
    assert_eq!((patch.changes.len(), patch.relinquished), (0, vec![VARIABLE.parse().unwrap()]));
    let last = patch.patch.0.iter().find_map(|operation| match operation {
        PatchOperation::Add(add) => add.value.as_str(),
        _ => None,
    });
    assert!(last.is_some_and(|record| !record.contains("SCANNERS_IMAGE")), "it is not ours any more");
}
