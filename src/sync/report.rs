//! The result of a run as one value: rendered as tables, or printed as JSON or YAML.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::image::{Digest, Image, Mirror};
use crate::model::inventory::{API_VERSION, Cluster, ImageField, Inventory, Place};
use crate::model::plan::{Content, Plan, PlannedImage, Step, WithoutAttestations};
use crate::model::provenance::Provenance;
use crate::model::traffic::HostTraffic;
use crate::sync::mirror::Reduced;
use crate::sync::rollout::{Outcome, WorkloadReport};

/// The result of a run. Its format is stable for scripts: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub destinations: Vec<Mirror>,
    pub images: Vec<ImageReport>,
    pub workloads: Vec<WorkloadReport>,
    /// What could not be read, one sentence each.
    pub notes: Vec<String>,
    /// Kinds of workloads and of Cast AI's custom resources that could not be listed, so that their images are unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// Objects of Cast AI and of the user's files that could not be read, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Optional sources that could not be read, such as `secrets` or `Helm releases`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
    #[serde(skip)]
    pub end: RunOutcome,
    /// The clusters that this run is connected to; an inventory from another machine names others.
    #[serde(skip)]
    pub clusters: Vec<Cluster>,
    /// The images, and where they are used.
    #[serde(skip)]
    pub inventory: Inventory,
    /// The hosts of all sources, if this machine reaches none of those that it needs.
    #[serde(skip)]
    pub unreachable_sources: BTreeSet<String>,
    /// The traffic with each registry and its token service, by host.
    #[serde(skip)]
    pub traffic: Vec<(String, HostTraffic)>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum RunOutcome {
    /// Only discovery ran, or nothing was found.
    Discovered,
    /// A dry run, with the copy plan if there is one.
    Planned(Option<Plan>),
    /// The plan was not confirmed; nothing was changed.
    Declined,
    Done,
}

/// The changes that need confirmation.
pub struct Proposal<'a> {
    pub planned: &'a SyncReport,
    /// Images to copy.
    pub copies: usize,
    /// Bytes to upload.
    pub upload_bytes: u64,
    /// Workloads to patch.
    pub patches: usize,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// The public image; the name as written if its source is unknown.
    pub image: Image,
    pub destination: Image,
    /// The provenance of the public image's name; `None` if there is no public image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    pub result: ImageResult,
    /// Why it failed or was skipped, or a remark that stops nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub platforms: Vec<String>,
    /// Bytes of all manifests and blobs; `None` if only the digest was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What was skipped, if the registry has the public image without some attestations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_attestations: Option<WithoutAttestations>,
    pub used_by: Vec<UseReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ImageResult {
    Copied,
    /// Copied, and moved the tag, which had other content.
    Replaced,
    UpToDate,
    /// The registry has it, but its source is unknown or could not be read.
    NotCompared,
    /// The registry has it, and its source no longer has the tag.
    TagRemoved,
    Skipped,
    /// The registry does not have it, and copying was skipped.
    Missing,
    Failed,
}

impl ImageResult {
    /// The result after a step was written.
    pub const fn written(step: &Step) -> Self {
        match step {
            Step::Replace { .. } => Self::Replaced,
            _ => Self::Copied,
        }
    }

    /// Whether the registry was changed.
    pub const fn is_written(self) -> bool {
        matches!(self, Self::Copied | Self::Replaced)
    }

    const fn needs_attention(self) -> bool {
        matches!(self, Self::Failed | Self::Missing | Self::NotCompared | Self::TagRemoved)
    }

    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Replaced => "replaced",
            Self::UpToDate => "up to date",
            Self::NotCompared => "not compared",
            Self::TagRemoved => "tag removed",
            Self::Skipped => "skipped",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// One use of an image, and why the image is included.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UseReport {
    pub place: Place,
    pub image_field: ImageField,
    #[serde(rename = "reason")]
    pub why: String,
}

impl SyncReport {
    pub fn new(destinations: Vec<Mirror>, inventory: &Inventory) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "SyncReport",
            destinations,
            images: Vec::new(),
            workloads: Vec::new(),
            notes: inventory.notes.clone(),
            unlisted: inventory.unlisted.clone(),
            unreadable: inventory.unreadable.clone(),
            not_read: inventory.not_read.clone(),
            end: RunOutcome::Done,
            clusters: Vec::new(),
            inventory: inventory.clone(),
            unreachable_sources: BTreeSet::new(),
            traffic: Vec::new(),
        }
    }

    /// The report of a run with discovery only.
    pub fn discovered(inventory: &Inventory) -> Self {
        Self { end: RunOutcome::Discovered, ..Self::new(Vec::new(), inventory) }
    }

    /// The same, after the plan was not confirmed.
    #[must_use]
    pub fn declined(self) -> Self {
        Self { end: RunOutcome::Declined, ..self }
    }

    #[must_use]
    pub fn with_traffic(self, traffic: Vec<(String, HostTraffic)>) -> Self {
        Self { traffic, ..self }
    }

    /// Whether no image of Cast AI was found.
    pub fn found_nothing(&self) -> bool {
        matches!(self.end, RunOutcome::Discovered) && self.inventory.images.is_empty()
    }

    /// Whether something needs attention: exit code 1.
    pub fn needs_attention(&self) -> bool {
        matches!(self.end, RunOutcome::Declined)
            || self.found_nothing()
            || !self.unlisted.is_empty()
            || !self.unreadable.is_empty()
            || self.images.iter().any(|image| image.result.needs_attention())
            || self.workloads.iter().any(WorkloadReport::needs_attention)
    }

    /// Whether anything was copied into the registry.
    pub fn has_copied(&self) -> bool {
        self.images.iter().any(|image| image.result.is_written())
    }

    /// Whether registry and cluster are unchanged because everything was up to date.
    pub fn is_unchanged(&self) -> bool {
        !self.needs_attention()
            && !self.has_copied()
            && self
                .workloads
                .iter()
                .all(|workload| matches!(workload.outcome, Outcome::Unchanged | Outcome::NotRewritable(_)))
    }
}

impl ImageReport {
    /// The report on a planned image, with the result and message of mirroring.
    pub fn from_planned(planned: &PlannedImage, result: ImageResult, message: Option<String>) -> Self {
        Self::of_content(planned, planned.step.content(), result, message)
    }

    /// The report on an image whose attestations the registry refused.
    pub fn without_attestations(planned: &PlannedImage, result: ImageResult, reduced: &Reduced) -> Self {
        let refusal =
            format!("mirrored without attestations, which the registry refuses ({})", reduced.refusal);
        Self::of_content(planned, Some(&reduced.content), result, Some(refusal))
    }

    fn of_content(
        planned: &PlannedImage,
        content: Option<&Content>,
        result: ImageResult,
        message: Option<String>,
    ) -> Self {
        Self {
            image: planned.source.clone().unwrap_or_else(|| planned.destination.clone()),
            destination: planned.destination.clone(),
            provenance: planned.provenance,
            result,
            message: message.or_else(|| planned.note.clone()),
            digest: content.map(|content| content.digest.clone()),
            platforms: content.map(|content| content.platforms.clone()).unwrap_or_default(),
            size: content.filter(|content| content.is_read()).map(|content| content.size),
            without_attestations: content.and_then(|content| content.without_attestations.clone()),
            used_by: planned
                .used_by
                .iter()
                .map(|used| UseReport {
                    place: used.used_by.place.clone(),
                    image_field: used.used_by.image_field.clone(),
                    why: used.used_by.reason.to_string(),
                })
                .collect(),
        }
    }
}
