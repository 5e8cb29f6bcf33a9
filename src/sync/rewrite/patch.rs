//! JSON patches whose every step is guarded by a `test` of what was read.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Value, json};

use super::{Change, WorkloadPatch};
use crate::model::field_manager::field_path;
use crate::model::image_field::patch::{add, remove, set, test, unchanged};
use crate::model::image_field::{Carrier, fields_of};
use crate::model::record::{ANNOTATION, Records};
use crate::model::workload::Workload;
use crate::ownership::claims::{appliers, is_ours};

/// The patch that takes `applied` back from `workload` as it is now: only where the value is still ours. `None`
/// where nothing of it is left.
pub fn restoring(workload: &Workload, applied: &WorkloadPatch) -> Option<Patch> {
    let fields = fields_of(&workload.pod, applied.changes.iter().map(|change| &change.carrier));
    let mut records = Records::read(&workload.annotations);
    let changes: Vec<_> = applied
        .changes
        .iter()
        .filter(|change| {
            let field = fields.iter().find(|field| field.carrier == change.carrier);
            field.map(|field| &field.value) == change.to.as_ref()
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

/// Sets the images of `changes` and our annotation; each is preceded by a `test` of what was read. Entries are added
/// first and removed last, so that every other one stands where it was read.
pub(super) fn build(workload: &Workload, changes: &[Change], records: &Records) -> Patch {
    let fields = fields_of(&workload.pod, changes.iter().map(|change| &change.carrier));
    let (kind, pod) = (workload.name.kind, &workload.pod);
    let (mut added, mut replaced, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        let field = fields.iter().find(|field| field.carrier == change.carrier);
        match (field, &change.to) {
            (Some(field), Some(to)) => replaced.extend(set(kind, field, to)),
            (None, Some(to)) => added.extend(add(kind, pod, &change.carrier, to)),
            (Some(field), None) => removed.extend(remove(kind, pod, field)),
            (None, None) => {}
        }
    }
    added.append(&mut replaced);
    added.append(&mut removed);
    added.extend(annotate(workload, records.to_annotation()));
    Patch(added)
}

/// Gives up our claim on `carriers`, and keeps that on everything else; only as long as the images are what was read,
/// and whoever applies them claims them. Nothing where there is nothing to give up.
pub(super) fn release(workload: &Workload, carriers: &[Carrier]) -> Vec<PatchOperation> {
    let entry = |index: usize, rest: &[&str]| {
        let index = index.to_string();
        PointerBuf::from_tokens(["metadata", "managedFields", &index].into_iter().chain(rest.iter().copied()))
    };
    let fields: Vec<_> = fields_of(&workload.pod, carriers)
        .into_iter()
        .filter_map(|field| Some((field_path(workload.name.kind, &field)?, field)))
        .collect();
    let (mut guards, mut removals) = (Vec::new(), Vec::new());
    for (managed, field) in &fields {
        guards.extend(unchanged(workload.name.kind, field));
        for owner in appliers(workload).filter(|owner| owner.carriers.contains(&field.carrier)) {
            let claimed = ["fieldsV1"].into_iter().chain(managed.path.iter().map(String::as_str));
            guards.push(test(entry(owner.index, &["manager"]), owner.name.as_str().into()));
            guards.push(test(entry(owner.index, &claimed.collect::<Vec<_>>()), json!({})));
        }
    }
    // From the last one, because removing an entry moves those behind it.
    for manager in workload.managers.iter().rev().filter(|manager| is_ours(manager)) {
        let Some(before) = &manager.fields else { continue };
        let mut rest = before.clone();
        for (managed, _) in &fields {
            disown(&mut rest, &managed.path[..managed.whole]);
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

/// Takes the member at `path` away, and what held nothing else: an empty set would claim its whole item.
fn disown(fields: &mut Value, path: &[String]) {
    let (Some((first, rest)), Some(members)) = (path.split_first(), fields.as_object_mut()) else { return };
    let is_spent = match members.get_mut(first) {
        Some(inner) if !rest.is_empty() && !is_empty(inner) => {
            disown(inner, rest);
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

#[cfg(test)]
mod tests;
