//! JSON patches in which a `test` guards every operation.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Value, json};

use super::{Change, WorkloadPatch};
use crate::model::field_manager::field_path;
use crate::model::image_field::patch::{add, remove, set, test, unchanged};
use crate::model::image_field::{ImageField, locate_fields};
use crate::model::record::{ANNOTATION, Records};
use crate::model::workload::Workload;
use crate::ownership::fields::{appliers, is_ours};

/// The patch that reverts `applied` in the current `workload`, only for values that are still ours. `None` if there are
/// none.
pub fn restoring(workload: &Workload, applied: &WorkloadPatch) -> Option<Patch> {
    let fields = locate_fields(&workload.pod, applied.changes.iter().map(|change| &change.image_field));
    let mut records = Records::read(&workload.annotations);
    let changes: Vec<_> = applied
        .changes
        .iter()
        .filter(|change| {
            let field = fields.iter().find(|field| field.image_field == change.image_field);
            field.map(|field| &field.value) == change.to.as_ref()
        })
        .map(|change| Change {
            image_field: change.image_field.clone(),
            from: change.to.clone(),
            to: change.from.clone(),
        })
        .collect();
    for change in &changes {
        records.set(&change.image_field, applied.previous.get(&change.image_field).cloned().flatten());
    }
    (!changes.is_empty()).then(|| build(workload, &changes, &records))
}

/// Sets the images of `changes` and our annotation, each after a `test` of the value that was read. Entries are added
/// first and removed last, so that the indices of all others remain valid.
pub(super) fn build(workload: &Workload, changes: &[Change], records: &Records) -> Patch {
    let fields = locate_fields(&workload.pod, changes.iter().map(|change| &change.image_field));
    let (kind, pod) = (workload.name.kind, &workload.pod);
    let (mut added, mut replaced, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let field = fields.iter().find(|field| field.image_field == change.image_field);
        match (field, &change.to) {
            (Some(field), Some(to)) => replaced.extend(set(kind, field, to)),
            (None, Some(to)) => added.extend(add(kind, pod, &change.image_field, to)),
            (Some(field), None) => removed.extend(remove(kind, pod, field)),
            (None, None) => {}
        }
    }
    added.append(&mut replaced);
    added.append(&mut removed);
    added.extend(annotate(workload, records.to_annotation()));
    Patch(added)
}

/// Relinquishes our ownership of `image_fields` and nothing else, only while the images are unchanged and their owner
/// owns them. Empty if there is nothing to relinquish.
pub(super) fn relinquish(workload: &Workload, image_fields: &[ImageField]) -> Vec<PatchOperation> {
    let entry = |index: usize, rest: &[&str]| {
        let index = index.to_string();
        PointerBuf::from_tokens(["metadata", "managedFields", &index].into_iter().chain(rest.iter().copied()))
    };
    let fields: Vec<_> = locate_fields(&workload.pod, image_fields)
        .into_iter()
        .filter_map(|field| Some((field_path(workload.name.kind, &field)?, field)))
        .collect();
    let (mut guards, mut removals) = (Vec::new(), Vec::new());
    for (managed, field) in &fields {
        guards.extend(unchanged(workload.name.kind, field));
        for owner in appliers(workload).filter(|owner| owner.image_fields.contains(&field.image_field)) {
            let claimed = ["fieldsV1"].into_iter().chain(managed.path.iter().map(String::as_str));
            guards.push(test(entry(owner.index, &["manager"]), owner.name.as_str().into()));
            guards.push(test(entry(owner.index, &claimed.collect::<Vec<_>>()), json!({})));
        }
    }
    // In reverse order, because removing an entry shifts the ones after it.
    for manager in workload.managers.iter().rev().filter(|manager| is_ours(manager)) {
        let Some(before) = &manager.fields else { continue };
        let mut rest = before.clone();
        for (managed, _) in &fields {
            remove_ownership(&mut rest, &managed.path[..managed.whole]);
        }
        if rest == *before {
            continue;
        }
        guards.push(test(entry(manager.index, &["manager"]), manager.name.as_str().into()));
        guards.push(test(entry(manager.index, &["fieldsV1"]), before.clone()));
        removals.push(if is_empty(&rest) {
            PatchOperation::Remove(RemoveOperation { path: entry(manager.index, &[]) })
        } else {
            let path = entry(manager.index, &["fieldsV1"]);
            PatchOperation::Replace(ReplaceOperation { path, value: rest })
        });
    }
    if removals.is_empty() {
        return Vec::new();
    }
    guards.extend(removals);
    guards
}

/// Removes the member at `path`, and parents that become empty: an empty set would own the whole item.
fn remove_ownership(fields: &mut Value, path: &[String]) {
    let (Some((first, rest)), Some(members)) = (path.split_first(), fields.as_object_mut()) else { return };
    let is_spent = match members.get_mut(first) {
        Some(inner) if !rest.is_empty() && !is_empty(inner) => {
            remove_ownership(inner, rest);
            is_empty(inner)
        }
        Some(_) => rest.is_empty(),
        None => false,
    };
    if is_spent {
        members.remove(first);
    }
}

fn is_empty(fields: &Value) -> bool {
    fields.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The API server's `test` treats a missing member as null, so absence can be tested as well.
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

#[cfg(test)]
mod tests;
