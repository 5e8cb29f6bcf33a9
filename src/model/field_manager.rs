//! Who the API server says set the images of a workload: its `managedFields`, as far as they are about carriers.
//!
//! Their form: k8s.io/apimachinery `pkg/apis/meta/v1/types.go` (`FieldsV1`) and sigs.k8s.io/structured-merge-diff
//! `fieldpath/serialize.go`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use crate::castai::components::IMAGE_VARIABLES;
use crate::model::image_field::Carried;
use crate::model::image_field::Carrier;
use crate::model::workload_kind::WorkloadKind;

/// Who the API server says changed a field that this plugin patched.
pub const FIELD_MANAGER: &str = "kubectl-castai_privatelink";

/// A manager of some of an object's fields, and what of it is an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldManager {
    /// Which entry of `metadata.managedFields` this is.
    pub index: usize,
    pub name: String,
    /// It set its fields by server-side apply, and will be told of conflicts.
    pub applies: bool,
    /// When it last changed which fields are its own, or their values.
    pub time: Option<Timestamp>,
    /// Images that are its own now.
    pub carriers: Vec<Carrier>,
    /// All its fields as the API server has them; kept of this plugin's entry alone, which is small.
    pub fields: Option<Value>,
}

/// The managers of an object of this kind; those of its status and scale are left out.
pub fn field_managers(kind: WorkloadKind, entries: Vec<ManagedFieldsEntry>) -> Vec<FieldManager> {
    let pod = kind.pod_spec_pointer().replace('/', "/f:");
    let variables = our_variables(&entries, &pod);
    let is_known =
        |name: &str| IMAGE_VARIABLES.contains(&name) || variables.iter().any(|variable| variable == name);
    let main = entries
        .into_iter()
        .enumerate()
        .filter(|(_, entry)| entry.subresource.as_deref().unwrap_or_default().is_empty());
    main.map(|(index, entry)| {
        let fields = entry.fields_v1.map(|fields| fields.0);
        let name = entry.manager.unwrap_or_default();
        FieldManager {
            index,
            applies: entry.operation.as_deref() == Some("Apply"),
            time: entry.time.map(|time| time.0),
            carriers: fields
                .as_ref()
                .and_then(|fields| fields.pointer(&pod))
                .map(|pod| carriers(pod, &is_known))
                .unwrap_or_default(),
            fields: fields.filter(|_| name == FIELD_MANAGER),
            name,
        }
    })
    .collect()
}

/// Variables that we set: users may name more of them than those that are known to carry images.
fn our_variables(entries: &[ManagedFieldsEntry], pod: &str) -> Vec<String> {
    let ours = entries.iter().filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    ours.filter_map(|entry| entry.fields_v1.as_ref()?.0.pointer(pod))
        .flat_map(|pod| carriers(pod, &|_| true))
        .filter_map(|carrier| match carrier {
            Carrier::Environment { variable, .. } => Some(variable),
            _ => None,
        })
        .collect()
}

/// Where `field` stands in a manager's fields, as the members on the way; none for what no manager can claim.
pub fn field_path(kind: WorkloadKind, field: &Carried) -> Option<Vec<String>> {
    let end = match &field.carrier {
        Carrier::Container(_) | Carrier::InitContainer(_) => vec!["f:image".to_owned()],
        Carrier::Environment { variable, .. } => {
            vec!["f:env".to_owned(), key(variable), "f:value".to_owned()]
        }
        _ => return None,
    };
    let pod = kind.pod_spec_pointer().split('/').skip(1);
    let lists = pod.chain(field.path.first().map(String::as_str)).map(|member| format!("f:{member}"));
    Some(lists.chain([key(&field.container)]).chain(end).collect())
}

fn key(name: &str) -> String {
    format!("k:{}", serde_json::json!({"name": name}))
}

/// Fields are named `f:<name>`, and items of lists by their keys: `k:{"name":"agent"}`.
fn carriers(pod: &Value, is_known: &dyn Fn(&str) -> bool) -> Vec<Carrier> {
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
                if let Some(name) = named(key).filter(|name| is_set && is_known(name)) {
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
        assert_eq!((managers[0].index, managers[1].index), (0, 2), "as they stand in the object");
        assert!(managers[1].carriers.is_empty());
        // What we set carries an image, whoever else claims it.
        let other = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"agent\"}": {
            "f:env": {"k:{\"name\":\"OTHER\"}": {"f:value": {}}},
        }}}}}});
        let with_ours =
            vec![entry("helm", "Apply", "", &deployment), entry(FIELD_MANAGER, "Update", "", &other)];
        let managers = field_managers(WorkloadKind::Deployment, with_ours);
        let names =
            |manager: &FieldManager| manager.carriers.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(names(&managers[0]).contains(&"env/agent/OTHER".to_owned()));
        assert_eq!(names(&managers[1]), ["env/agent/OTHER"]);
        let cron = json!({"f:spec": {"f:jobTemplate": {"f:spec": {"f:template": {"f:spec": pod}}}}});
        let cron = field_managers(WorkloadKind::CronJob, vec![entry("x", "Update", "", &cron)]);
        assert_eq!(cron[0].carriers.len(), 3);
    }
}
