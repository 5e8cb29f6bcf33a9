//! What a run did, as one value: for people it becomes a table, for machines it is printed as it is.

use serde::Serialize;

use crate::model::image::{Digest, Image, Mirror};
use crate::model::inventory::{API_VERSION, ImageField, Inventory, Place};
use crate::model::plan::{Plan, PlannedImage, Step};
use crate::model::provenance::Provenance;
use crate::model::traffic::HostTraffic;
use crate::sync::rollout::{Outcome, WorkloadReport};

/// The whole run. Its shape is a promise to scripts: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub destinations: Vec<Mirror>,
    pub images: Vec<ImageReport>,
    pub workloads: Vec<WorkloadReport>,
    /// What could not be looked at, one sentence each.
    pub notes: Vec<String>,
    /// Kinds of workloads that could not be listed, so that their images are unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    #[serde(skip)]
    pub end: RunOutcome,
    /// What was found, and where.
    #[serde(skip)]
    pub inventory: Inventory,
    /// What each registry and its token server was sent and sent back, by host.
    #[serde(skip)]
    pub traffic: Vec<(String, HostTraffic)>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum RunOutcome {
    /// Only discovery ran, or nothing was found.
    Discovered,
    /// A dry run, with the plan to copy where one was made.
    Planned(Option<Plan>),
    /// The plan was not approved; nothing was changed.
    Declined,
    Done,
}

/// What a run is about to change.
pub struct Proposal<'a> {
    pub planned: &'a SyncReport,
    /// Images to copy.
    pub copies: usize,
    /// Bytes that copying uploads.
    pub upload_bytes: u64,
    /// Workloads to patch.
    pub patches: usize,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// The public image; the name as written where its source is unknown.
    pub image: Image,
    pub destination: Image,
    /// Where the public image's name comes from; absent where the public image is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    pub result: ImageResult,
    /// Why it failed or was left alone, or what is worth knowing although it stops nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub platforms: Vec<String>,
    /// Bytes of all manifests and blobs; absent where only the digest was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    pub used_by: Vec<UseReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ImageResult {
    Copied,
    /// Copied, and the tag that named other content was moved.
    Replaced,
    UpToDate,
    Skipped,
    /// The registry does not hold it, and nothing was to be copied.
    Missing,
    Failed,
}

impl ImageResult {
    /// The result of writing what a step says.
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

    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Replaced => "replaced",
            Self::UpToDate => "up to date",
            Self::Skipped => "skipped",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// One place that holds an image, and why the image was taken there.
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
            end: RunOutcome::Done,
            inventory: inventory.clone(),
            traffic: Vec::new(),
        }
    }

    /// The report of a run that only looked.
    pub fn discovered(inventory: &Inventory) -> Self {
        Self { end: RunOutcome::Discovered, ..Self::new(Vec::new(), inventory) }
    }

    /// The same, where the plan was not approved.
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

    /// Whether something needs a person: the exit code is then 1.
    pub fn needs_attention(&self) -> bool {
        matches!(self.end, RunOutcome::Declined)
            || self.found_nothing()
            || !self.unlisted.is_empty()
            || self
                .images
                .iter()
                .any(|image| matches!(image.result, ImageResult::Failed | ImageResult::Missing))
            || self.workloads.iter().any(|workload| workload.outcome.needs_attention())
    }

    /// Whether anything was copied into the registry.
    pub fn has_copied(&self) -> bool {
        self.images.iter().any(|image| image.result.is_written())
    }

    /// Whether neither the registry nor the cluster was changed, nor had to be.
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
    /// The report of a planned image, with the result and message that its mirroring had.
    pub fn from_planned(planned: &PlannedImage, result: ImageResult, message: Option<String>) -> Self {
        let content = planned.step.content();
        Self {
            image: planned.source.clone().unwrap_or_else(|| planned.destination.clone()),
            destination: planned.destination.clone(),
            provenance: planned.provenance,
            result,
            message: message.or_else(|| planned.note.clone()),
            digest: content.map(|content| content.digest.clone()),
            platforms: content.map(|content| content.platforms.clone()).unwrap_or_default(),
            size: content.filter(|content| content.is_read()).map(|content| content.size),
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
