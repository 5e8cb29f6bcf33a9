//! Files for a GitOps repository: kustomize's `images:`, and a patch per workload.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::image_field::patch::set_by_name;
use crate::model::image_field::{ImageField, Variables, locate_image_fields};
use crate::model::inventory::{Place, WorkloadName};
use crate::model::knowledge::Knowledge;
use crate::model::workload::Workload;
use crate::sync::plan::assignment::{Assignment, ImageSource};

/// The repositories of containers, with their names in the mirror. Tags are not changed. kustomize compares the text of a
/// name, so each name is as the manifests write it.
pub fn images(assignments: &[Assignment]) -> Value {
    let mut names = BTreeMap::new();
    for assigned in assignments {
        let ImageSource::Known(source) = &assigned.source else { continue };
        let new_name = assigned.destination.repository();
        if source.repository() == new_name {
            continue;
        }
        let renamed =
            assigned.used_by.iter().filter(|used| used.used_by.image_field.is_renamed_by_kustomize());
        for used in renamed {
            // The cluster may have the private name already, and the manifests the public one.
            let public = if used.image.repository() == new_name {
                used.used_by.recorded_source.as_ref().unwrap_or(source)
            } else {
                &used.image
            };
            names.insert(public.repository_as_written(), new_name);
        }
    }
    let entries: Vec<_> =
        names.iter().map(|(name, new_name)| json!({"name": name, "newName": new_name})).collect();
    json!({"images": entries})
}

/// A field of a workload that kustomize's `images:` does not rename.
#[derive(Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    pub workload: &'a WorkloadName,
    pub field: &'a ImageField,
    /// A clause: what kustomize does not support.
    pub why: &'static str,
    /// The image that the field needs.
    pub image: String,
}

/// The fields that [`images`] does not cover.
pub fn gaps(assignments: &[Assignment]) -> Vec<Gap<'_>> {
    let mut found = Vec::new();
    for assigned in assignments.iter().filter(|assigned| matches!(assigned.source, ImageSource::Known(_))) {
        for used in &assigned.used_by {
            let (Place::Workload(workload), field) = (&used.used_by.place, &used.used_by.image_field) else {
                continue;
            };
            if let Some(why) = field.kustomize_gap(workload.kind) {
                found.push(Gap { workload, field, why, image: assigned.destination.to_string() });
            }
        }
    }
    found
}

/// The patches that `sync-images` would make, in the format of kustomize's `patches:`. They test the names of
/// containers, so that a patch never changes another container, but not the images, because the owner of the manifests
/// changes tags.
pub fn patches(workloads: &[Workload], assignments: &[Assignment], knowledge: &Knowledge) -> Value {
    let variables = knowledge.image_variables();
    let entries: Vec<_> =
        workloads.iter().filter_map(|workload| entry(workload, assignments, &variables)).collect();
    json!({"patches": entries})
}

fn entry(workload: &Workload, assignments: &[Assignment], variables: &Variables) -> Option<Value> {
    let mut operations = Vec::new();
    for field in locate_image_fields(&workload.pod, variables) {
        if let Some(image) = renamed(&workload.name, &field.image_field, assignments) {
            operations.extend(set_by_name(workload.name.kind, &field, &image));
        }
    }
    if operations.is_empty() {
        return None;
    }
    let name = &workload.name;
    let (kind, group) = (name.kind.as_str(), name.kind.resource().split_once('.').map(|(_, group)| group));
    let mut target = json!({"version": "v1", "kind": kind, "name": name.name, "namespace": name.namespace});
    if let Some(group) = group {
        target["group"] = group.into();
    }
    let patch = serde_json::to_string_pretty(&json!(operations)).unwrap_or_default() + "\n";
    Some(json!({"target": target, "patch": patch}))
}

/// The new value of a workload's field, if it can be changed.
fn renamed(workload: &WorkloadName, image_field: &ImageField, assignments: &[Assignment]) -> Option<String> {
    assignments.iter().filter(|assigned| matches!(assigned.source, ImageSource::Known(_))).find_map(
        |assigned| {
            let is_it = assigned.used_by.iter().any(|used| {
                let is_here = matches!(&used.used_by.place, Place::Workload(name) if name == workload);
                is_here && used.used_by.image_field == *image_field && used.used_by.not_rewritable.is_none()
            });
            is_it.then(|| assigned.destination.to_string())
        },
    )
}

#[cfg(test)]
mod tests;
