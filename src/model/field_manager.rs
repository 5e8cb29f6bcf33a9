//! The field managers of a workload's images: its `managedFields`, reduced to image fields.
//!
//! Format: k8s.io/apimachinery `pkg/apis/meta/v1/types.go` (`FieldsV1`) and sigs.k8s.io/structured-merge-diff
//! `fieldpath/serialize.go`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use crate::model::image_field::{self, ImageField, LocatedField, Managed, Variables};
use crate::model::pod_template::PodTemplate;
use crate::model::workload_kind::WorkloadKind;

/// The field manager name of our patches.
pub const FIELD_MANAGER: &str = "kubectl-castai_privatelink";

/// A field manager, with the image fields that it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldManager {
    /// Index of its entry in `metadata.managedFields`.
    pub index: usize,
    pub name: String,
    /// It uses server-side apply, so it gets conflicts.
    pub applies: bool,
    /// When it last changed its fields or their values.
    pub time: Option<Timestamp>,
    /// Image fields that it owns now.
    pub image_fields: Vec<ImageField>,
    /// All its fields in the API server's format. Only kept for our own entry, which is small.
    pub fields: Option<Value>,
}

/// The field managers of an object of this kind with this pod template, without those of its status and scale subresources.
/// Variables count if they are known to hold images, or if we set them.
pub fn field_managers(
    kind: WorkloadKind,
    entries: Vec<ManagedFieldsEntry>,
    pod: &PodTemplate,
    variables: &Variables,
) -> Vec<FieldManager> {
    let is_ours = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(FIELD_MANAGER);
    let ours: Vec<_> = entries.iter().filter(is_ours).filter_map(managed_fields).collect();
    let mut images = image_field::locate_image_fields(pod, variables);
    if !ours.is_empty() {
        // Users may name additional variables.
        let mut all = image_field::locate_image_fields(pod, &all_variables(pod));
        let is_known =
            |field: &LocatedField| images.iter().any(|known| known.image_field == field.image_field);
        all.retain(|field| is_known(field) || ours.iter().any(|fields| is_in(fields, kind, field)));
        images = all;
    }
    let main = entries
        .into_iter()
        .enumerate()
        .filter(|(_, entry)| entry.subresource.as_deref().unwrap_or_default().is_empty());
    main.map(|(index, entry)| {
        let owned = managed_fields(&entry).into_iter().flat_map(|fields| {
            let owned = images.iter().filter(|field| is_in(fields, kind, field));
            owned.map(|field| field.image_field.clone())
        });
        let image_fields = owned.collect();
        let fields = entry.fields_v1.map(|fields| fields.0);
        let name = entry.manager.unwrap_or_default();
        FieldManager {
            index,
            applies: entry.operation.as_deref() == Some("Apply"),
            time: entry.time.map(|time| time.0),
            image_fields,
            fields: fields.filter(|_| name == FIELD_MANAGER),
            name,
        }
    })
    .collect()
}

fn all_variables(pod: &PodTemplate) -> Variables {
    let containers = pod.spec.init_containers.iter().flatten().chain(&pod.spec.containers);
    let all = containers.flat_map(|container| container.env.iter().flatten());
    all.map(|variable| variable.name.as_str()).collect()
}

fn managed_fields(entry: &ManagedFieldsEntry) -> Option<&Value> {
    entry.fields_v1.as_ref().map(|fields| &fields.0)
}

/// Whether a manager owns `field`.
fn is_in(fields: &Value, kind: WorkloadKind, field: &LocatedField) -> bool {
    let path = field_path(kind, field);
    path.is_some_and(|managed| {
        managed.path.iter().try_fold(fields, |fields, member| fields.get(member)).is_some()
    })
}

/// The path of `field` in a manager's fields, from the root of the object; `None` if no manager can own it.
pub fn field_path(kind: WorkloadKind, field: &LocatedField) -> Option<Managed> {
    let managed = field.managed()?;
    let template: Vec<_> =
        kind.pod_template_pointer().split('/').skip(1).map(|member| format!("f:{member}")).collect();
    Some(Managed { whole: template.len() + managed.whole, path: [template, managed.path].concat() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_are_found_in_the_fields_of_each_manager() {
        let template: PodTemplate = serde_json::from_value(json!({"spec": {
            "initContainers": [{"name": "gpu", "image": "g:1"}],
            "containers": [
                {"name": "agent", "image": "a:1", "env": [
                    {"name": "SCANNERS_IMAGE", "value": "s:1"}, {"name": "OTHER", "value": "o:1"},
                ]},
                {"name": "claimed-for-another-field", "image": "b:1"},
            ],
        }}))
        .unwrap();
        let variables = ["SCANNERS_IMAGE"].into_iter().collect();
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
        let managers = field_managers(WorkloadKind::Deployment, entries, &template, &variables);
        let names: Vec<_> = managers.iter().map(|manager| (manager.name.as_str(), manager.applies)).collect();
        assert_eq!(names, [("helm", true), ("kubectl-annotate", false)]);
        let image_fields: Vec<_> = managers[0].image_fields.iter().map(ToString::to_string).collect();
        assert_eq!(image_fields, ["init/gpu", "container/agent", "env/agent/SCANNERS_IMAGE"]);
        assert_eq!((managers[0].index, managers[1].index), (0, 2), "as in the object");
        assert!(managers[1].image_fields.is_empty());
        // A variable that we set holds an image, even if another manager owns it.
        let other = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"agent\"}": {
            "f:env": {"k:{\"name\":\"OTHER\"}": {"f:value": {}}},
        }}}}}});
        let with_ours =
            vec![entry("helm", "Apply", "", &deployment), entry(FIELD_MANAGER, "Update", "", &other)];
        let managers = field_managers(WorkloadKind::Deployment, with_ours, &template, &variables);
        let names =
            |manager: &FieldManager| manager.image_fields.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(names(&managers[0]).contains(&"env/agent/OTHER".to_owned()));
        assert_eq!(names(&managers[1]), ["env/agent/OTHER"]);
        let cron = json!({"f:spec": {"f:jobTemplate": {"f:spec": {"f:template": {"f:spec": pod}}}}});
        let cron = field_managers(
            WorkloadKind::CronJob,
            vec![entry("x", "Update", "", &cron)],
            &template,
            &variables,
        );
        assert_eq!(cron[0].image_fields.len(), 3);
    }
}
