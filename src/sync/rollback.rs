//! Decides on patches that restore the recorded original images: pure, from a workload's own annotation only.

pub mod named;
mod renaming;
pub mod run;

use std::collections::BTreeSet;

use serde::Serialize;

use self::named::Named;
use crate::model::cluster_plan::Change;
use crate::model::image::Image;
use crate::model::image_field::locate_fields;
use crate::model::inventory::{API_VERSION, ImageField, WorkloadName};
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::fields;
use crate::sync::rewrite_workload::{Rewrite, WorkloadPatch};
use crate::sync::rollout::{Outcome, WorkloadReport};

/// The result of a run. Its format is stable for scripts: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RollbackReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub workloads: Vec<WorkloadReport>,
    /// Images that changed after our rewrite.
    pub skipped: Vec<SkippedImage>,
    /// Workloads that the user named but that do not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_found: Vec<String>,
    /// Workloads that the user named but that have no record, for example after an earlier rollback.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_recorded: Vec<String>,
    /// What could not be read, one sentence each.
    pub notes: Vec<String>,
    /// Kinds of workloads that could not be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// Objects and records of Cast AI that could not be read, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// The changes were not confirmed, and nothing was changed.
    #[serde(skip)]
    pub is_declined: bool,
}

impl RollbackReport {
    pub fn new(skipped: Vec<SkippedImage>, notes: Vec<String>, unlisted: Vec<String>) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "RollbackReport",
            workloads: Vec::new(),
            skipped,
            not_found: Vec::new(),
            not_recorded: Vec::new(),
            notes,
            unlisted,
            unreadable: Vec::new(),
            is_declined: false,
        }
    }

    /// Adds workloads that the user named but that are not in `workloads`, or have no record.
    fn add_unmatched(&mut self, names: &[Named], workloads: &[Workload]) {
        for named in names {
            let mut found = workloads.iter().filter(|workload| named.is(&workload.name)).peekable();
            if found.peek().is_none() {
                self.not_found.push(named.to_string());
            } else if !found.any(|workload| self.knows(&workload.name)) {
                self.not_recorded.push(named.to_string());
            }
        }
    }

    fn knows(&self, name: &WorkloadName) -> bool {
        let left = self.skipped.iter().map(|left| &left.workload);
        self.workloads.iter().map(|planned| &planned.workload).chain(left).any(|workload| workload == name)
    }

    /// The number of workloads whose images would change.
    pub fn planned_changes(&self) -> usize {
        let is_planned =
            |workload: &&WorkloadReport| workload.outcome == Outcome::Planned && !workload.changes.is_empty();
        self.workloads.iter().filter(is_planned).count()
    }

    /// Whether something needs attention: exit code 1.
    pub fn needs_attention(&self) -> bool {
        self.is_declined
            || !self.unlisted.is_empty()
            || !self.unreadable.is_empty()
            || !self.not_found.is_empty()
            || self.skipped.iter().any(|left| left.public.is_some())
            || self.workloads.iter().any(|workload| workload.outcome.needs_attention())
    }

    /// Whether anything would be written.
    pub fn is_anything_planned(&self) -> bool {
        self.workloads.iter().any(|planned| !matches!(planned.outcome, Outcome::HeldBack(_)))
    }

    /// The registries that nodes need after the rollback.
    pub fn hosts(&self) -> BTreeSet<String> {
        let undone = self.workloads.iter().filter(|workload| {
            matches!(workload.outcome, Outcome::Updated | Outcome::Planned | Outcome::DryRunOk)
        });
        let images = undone
            .flat_map(|workload| &workload.changes)
            .filter_map(|change| change.to.as_ref()?.parse().ok());
        images.map(|image: Image| image.host().to_owned()).collect()
    }
}

/// A rewritten image that has changed since our rewrite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SkippedImage {
    pub workload: WorkloadName,
    pub image_field: ImageField,
    pub recorded: Record,
    pub current: String,
    /// The source of `current`, if it is another version in the private repository that we set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<Image>,
}

/// Decides on one workload; `None` if it has no recorded image, or its record does not change.
///
/// Restoring an image takes ownership of the field, so a second decision relinquishes it: otherwise its owner's next
/// upgrade would fail with a conflict. An image that changed after our rewrite is not restored. Its record is removed,
/// unless it still determines the source of a private name.
pub fn decide(workload: &Workload) -> Option<Rewrite> {
    let before = Records::read(&workload.annotations);
    let (mut records, mut changes) = (before.clone(), Vec::new());
    for (image_field, record, current) in recorded(workload, &before) {
        match current {
            Some(current) if current == record.to => {
                records.set(&image_field, None);
                changes.push(Change { image_field, from: Some(record.to), to: record.from });
            }
            Some(current) if before.source(&image_field, &current).is_some() => {}
            _ => records.set(&image_field, None),
        }
    }
    let stale_fields = fields::stale_fields(workload, &before);
    if records == before && stale_fields.is_empty() {
        return None;
    }
    changes.sort_by(|left, right| left.image_field.cmp(&right.image_field));
    let patch = WorkloadPatch::new(workload, changes, &before, &records);
    Some(Rewrite::Patch(patch.relinquishing(workload, stale_fields)))
}

/// The images of `workload` that changed after our rewrite, except those that were restored.
pub fn skipped(workload: &Workload) -> Vec<SkippedImage> {
    let records = Records::read(&workload.annotations);
    let changed = recorded(workload, &records).into_iter().filter_map(|(image_field, recorded, current)| {
        let current = current.filter(|current| {
            *current != recorded.to && Some(current.as_str()) != recorded.from.as_deref()
        })?;
        let public = records.source(&image_field, &current);
        Some(SkippedImage { workload: workload.name.clone(), image_field, recorded, current, public })
    });
    changed.collect()
}

/// Each record with the current value of its image field; nothing if the workload's owner has the same images and is
/// patched instead.
fn recorded(workload: &Workload, records: &Records) -> Vec<(ImageField, Record, Option<String>)> {
    if workload.is_covered_by_its_controller() {
        return Vec::new();
    }
    let image_fields: Vec<ImageField> = records.all().map(|(image_field, _)| image_field).collect();
    let fields = locate_fields(&workload.pod, &image_fields);
    let current = |image_field: &ImageField| {
        fields.iter().find(|field| field.image_field == *image_field).map(|field| field.value.clone())
    };
    let fields_only = records.all().filter(|(image_field, _)| image_field.is_in_object());
    fields_only.map(|(image_field, record)| (image_field.clone(), record, current(&image_field))).collect()
}

#[cfg(test)]
mod tests;
