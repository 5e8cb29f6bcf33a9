//! JSON patch operations that change an image field, guarded by `test` operations on the values that were read.

use json_patch::jsonptr::PointerBuf;
use json_patch::{PatchOperation, ReplaceOperation, TestOperation};
use serde_json::Value;

use super::kind::Location;
use super::{ImageField, LocatedField};
use crate::model::pod_template::PodTemplate;
use crate::model::workload_kind::WorkloadKind;

/// Converts a path in the pod template to a path in the workload.
pub fn absolute(kind: WorkloadKind, path: &[String]) -> PointerBuf {
    let prefix = kind.pod_template_pointer().split('/').skip(1);
    PointerBuf::from_tokens(prefix.chain(path.iter().map(String::as_str)))
}

/// A `test` operation.
pub fn test(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path, value })
}

/// Tests that `field` has not changed since it was read.
pub fn unchanged(kind: WorkloadKind, field: &LocatedField) -> Vec<PatchOperation> {
    let mut operations = names(kind, field);
    operations.push(test(absolute(kind, &field.path), field.text.as_str().into()));
    operations
}

/// Sets the image of `field` if it has not changed since it was read.
pub fn set(kind: WorkloadKind, field: &LocatedField, image: &str) -> Vec<PatchOperation> {
    let mut operations = unchanged(kind, field);
    operations.push(replace(kind, field, image));
    operations
}

/// Sets the image of `field` whatever its value: only the names must not have changed.
pub fn set_by_name(kind: WorkloadKind, field: &LocatedField, image: &str) -> Vec<PatchOperation> {
    let mut operations = names(kind, field);
    operations.push(replace(kind, field, image));
    operations
}

/// Adds a field that `pod` does not have; empty if the kind does not support this.
pub fn add(
    kind: WorkloadKind,
    pod: &PodTemplate,
    image_field: &ImageField,
    image: &str,
) -> Vec<PatchOperation> {
    match &image_field.kind.location {
        Location::Own(own) => (own.add)(kind, pod, image_field, image),
        _ => Vec::new(),
    }
}

/// Removes a field that was added; empty if the kind does not support this.
pub fn remove(kind: WorkloadKind, pod: &PodTemplate, field: &LocatedField) -> Vec<PatchOperation> {
    match &field.image_field.kind.location {
        Location::Own(own) => (own.remove)(kind, pod, field),
        _ => Vec::new(),
    }
}

fn names(kind: WorkloadKind, field: &LocatedField) -> Vec<PatchOperation> {
    let names = field.names.iter();
    names.map(|(path, name)| test(absolute(kind, path), name.as_str().into())).collect()
}

fn replace(kind: WorkloadKind, field: &LocatedField, image: &str) -> PatchOperation {
    let path = absolute(kind, &field.path);
    PatchOperation::Replace(ReplaceOperation { path, value: field.text_with(image).into() })
}
