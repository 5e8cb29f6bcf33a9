//! JSON patches whose every step is guarded by a `test` of what was read.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation};
use serde_json::Value;

use super::{Change, WorkloadPatch};
use crate::cluster::workload::Workload;
use crate::sync::carriers::{Carried, fields_of};
use crate::sync::record::{ANNOTATION, Records};

/// The patch that takes `applied` back from `workload` as it is now: only where the value is still ours. `None`
/// where nothing of it is left.
pub fn restoring(workload: &Workload, applied: &WorkloadPatch) -> Option<Patch> {
    let fields = fields_of(&workload.pod, applied.changes.iter().map(|change| &change.carrier));
    let mut records = Records::read(&workload.annotations);
    let changes: Vec<_> = applied
        .changes
        .iter()
        .filter(|change| {
            fields.iter().any(|field| field.carrier == change.carrier && field.value == change.to)
        })
        .map(|change| Change {
            carrier: change.carrier.clone(),
            from: change.to.clone(),
            to: change.from.clone(),
        })
        .collect();
    for change in &changes {
        records.set(&change.carrier, applied.previous.get(&change.carrier).cloned().flatten());
    }
    (!changes.is_empty()).then(|| build(workload, &changes, &records))
}

/// Replaces the images of `changes` and our annotation; each is preceded by a `test` of what was read.
pub(super) fn build(workload: &Workload, changes: &[Change], records: &Records) -> Patch {
    let fields = fields_of(&workload.pod, changes.iter().map(|change| &change.carrier));
    let mut operations = Vec::new();
    for change in changes {
        let Some(field) = fields.iter().find(|field| field.carrier == change.carrier) else {
            continue;
        };
        operations.extend(replace(workload, field, &change.to));
    }
    operations.extend(annotate(workload, records.to_annotation()));
    Patch(operations)
}

fn replace(workload: &Workload, field: &Carried, value: &str) -> Vec<PatchOperation> {
    let absolute = |path: &[String]| {
        let prefix = workload.name.kind.pod_spec_pointer().split('/').skip(1);
        PointerBuf::from_tokens(prefix.chain(path.iter().map(String::as_str)))
    };
    let mut operations: Vec<_> =
        field.names.iter().map(|(path, name)| test(absolute(path), name.as_str().into())).collect();
    operations.push(test(absolute(&field.path), field.value.as_str().into()));
    operations
        .push(PatchOperation::Replace(ReplaceOperation { path: absolute(&field.path), value: value.into() }));
    operations
}

/// The API server's `test` takes a missing member for null, so that absence can be tested as well.
fn annotate(workload: &Workload, value: Option<String>) -> Vec<PatchOperation> {
    let all = || PointerBuf::from_tokens(["metadata", "annotations"]);
    let ours = || PointerBuf::from_tokens(["metadata", "annotations", ANNOTATION]);
    let current = workload.annotations.get(ANNOTATION);
    if current == value.as_ref() {
        return Vec::new();
    }
    let add = |path, value| PatchOperation::Add(AddOperation { path, value });
    match (current, value) {
        (_, Some(value)) if workload.annotations.is_empty() => {
            vec![test(all(), Value::Null), add(all(), serde_json::json!({ANNOTATION: value}))]
        }
        (current, Some(value)) => vec![test(ours(), serde_json::json!(current)), add(ours(), value.into())],
        (current, None) => {
            vec![
                test(ours(), serde_json::json!(current)),
                PatchOperation::Remove(RemoveOperation { path: ours() }),
            ]
        }
    }
}

fn test(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path, value })
}
