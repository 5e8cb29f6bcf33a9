//! Which patches put the recorded original images back: pure, from a workload's own annotation and nothing else.

pub mod run;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::model::cluster_plan::Change;
use crate::model::image::Image;
use crate::model::image_field::fields_of;
use crate::model::inventory::{API_VERSION, Carrier, WorkloadKind, WorkloadName};
use crate::model::record::{Record, Records};
use crate::model::workload::Workload;
use crate::ownership::claims;
use crate::sync::rewrite::{Rewrite, WorkloadPatch};
use crate::sync::rollout::{Outcome, WorkloadReport};

/// The whole run. Its shape is a promise to scripts: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub workloads: Vec<WorkloadReport>,
    /// Images that somebody changed after us.
    pub left_alone: Vec<LeftAlone>,
    /// Workloads asked for by name that are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_found: Vec<String>,
    /// Workloads asked for by name that nothing is recorded on, such as after an earlier rollback.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_recorded: Vec<String>,
    /// What could not be looked at, one sentence each.
    pub notes: Vec<String>,
    /// Kinds of workloads that could not be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// What would be done was not approved, and nothing was changed.
    #[serde(skip)]
    pub is_declined: bool,
}

impl RollbackReport {
    pub fn new(left_alone: Vec<LeftAlone>, notes: Vec<String>, unlisted: Vec<String>) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "RollbackReport",
            workloads: Vec::new(),
            left_alone,
            not_found: Vec::new(),
            not_recorded: Vec::new(),
            notes,
            unlisted,
            is_declined: false,
        }
    }

    /// Adds what was asked for by name and is not among `workloads`, or has nothing recorded on it.
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
        let left = self.left_alone.iter().map(|left| &left.workload);
        self.workloads.iter().map(|planned| &planned.workload).chain(left).any(|workload| workload == name)
    }

    /// How many workloads would get other images.
    pub fn planned_changes(&self) -> usize {
        let is_planned =
            |workload: &&WorkloadReport| workload.outcome == Outcome::Planned && !workload.changes.is_empty();
        self.workloads.iter().filter(is_planned).count()
    }

    /// Whether something needs a person: the exit code is then 1.
    pub fn needs_attention(&self) -> bool {
        self.is_declined
            || !self.unlisted.is_empty()
            || !self.not_found.is_empty()
            || self.left_alone.iter().any(|left| left.public.is_some())
            || self.workloads.iter().any(|workload| workload.outcome.needs_attention())
    }

    /// The registries that nodes pull from once it is done.
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

/// A rewritten image that is no longer what we put there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftAlone {
    pub workload: WorkloadName,
    pub carrier: Carrier,
    pub recorded: Record,
    pub current: String,
    /// What `current` is a mirror of, where it is another version in the very repository that we put there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<Image>,
}

/// Decides on one workload; `None` where no image of it is recorded, or nobody's record has to change.
///
/// Who puts an image back claims it, so that a second decision gives that claim up: else its owner would be refused the
/// next version.
/// What is not what we put there stays. Its record goes, unless it still tells what a private name stands for.
pub fn decide(workload: &Workload) -> Option<Rewrite> {
    let before = Records::read(&workload.annotations);
    let (mut records, mut changes) = (before.clone(), Vec::new());
    for (carrier, record, current) in recorded(workload, &before) {
        match current {
            Some(current) if current == record.to => {
                records.set(&carrier, None);
                changes.push(Change { carrier, from: Some(record.to), to: record.from });
            }
            Some(current) if before.source(&carrier, &current).is_some() => {}
            _ => records.set(&carrier, None),
        }
    }
    let left_over = claims::left_over(workload, &before);
    if records == before && left_over.is_empty() {
        return None;
    }
    changes.sort_by(|left, right| left.carrier.cmp(&right.carrier));
    let patch = WorkloadPatch::new(workload, changes, &before, &records);
    Some(Rewrite::Patch(patch.releasing(workload, left_over)))
}

/// The images of `workload` that somebody changed after us, unless to what they had been.
pub fn left_alone(workload: &Workload) -> Vec<LeftAlone> {
    let records = Records::read(&workload.annotations);
    let changed = recorded(workload, &records).into_iter().filter_map(|(carrier, recorded, current)| {
        let current = current.filter(|current| {
            *current != recorded.to && Some(current.as_str()) != recorded.from.as_deref()
        })?;
        let public = records.source(&carrier, &current);
        Some(LeftAlone { workload: workload.name.clone(), carrier, recorded, current, public })
    });
    changed.collect()
}

/// Each record with what stands at its carrier now; nothing where a workload that carries the same is patched.
fn recorded(workload: &Workload, records: &Records) -> Vec<(Carrier, Record, Option<String>)> {
    if workload.is_carried_by_its_owner() {
        return Vec::new();
    }
    let carriers: Vec<Carrier> = records.all().map(|(carrier, _)| carrier).collect();
    let fields = fields_of(&workload.pod, &carriers);
    let current = |carrier: &Carrier| {
        fields.iter().find(|field| field.carrier == *carrier).map(|field| field.value.clone())
    };
    let fields_only = records.all().filter(|(carrier, _)| carrier.is_field());
    fields_only.map(|(carrier, record)| (carrier.clone(), record, current(&carrier))).collect()
}

/// A workload as kubectl users name it: `deployment/x`, `deploy/x`, `deployments.apps/x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    kind: WorkloadKind,
    name: String,
}

impl Named {
    pub fn is(&self, workload: &WorkloadName) -> bool {
        self.kind == workload.kind && self.name == workload.name
    }
}

/// The text names no workload.
#[derive(Debug, thiserror::Error)]
#[error("expected TYPE/NAME such as deployment/castai-agent, with a type of {KINDS}")]
pub struct NotNamed;

const KINDS: &str = "deployment, daemonset, statefulset, replicaset, replicationcontroller, cronjob or pod";

impl FromStr for Named {
    type Err = NotNamed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once('/').ok_or(NotNamed)?;
        let kind = kind.to_lowercase();
        let (resource, group) = kind.split_once('.').map_or((kind.as_str(), None), |(resource, group)| {
            // kubectl also takes a version: deployments.v1.apps.
            (resource, Some(group.strip_prefix("v1.").unwrap_or(group)))
        });
        let kind = match resource {
            "deploy" => Some(WorkloadKind::Deployment),
            "ds" => Some(WorkloadKind::DaemonSet),
            "sts" => Some(WorkloadKind::StatefulSet),
            "rs" => Some(WorkloadKind::ReplicaSet),
            "rc" => Some(WorkloadKind::ReplicationController),
            "cj" => Some(WorkloadKind::CronJob),
            "po" => Some(WorkloadKind::Pod),
            // A Job's images are never rewritten.
            "job" | "jobs" => None,
            resource => WorkloadKind::ALL.into_iter().find(|kind| {
                let own = kind.as_str().to_lowercase();
                resource.strip_suffix('s').unwrap_or(resource) == own
            }),
        };
        let own_group = |kind: WorkloadKind| kind.resource().split_once('.').map(|(_, group)| group);
        let kind = kind.filter(|kind| group.is_none() || group == own_group(*kind)).ok_or(NotNamed)?;
        if name.is_empty() || name.contains('/') {
            return Err(NotNamed);
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.resource(), self.name)
    }
}

#[cfg(test)]
mod tests;
