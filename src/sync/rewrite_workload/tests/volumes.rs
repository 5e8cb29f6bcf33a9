//! Images of volumes behave like images of containers.

use super::*;
use crate::castai::built_in;
use crate::model::field_manager::field_managers;
use crate::sync::rollback;

const MODEL: &str = "us-docker.pkg.dev/castai-hub/library/model:v1";

fn pod(agent: &str, model: &str) -> Value {
    json!({
        "containers": [{"name": "agent", "image": agent}],
        "volumes": [
            {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "model", "image": {"reference": model, "pullPolicy": "IfNotPresent"}},
        ],
    })
}

#[test]
fn a_volume_is_rewritten_recorded_and_rolled_back_in_every_kind() {
    let (agent, model) = (format!("{MIRROR}/{AGENT}"), format!("{MIRROR}/{MODEL}"));
    let lock = lock(&[(AGENT, &agent), (MODEL, &model)]);
    for kind in WorkloadKind::ALL {
        let (object, before) = workload(kind, &Value::Null, &pod(AGENT, MODEL));
        if kind == WorkloadKind::Job {
            assert!(matches!(rewrite(&lock, &before), Some(Rewrite::NotRewritable(_))));
            continue;
        }
        let patch = patched(&lock, &before);
        let changed: Vec<_> = patch.changes.iter().map(|change| change.image_field.to_string()).collect();
        let after = apply(object.clone(), &patch.patch).unwrap();
        let pointer = format!("{}/spec", kind.pod_template_pointer());
        let spec = after.pointer(&pointer).unwrap();
        if kind == WorkloadKind::Pod {
            assert_eq!(changed, ["container/agent"], "a pod's volumes are immutable");
            assert_eq!(*spec, pod(&agent, MODEL));
            continue;
        }
        assert_eq!(changed, ["container/agent", "volume/model"], "{kind:?}");
        assert_eq!(*spec, pod(&agent, &model), "{kind:?}");
        assert_eq!(recorded(&after)["volume/model"], json!({"from": MODEL, "to": model}));
        let (_, rewritten) = workload(kind, &after["metadata"]["annotations"], spec);
        assert!(matches!(rewrite(&lock, &rewritten), Some(Rewrite::Unchanged)), "{kind:?}");
        let Some(Rewrite::Patch(back)) = rollback::decide(&rewritten) else { panic!("{kind:?}") };
        let back = apply(after, &back.patch).unwrap();
        assert_eq!(back.pointer(&pointer), object.pointer(&pointer));
        assert!(rewrite(&lock, &workload(kind, &Value::Null, &pod(AGENT, MODEL)).1).is_some());
    }
}

#[test]
fn a_workload_waits_for_the_image_of_its_volume() {
    let lock = lock(&[(AGENT, &format!("{MIRROR}/{AGENT}"))]);
    let (_, workload) = workload(WorkloadKind::Deployment, &Value::Null, &pod(AGENT, MODEL));
    let Some(Rewrite::HeldBack(why)) = rewrite(&lock, &workload) else { panic!("it is not held back") };
    assert!(why.to_string().contains(MODEL), "{why}");
}

#[test]
fn a_patch_of_another_volume_is_refused() {
    let lock = lock(&[(AGENT, &format!("{MIRROR}/{AGENT}")), (MODEL, &format!("{MIRROR}/{MODEL}"))]);
    let (mut object, before) = workload(WorkloadKind::Deployment, &Value::Null, &pod(AGENT, MODEL));
    let volumes = object.pointer_mut("/spec/template/spec/volumes").unwrap().as_array_mut().unwrap();
    volumes[1]["name"] = "other".into();
    assert!(apply(object, &patched(&lock, &before).patch).is_err());
}

#[test]
fn ownership_of_a_volume_is_relinquished_once_the_owner_sets_the_image() {
    let (agent, model) = (format!("{MIRROR}/{AGENT}"), format!("{MIRROR}/{MODEL}"));
    let lock = lock(&[(AGENT, &agent), (MODEL, &model)]);
    let owned = json!({"f:spec": {"f:template": {"f:spec": {"f:volumes": {
        "k:{\"name\":\"model\"}": {"f:image": {"f:reference": {}}},
    }}}}});
    let entry = |manager: &str, operation: &str| json!({"manager": manager, "operation": operation, "fieldsV1": owned});
    let managed = json!([entry("helm", "Apply"), entry(FIELD_MANAGER, "Update")]);
    let kind = WorkloadKind::Deployment;
    let (mut object, mut workload) = workload(kind, &Value::Null, &pod(&agent, &model));
    object["metadata"]["managedFields"] = managed.clone();
    let entries = serde_json::from_value(managed).unwrap();
    workload.managers = field_managers(kind, entries, &workload.pod, &built_in().image_variables());
    let patch = patched(&lock, &workload);
    let relinquished: Vec<_> = patch.relinquished.iter().map(ToString::to_string).collect();
    assert_eq!(relinquished, ["volume/model"]);
    let after = apply(object, &patch.patch).unwrap();
    assert_eq!(after["metadata"]["managedFields"].as_array().unwrap().len(), 1, "ours had nothing else");
}
