//! Who the API server says set the images of a workload: its `managedFields`, as far as they are about carriers.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use crate::castai::components::IMAGE_VARIABLES;
use crate::sync::inventory::{Carrier, WorkloadKind};

/// A manager of some of an object's fields, and what of it is an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldManager {
    pub name: String,
    /// It set its fields by server-side apply, and will be told of conflicts.
    pub applies: bool,
    /// When it last changed which fields are its own, or their values.
    pub time: Option<Timestamp>,
    /// Images that are its own now.
    pub carriers: Vec<Carrier>,
}

/// The managers of an object of this kind; those of its status and scale are left out.
pub(super) fn field_managers(kind: WorkloadKind, entries: Vec<ManagedFieldsEntry>) -> Vec<FieldManager> {
    let pod = kind.pod_spec_pointer().replace('/', "/f:");
    let main =
        entries.into_iter().filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    main.map(|entry| FieldManager {
        name: entry.manager.unwrap_or_default(),
        applies: entry.operation.as_deref() == Some("Apply"),
        time: entry.time.map(|time| time.0),
        carriers: entry
            .fields_v1
            .as_ref()
            .and_then(|fields| fields.0.pointer(&pod))
            .map(carriers)
            .unwrap_or_default(),
    })
    .collect()
}

/// Fields are named `f:<name>`, and items of lists by their keys: `k:{"name":"agent"}`.
fn carriers(pod: &Value) -> Vec<Carrier> {
    let mut found = Vec::new();
    for list in ["f:initContainers", "f:containers"] {
        for (key, fields) in pod.get(list).and_then(Value::as_object).into_iter().flatten() {
            let Some(container) = named(key) else { continue };
            if fields.get("f:image").is_some() {
                found.push(match list {
                    "f:initContainers" => Carrier::InitContainer(container.clone()),
                    _ => Carrier::Container(container.clone()),
                });
            }
            for (key, variable) in fields.get("f:env").and_then(Value::as_object).into_iter().flatten() {
                let is_set = variable.get("f:value").is_some();
                if let Some(name) =
                    named(key).filter(|name| is_set && IMAGE_VARIABLES.contains(&name.as_str()))
                {
                    found.push(Carrier::Environment { container: container.clone(), variable: name });
                }
            }
        }
    }
    found
}

fn named(key: &str) -> Option<String> {
    let key: Value = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
    Some(key.get("name")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_are_found_in_the_fields_of_each_manager() {
        let pod = json!({
            "f:containers": {
                "k:{\"name\":\"agent\"}": {".": {}, "f:image": {}, "f:name": {}, "f:env": {
                    "k:{\"name\":\"SCANNERS_IMAGE\"}": {".": {}, "f:value": {}},
                    "k:{\"name\":\"OTHER\"}": {"f:value": {}},
                }},
                "k:{\"name\":\"claimed-for-another-field\"}": {"f:resources": {}},
                "k:{not json": {"f:image": {}},
            },
            "f:initContainers": {"k:{\"name\":\"gpu\"}": {"f:image": {}}},
        });
        let entry = |manager: &str, operation: &str, subresource: &str, fields: &Value| {
            serde_json::from_value(json!({
                "manager": manager, "operation": operation, "subresource": subresource,
                "time": "2026-01-02T03:04:05Z", "fieldsV1": fields,
            }))
            .unwrap()
        };
        let deployment = json!({"f:spec": {"f:template": {"f:spec": pod}}});
        let entries = vec![
            entry("helm", "Apply", "", &deployment),
            entry("kube-controller-manager", "Update", "status", &json!({"f:status": {}})),
            entry("kubectl-annotate", "Update", "", &json!({"f:metadata": {}})),
        ];
        let managers = field_managers(WorkloadKind::Deployment, entries);
        let names: Vec<_> = managers.iter().map(|manager| (manager.name.as_str(), manager.applies)).collect();
        assert_eq!(names, [("helm", true), ("kubectl-annotate", false)]);
        let carriers: Vec<_> = managers[0].carriers.iter().map(ToString::to_string).collect();
        assert_eq!(carriers, ["init/gpu", "container/agent", "env/agent/SCANNERS_IMAGE"]);
        assert!(managers[1].carriers.is_empty());
        let cron = json!({"f:spec": {"f:jobTemplate": {"f:spec": {"f:template": {"f:spec": pod}}}}});
        let cron = field_managers(WorkloadKind::CronJob, vec![entry("x", "Update", "", &cron)]);
        assert_eq!(cron[0].carriers.len(), 3);
    }
}
