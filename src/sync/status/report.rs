//! The result of `status`: each image with its state, and what could not be read.

use std::collections::BTreeSet;

use serde::Serialize;

use super::digests::OlderDigest;
use super::newer::NewerVersions;
use super::pulls::PullFailure;
use super::readiness::NotReady;
use crate::model::image::{Image, Mirror};
use crate::model::inventory::{API_VERSION, ImageField, Inventory, Place};
use crate::model::owner::Owner;
use crate::ownership::fields::{FieldOwnership, OwnedBy};
use crate::ownership::owners::ChangedBy;

/// The whole result. Its format is stable for scripts: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    /// Empty where no image was found, so that no registry was chosen.
    pub destinations: Vec<Mirror>,
    pub images: Vec<ImageStatus>,
    /// Pods that cannot pull an image, even if the registry has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_failures: Vec<PullFailure>,
    /// Workloads that do not run for another reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_ready: Vec<NotReady>,
    /// Pods that were started before the tag of their image moved in the registry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub older_digests: Vec<OlderDigest>,
    /// What the flags exclude.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Subject>,
    /// Flags that select a part of the cluster: the rest was not checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selected_by: Vec<&'static str>,
    /// What could not be read, one sentence each.
    pub notes: Vec<String>,
    /// Kinds of workloads and of Cast AI's custom resources that could not be listed, pods included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
    /// Objects of Cast AI that could not be read, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Optional sources that could not be read, such as `secrets` or `Helm releases`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
}

/// One use of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    pub place: Place,
    pub image_field: ImageField,
    /// As written in the field.
    pub image: Image,
    /// The public image, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// Its name in the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Image>,
    pub state: State,
    /// Whether the registry has it under its tag; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<bool>,
    /// The command that restores it from the archive of the registry, from which it cannot be pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_command: Option<String>,
    /// Its source does not have the tag, so that it cannot be copied from there; with `--upstream`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_at_source: bool,
    /// What should have been read for it, but could not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<NotChecked>,
    /// Newer versions at its source, with `--upstream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer: Option<NewerVersions>,
    /// The last change of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<ChangedBy>,
    /// Who owns the field with the private image; `None` if no field manager uses server-side apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<FieldOwnership>,
    /// Other owners of this workload's images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
}

impl ImageStatus {
    /// Whether it needs attention.
    pub fn needs_attention(&self) -> bool {
        self.state.needs_attention() || self.is_to_be_relinquished() || !self.not_checked.is_empty()
    }

    /// Whether its owner sets the private image by now, so that our ownership would only block the next tag.
    pub fn is_to_be_relinquished(&self) -> bool {
        self.ownership.as_ref().is_some_and(|ownership| ownership.owned_by == OwnedBy::Both)
    }
}

/// What is read outside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// The content of the registry.
    Registry,
    /// The current digests of the public tags.
    PublicTags,
}

/// A subject that could not be read, and the cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NotChecked {
    pub subject: Subject,
    pub cause: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "type", content = "reason")]
pub enum State {
    /// It is the mirrored image, or only has to be mirrored, and the registry has it.
    Mirrored,
    /// No problem was found, but the registry or the public tag was not read.
    Unchecked(String),
    /// It has our private name in this other registry, which was not read.
    OtherRegistry(String),
    /// We had rewritten it to this image, and another client changed it.
    Reverted(String),
    /// We had rewritten this version, and it has another one since: usually the result of an upgrade.
    Upgraded(String),
    NotRewritten,
    /// The registry does not have an image that is pulled from it.
    Missing,
    /// It is pulled from the registry, which has archived it: it cannot be pulled before it is restored.
    Archived,
    /// The public tag has this digest by now, and the registry has another.
    Behind(String),
    /// The registry has it, but its source no longer has the tag.
    TagRemoved(String),
    /// It cannot be rewritten in place; the text says why.
    NotRewritable(String),
    /// Nodes can already reach its registry.
    Skipped(String),
    /// It is in the registry, but its source is unknown.
    SourceUnknown(String),
    /// It cannot have a name in the registry.
    InvalidName(String),
}

impl State {
    pub const fn needs_attention(&self) -> bool {
        matches!(
            self,
            Self::Reverted(_)
                | Self::Upgraded(_)
                | Self::NotRewritten
                | Self::Missing
                | Self::Archived
                | Self::Behind(_)
                | Self::TagRemoved(_)
                | Self::OtherRegistry(_)
                | Self::InvalidName(_)
        )
    }
}

impl StatusReport {
    pub fn new(destinations: Vec<Mirror>, images: Vec<ImageStatus>, inventory: &Inventory) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "StatusReport",
            destinations,
            images,
            pull_failures: Vec::new(),
            not_ready: Vec::new(),
            older_digests: Vec::new(),
            skipped: Vec::new(),
            selected_by: Vec::new(),
            notes: inventory.notes.clone(),
            unlisted: inventory.unlisted.clone(),
            unreadable: inventory.unreadable.clone(),
            not_read: inventory.not_read.clone(),
        }
    }

    /// Whether something needs attention: exit code 1.
    pub fn needs_attention(&self) -> bool {
        !self.unlisted.is_empty()
            || !self.unreadable.is_empty()
            || !self.pull_failures.is_empty()
            || !self.not_ready.is_empty()
            || !self.older_digests.is_empty()
            || self.images.iter().any(ImageStatus::needs_attention)
    }

    /// The owners that reverted our images, or will do so.
    pub fn reverters(&self) -> BTreeSet<&Owner> {
        let changed =
            self.images.iter().filter(|image| matches!(image.state, State::Reverted(_) | State::Upgraded(_)));
        changed.flat_map(|image| &image.owners).collect()
    }
}
