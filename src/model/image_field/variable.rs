//! A container variable whose literal value is an image that the container starts later. It is the only kind of field
//! that we add to workloads, and remove again.

use json_patch::{AddOperation, PatchOperation, RemoveOperation};
use serde_json::{Value, json};

use super::kind::{FieldKind, Kustomize, Location, Own, Relation};
use super::list_field::{key, path};
use super::patch::{absolute, test, unchanged};
use super::{ImageField, LocatedField, Managed, Variables};
use crate::model::pod_template::{Container, PodTemplate};
use crate::model::workload_kind::WorkloadKind;

pub(super) const KIND: FieldKind = FieldKind {
    form: "env/CONTAINER/VARIABLE",
    location: Location::Own(Own { find, managed, add, remove }),
    relation: Relation::ComesWith,
    restarts_container: false,
    immutable_in: |kind| {
        (kind == WorkloadKind::Pod).then_some("environment variables of a pod are immutable")
    },
    is_renamed_at_admission: false,
    kustomize: Kustomize { renames: false, gap: |_| Some("kustomize renames no image in a variable") },
};

impl ImageField {
    pub fn of_variable(container: &str, variable: &str) -> Self {
        Self::new(&KIND, &[container, variable])
    }

    /// The variable whose value it is.
    pub fn variable(&self) -> Option<&str> {
        self.names_of(&KIND)?.last().map(|name| &**name)
    }
}

/// The containers that have variables, each with the name of its list and its index.
fn containers(pod: &PodTemplate) -> impl Iterator<Item = (&'static str, usize, &Container)> {
    let init = pod.spec.init_containers.iter().flatten().enumerate();
    let init = init.map(|(index, container)| ("initContainers", index, container));
    let main = pod.spec.containers.iter().enumerate();
    init.chain(main.map(|(index, container)| ("containers", index, container)))
}

fn find(pod: &PodTemplate, variables: &Variables) -> Vec<LocatedField> {
    let all = containers(pod).flat_map(|container| variables.names().map(move |name| (container, name)));
    all.filter_map(|((list, index, container), name)| {
        // If a name occurs repeatedly, the last one is effective.
        let environment = container.env.as_deref().unwrap_or_default();
        let (position, variable) =
            environment.iter().enumerate().rfind(|(_, variable)| variable.name == name)?;
        let position = position.to_string();
        let value = variable.value.clone().filter(|value| !value.is_empty())?;
        Some(LocatedField {
            image_field: ImageField::of_variable(&container.name, name),
            text: value.clone(),
            value,
            path: path(list, index, &["env", &position, "value"]),
            names: vec![
                (path(list, index, &["name"]), container.name.clone()),
                (path(list, index, &["env", &position, "name"]), name.to_owned()),
            ],
        })
    })
    .collect()
}

/// The manager that adds a variable also owns its entry and name, and would otherwise keep it without a value.
fn managed(field: &LocatedField) -> Option<Managed> {
    let list = format!("f:{}", field.path.get(1)?);
    let (container, variable) = (field.image_field.container()?, field.image_field.variable()?);
    let path = vec![
        "f:spec".to_owned(),
        list,
        key(container),
        "f:env".to_owned(),
        key(variable),
        "f:value".to_owned(),
    ];
    Some(Managed { whole: path.len() - 1, path })
}

/// Appends a variable to its container, which must have the name and image that were read. If another client appends
/// the same variable in the meantime, theirs comes later and is effective.
fn add(kind: WorkloadKind, pod: &PodTemplate, image_field: &ImageField, value: &str) -> Vec<PatchOperation> {
    let (Some(name), Some(variable)) = (image_field.container(), image_field.variable()) else {
        return Vec::new();
    };
    let Some((list, index, found)) = containers(pod).find(|(.., found)| found.name == name) else {
        return Vec::new();
    };
    let at = |rest: &[&str]| absolute(kind, &path(list, index, rest));
    let entry = json!({"name": variable, "value": value});
    let mut operations = vec![test(at(&["name"]), name.into())];
    operations.extend(found.image.as_deref().map(|image| test(at(&["image"]), image.into())));
    match found.env.as_deref().unwrap_or_default() {
        [] => {
            // The API server's `test` treats a missing member as null.
            operations.push(test(at(&["env"]), Value::Null));
            operations.push(PatchOperation::Add(AddOperation { path: at(&["env"]), value: json!([entry]) }));
        }
        variables => {
            let end = variables.len().to_string();
            operations.push(PatchOperation::Add(AddOperation { path: at(&["env", &end]), value: entry }));
        }
    }
    operations
}

/// Removes a variable, and the list if it becomes empty.
fn remove(kind: WorkloadKind, pod: &PodTemplate, field: &LocatedField) -> Vec<PatchOperation> {
    let mut operations = unchanged(kind, field);
    // The path ends with `env`, the index and `value`.
    let Some((list, [position, _])) = field.path.split_last_chunk::<2>() else { return Vec::new() };
    let own = containers(pod)
        .find(|(.., container)| Some(container.name.as_str()) == field.image_field.container());
    let variables = own.and_then(|(.., container)| container.env.as_deref()).unwrap_or_default();
    let path = if let [only] = variables {
        operations.push(test(absolute(kind, list), json!([{"name": only.name, "value": only.value}])));
        absolute(kind, list)
    } else {
        let path: Vec<_> = list.iter().chain([position]).cloned().collect();
        absolute(kind, &path)
    };
    operations.push(PatchOperation::Remove(RemoveOperation { path }));
    operations
}
