use serde_json::{Value, json};

use super::*;
use crate::model::inventory::WorkloadKind;
use crate::model::record::ANNOTATION;
use crate::model::workload::ControllerReference;
use crate::sync::rewrite_workload::restoring;

/// An object as in the API server, and its snapshot.
fn workload(records: &Value, images: &[(&str, &str)]) -> (Value, Workload) {
    let containers: Vec<_> =
        images.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
    let pod = json!({"containers": containers});
    let annotations = json!({ANNOTATION: records.to_string(), "other": "stays"});
    let object = json!({"metadata": {"annotations": annotations}, "spec": {"template": {"spec": pod}}});
    (object.clone(), snapshot(&object))
}

fn snapshot(object: &Value) -> Workload {
    Workload {
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind: WorkloadKind::Deployment,
            name: "w".to_owned(),
        },
        labels: std::collections::BTreeMap::new(),
        annotations: serde_json::from_value(object["metadata"]["annotations"].clone()).unwrap_or_default(),
        controller: None,
        pod: serde_json::from_value(object["spec"]["template"].clone()).unwrap(),
    }
}

const PUBLIC: &str = "ghcr.io/castai/x:v1";
const OURS: &str = "e.example/ghcr.io/castai/x:v1";

fn ours() -> Value {
    json!({"from": PUBLIC, "to": OURS})
}

/// Applies the decision, and returns the resulting images and annotation.
fn rolled_back(object: &Value, workload: &Workload) -> Option<(Vec<String>, Option<Value>)> {
    let Some(Rewrite::Patch(patch)) = decide(workload) else { return None };
    let mut after = object.clone();
    json_patch::patch(&mut after, &patch.patch).unwrap();
    assert_eq!(after["metadata"]["annotations"]["other"], "stays");
    let containers = after["spec"]["template"]["spec"]["containers"].as_array().unwrap().iter();
    let images = containers.map(|container| container["image"].as_str().unwrap().to_owned()).collect();
    let annotation = after["metadata"]["annotations"][ANNOTATION].as_str();
    Some((images, annotation.map(|text| serde_json::from_str(text).unwrap())))
}

/// Current image, image afterwards, whether a record remains, whether it is reported as skipped.
type Case<'a> = (&'a str, Option<&'a str>, bool, Option<Option<&'a str>>);

#[test]
fn only_unchanged_private_images_are_rolled_back() {
    let upgraded = "e.example/ghcr.io/castai/x:v2";
    let cases: [Case<'_>; 5] = [
        (OURS, Some(PUBLIC), false, None),
        // Another client has already restored it: only our record is outdated.
        (PUBLIC, Some(PUBLIC), false, None),
        // An upgrade to a private name is never reverted, and its source remains known.
        (upgraded, None, true, Some(Some("ghcr.io/castai/x:v2"))),
        ("ghcr.io/castai/x:v2", Some("ghcr.io/castai/x:v2"), false, Some(None)),
        ("other.example/x:v1", Some("other.example/x:v1"), false, Some(None)),
    ];
    for (current, expected, keeps_record, expected_public) in cases {
        let (object, workload) = workload(&json!({"container/a": ours()}), &[("a", current)]);
        let after = rolled_back(&object, &workload);
        let expected = expected.map(|image| (vec![image.to_owned()], None));
        assert_eq!(after, expected, "{current}");
        assert_eq!(keeps_record, after.is_none(), "{current}");
        let left = skipped(&workload);
        let public = left.first().map(|left| left.public.as_ref().map(Image::as_written));
        assert_eq!(public, expected_public, "{current}");
    }
}

#[test]
fn each_image_field_is_judged_alone() {
    let upgraded = "e.example/ghcr.io/castai/x:v2";
    let records = json!({
        "container/a": ours(), "container/b": ours(), "container/gone": ours(), "volume/later": {"x": 1},
    });
    let (object, workload) = workload(&records, &[("a", OURS), ("b", upgraded), ("c", OURS)]);
    let (images, annotation) = rolled_back(&object, &workload).unwrap();
    // An image without a record is not reverted, even if it looks like ours.
    assert_eq!(images, [PUBLIC, upgraded, OURS]);
    assert_eq!(annotation.unwrap(), json!({"container/b": ours(), "volume/later": {"x": 1}}));
}

#[test]
fn nothing_is_decided_without_a_record() {
    for annotation in ["", "{}", "[]", "not json", r#"{"container/a": "x"}"#] {
        let (mut object, _) = workload(&json!({}), &[("a", OURS)]);
        object["metadata"]["annotations"][ANNOTATION] = annotation.into();
        assert_eq!(decide(&snapshot(&object)), None, "{annotation}");
    }
    // A Deployment's annotations are copied to its ReplicaSets.
    let (_, mut copied) = workload(&json!({"container/a": ours()}), &[("a", OURS)]);
    copied.name.kind = WorkloadKind::ReplicaSet;
    copied.controller = Some(ControllerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: "w".to_owned(),
    });
    assert_eq!(decide(&copied), None);
}

#[test]
fn a_failed_rollback_restores_our_images_and_record() {
    let (object, workload) = workload(&json!({"container/a": ours()}), &[("a", OURS)]);
    let Some(Rewrite::Patch(applied)) = decide(&workload) else { panic!("nothing decided") };
    let mut after = object.clone();
    json_patch::patch(&mut after, &applied.patch).unwrap();
    let mut back = restoring(&snapshot(&after), &applied).unwrap();
    // The API server's `test` treats a missing member as null; that of this crate does not.
    back.0.retain(
        |operation| !matches!(operation, json_patch::PatchOperation::Test(test) if test.value.is_null()),
    );
    json_patch::patch(&mut after, &back).unwrap();
    assert_eq!(after, object);
}

#[test]
fn a_patch_applies_only_to_what_was_read() {
    let (object, workload) = workload(&json!({"container/a": ours()}), &[("a", OURS)]);
    let Some(Rewrite::Patch(patch)) = decide(&workload) else { panic!("nothing decided") };
    for (pointer, value) in [
        ("/spec/template/spec/containers/0/image", json!("e.example/ghcr.io/castai/x:v2")),
        ("/spec/template/spec/containers/0/name", json!("b")),
        ("/metadata/annotations/privatelink.cast.ai~1images", json!("{}")),
    ] {
        let mut changed = object.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(json_patch::patch(&mut changed, &patch.patch).is_err(), "{pointer}");
    }
}
