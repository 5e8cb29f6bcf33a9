//! A variable that a container did not have before, and has no longer afterwards.

use json_patch::{AddOperation, PatchOperation, RemoveOperation};
use serde_json::{Value, json};

use super::{absolute, test, unchanged};
use crate::model::image_field::Carried;
use crate::model::inventory::Carrier;
use crate::model::workload::Workload;

/// Adds a variable behind all others of its container, which has to have the name and image that were read. One that
/// somebody else adds meanwhile comes to stand behind it, so that theirs counts.
pub(super) fn add(workload: &Workload, carrier: &Carrier, value: &str) -> Vec<PatchOperation> {
    let Carrier::Environment { container, variable } = carrier else { return Vec::new() };
    let lists = [
        ("initContainers", workload.pod.init_containers.as_deref().unwrap_or_default()),
        ("containers", workload.pod.containers.as_slice()),
    ];
    let mut found = lists.into_iter().flat_map(|(list, containers)| {
        containers.iter().enumerate().map(move |(index, container)| (list, index.to_string(), container))
    });
    let Some((list, index, found)) = found.find(|(.., found)| found.name == *container) else {
        return Vec::new();
    };
    let at = |rest: &[&str]| {
        let path = [list, index.as_str()].into_iter().chain(rest.iter().copied()).map(str::to_owned);
        absolute(workload, &path.collect::<Vec<_>>())
    };
    let entry = json!({"name": variable, "value": value});
    let mut operations = vec![test(at(&["name"]), container.as_str().into())];
    operations.extend(found.image.as_deref().map(|image| test(at(&["image"]), image.into())));
    match found.env.as_deref().unwrap_or_default() {
        [] => {
            // The API server's `test` takes a missing member for null.
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

/// Removes a variable, and the list that held nothing else.
pub(super) fn remove(workload: &Workload, field: &Carried) -> Vec<PatchOperation> {
    let mut operations = unchanged(workload, field);
    // The path ends in `env`, the position and `value`.
    let Some((list, [position, _])) = field.path.split_last_chunk::<2>() else { return Vec::new() };
    let all = workload.pod.init_containers.iter().flatten().chain(&workload.pod.containers);
    let mut own = all.filter(|container| container.name == field.container);
    let variables = own.next().and_then(|container| container.env.as_deref()).unwrap_or_default();
    let path = if let [only] = variables {
        operations.push(test(absolute(workload, list), json!([{"name": only.name, "value": only.value}])));
        absolute(workload, list)
    } else {
        let path: Vec<_> = list.iter().chain([position]).cloned().collect();
        absolute(workload, &path)
    };
    operations.push(PatchOperation::Remove(RemoveOperation { path }));
    operations
}
