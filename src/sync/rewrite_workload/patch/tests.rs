use std::collections::BTreeMap;

use super::*;
use crate::castai::built_in;
use crate::model::field_manager::{FIELD_MANAGER, field_managers};
use crate::model::inventory::{WorkloadKind, WorkloadName};

const IMAGE: &str = "e.example/x:v1";

/// A CronJob as in the API server: two containers, an init container and a variable have images.
fn object() -> Value {
    let helms = json!({
        "f:initContainers": {"k:{\"name\":\"i\"}": {".": {}, "f:image": {}, "f:name": {}}},
        "f:containers": {
            "k:{\"name\":\"a\"}": {".": {}, "f:image": {}, "f:name": {}, "f:env": {
                ".": {}, "k:{\"name\":\"SCANNERS_IMAGE\"}": {".": {}, "f:name": {}, "f:value": {}},
            }},
            "k:{\"name\":\"b\"}": {".": {}, "f:image": {}, "f:name": {}},
        },
    });
    let ours = json!({
        "f:initContainers": {"k:{\"name\":\"i\"}": {"f:image": {}}},
        "f:containers": {
            "k:{\"name\":\"a\"}": {"f:image": {}, "f:env": {
                "k:{\"name\":\"SCANNERS_IMAGE\"}": {"f:value": {}},
            }},
            "k:{\"name\":\"b\"}": {"f:image": {}},
        },
    });
    let wrapped = |pod: &Value| json!({"f:jobTemplate": {"f:spec": {"f:template": {"f:spec": pod}}}});
    json!({
        "metadata": {"managedFields": [
            {"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": wrapped(&helms)}},
            {"manager": FIELD_MANAGER, "operation": "Update", "fieldsV1": {
                "f:metadata": {"f:annotations": {"f:privatelink.cast.ai/images": {}}},
                "f:spec": wrapped(&ours),
            }},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
        ]},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {
            "initContainers": [{"name": "i", "image": IMAGE}],
            "containers": [
                {"name": "a", "image": IMAGE, "env": [{"name": "SCANNERS_IMAGE", "value": IMAGE}]},
                {"name": "b", "image": IMAGE},
            ],
        }}}}},
    })
}

fn snapshot(object: &Value) -> Workload {
    let kind = WorkloadKind::CronJob;
    let managed = serde_json::from_value(object["metadata"]["managedFields"].clone()).unwrap();
    let pod = serde_json::from_value(object.pointer(kind.pod_template_pointer()).unwrap().clone()).unwrap();
    Workload {
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind,
            name: "w".to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        has_ended: false,
        replicas: None,
        managers: field_managers(kind, managed, &pod, &built_in().image_variables()),
        pod,
    }
}

fn image_fields(names: &[&str]) -> Vec<ImageField> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn relinquished(object: &Value, names: &[&str]) -> Value {
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &relinquish(&snapshot(object), &image_fields(names))).unwrap();
    patched
}

const OURS: &str = "/metadata/managedFields/1/fieldsV1";
const POD: &str = "/f:spec/f:jobTemplate/f:spec/f:template/f:spec";

#[test]
fn only_our_ownership_of_the_named_images_is_relinquished() {
    let before = object();
    let all = ["init/i", "container/a", "container/b", "env/a/SCANNERS_IMAGE"];
    for names in [&all[..1], &all[1..2], &all[2..3], &all[3..], &all[..2], &all[1..], &all] {
        let after = relinquished(&before, names);
        let mut rest = after.clone();
        *rest.pointer_mut(OURS).unwrap() = before.pointer(OURS).unwrap().clone();
        assert_eq!(rest, before, "nothing but our fields: {names:?}");
        let entry = &snapshot(&after).managers[1];
        let mut left = image_fields(&all);
        left.retain(|image_field| !names.contains(&image_field.to_string().as_str()));
        let mut found = entry.image_fields.clone();
        left.sort();
        found.sort();
        assert_eq!(found, left, "{names:?}");
        let fields = entry.fields.as_ref().unwrap();
        assert!(fields["f:metadata"]["f:annotations"]["f:privatelink.cast.ai/images"].is_object());
        // An empty member would own its whole item.
        let text = fields.pointer(POD).map(ToString::to_string).unwrap_or_default();
        assert!(!text.contains(r#"\"}":{}"#), "{names:?}: {text}");
    }
    assert!(relinquished(&before, &all).pointer(OURS).unwrap().get("f:spec").is_none());
}

#[test]
fn a_variable_that_we_added_is_removed_completely() {
    let mut before = object();
    let variable =
        before.pointer_mut(&format!("{OURS}{POD}/f:containers/k:{{\"name\":\"a\"}}/f:env")).unwrap();
    *variable = json!({"k:{\"name\":\"SCANNERS_IMAGE\"}": {".": {}, "f:name": {}, "f:value": {}}});
    let after = relinquished(&before, &["env/a/SCANNERS_IMAGE"]);
    let fields = after.pointer(OURS).unwrap().to_string();
    assert!(!fields.contains("SCANNERS_IMAGE") && fields.contains("f:image"), "{fields}");
}

#[test]
fn an_ownership_entry_without_other_fields_is_removed() {
    let mut before = object();
    before.pointer_mut(OURS).unwrap().as_object_mut().unwrap().remove("f:metadata");
    let after = relinquished(&before, &["init/i", "container/a", "container/b", "env/a/SCANNERS_IMAGE"]);
    let managers: Vec<_> = snapshot(&after).managers.into_iter().map(|manager| manager.name).collect();
    assert_eq!(managers, ["helm"]);
}

#[test]
fn fields_that_are_not_owned_are_not_relinquished() {
    let mut before = object();
    *before.pointer_mut(OURS).unwrap() = json!({"f:metadata": {}});
    assert!(relinquish(&snapshot(&before), &image_fields(&["container/a"])).is_empty());
    assert!(relinquish(&snapshot(&object()), &image_fields(&["container/gone"])).is_empty());
    assert!(relinquish(&snapshot(&object()), &[]).is_empty());
}

/// A concurrent change of the object.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Value));

#[test]
fn relinquishing_applies_only_to_the_object_that_was_read() {
    let before = object();
    let release = relinquish(&snapshot(&before), &image_fields(&["container/a"]));
    let helms = format!("/metadata/managedFields/0/fieldsV1{POD}/f:containers/k:{{\"name\":\"a\"}}");
    let changes: [Change<'_>; 6] = [
        ("helm no longer claims it", &|object| {
            object.pointer_mut(&helms).unwrap().as_object_mut().unwrap().remove("f:image");
        }),
        ("another applies it", &|object| object["metadata"]["managedFields"][0]["manager"] = "x".into()),
        ("the entry is another's", &|object| {
            object["metadata"]["managedFields"].as_array_mut().unwrap().swap(1, 2);
        }),
        ("our entry grew", &|object| {
            object.pointer_mut(OURS).unwrap()["f:status"] = json!({});
        }),
        ("the image moved on", &|object| {
            let pod = object.pointer_mut(WorkloadKind::CronJob.pod_template_pointer()).unwrap();
            pod["spec"]["containers"][0]["image"] = "e.example/x:v2".into();
        }),
        ("the container is another", &|object| {
            let pod = object.pointer_mut(WorkloadKind::CronJob.pod_template_pointer()).unwrap();
            pod["spec"]["containers"][0]["name"] = "z".into();
        }),
    ];
    for (what, change) in changes {
        let mut changed = before.clone();
        change(&mut changed);
        assert!(json_patch::patch(&mut changed, &release).is_err(), "{what}");
    }
}
