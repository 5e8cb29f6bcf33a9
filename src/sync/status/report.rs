//! What `status` tells: each image with its state, and beside it what could not be read.

use std::collections::BTreeSet;

use serde::Serialize;

use super::pulls::PullFailure;
use crate::model::image::{Image, Mirror};
use crate::model::inventory::{API_VERSION, ImageField, Inventory, Place};
use crate::model::owner::Owner;
use crate::ownership::fields::{FieldOwnership, OwnedBy};
use crate::ownership::owners::ChangedBy;

/// The whole result. Its shape is a promise to scripts: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    pub api_version: &'static str,
    pub kind: &'static str,
    /// Empty where no image was found, so that no registry was chosen.
    pub destinations: Vec<Mirror>,
    pub images: Vec<ImageStatus>,
    /// Pods that cannot pull an image, whatever the registry holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_failures: Vec<PullFailure>,
    /// What the flags left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Subject>,
    /// What could not be looked at, one sentence each.
    pub notes: Vec<String>,
    /// Kinds of workloads that could not be listed, pods included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
}

/// One place that holds an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    pub place: Place,
    pub image_field: ImageField,
    /// As written there.
    pub image: Image,
    /// The public image, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Image>,
    /// Its name in the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Image>,
    pub state: State,
    /// Whether the registry holds it under its tag; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<bool>,
    /// What should have been read for it and could not be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<NotChecked>,
    /// Who set the image that stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<ChangedBy>,
    /// Whose claim keeps the private image; absent where nobody applies the workload on the server's side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<FieldOwnership>,
    /// Who writes this workload's images too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
}

impl ImageStatus {
    /// Whether somebody has to do something about it.
    pub fn needs_attention(&self) -> bool {
        self.state.needs_attention() || self.is_to_be_relinquished() || !self.not_checked.is_empty()
    }

    /// Whether its owner names the private image by now, so that our claim would only refuse the next tag.
    pub fn is_to_be_relinquished(&self) -> bool {
        self.ownership.as_ref().is_some_and(|ownership| ownership.owned_by == OwnedBy::Both)
    }
}

/// What is read outside of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// What the registry holds.
    Registry,
    /// What the public tags name now.
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
    /// It is the mirrored image, or needs no more than to be mirrored, and the registry holds it.
    Mirrored,
    /// Nothing else is wrong with it as far as it was looked at: the registry or the public tag was not read.
    Unchecked(String),
    /// It is as we rewrote it, in this other registry, which was not read.
    OtherRegistry(String),
    /// We had rewritten it to this, and somebody put another image there.
    Reverted(String),
    NotRewritten,
    /// The registry does not hold what is to be pulled from there.
    Missing,
    /// The public tag names this digest by now, and the registry holds another.
    Behind(String),
    /// The registry holds it, and its source has no such tag any more.
    TagRemoved(String),
    /// It cannot be rewritten in place; the text says why.
    NotRewritable(String),
    /// Nodes reach its registry anyway.
    Skipped(String),
    /// It is in the registry, but its source is unknown.
    SourceUnknown(String),
    /// It can have no name in the registry.
    InvalidName(String),
}

impl State {
    pub(super) const fn needs_attention(&self) -> bool {
        matches!(
            self,
            Self::Reverted(_)
                | Self::NotRewritten
                | Self::Missing
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
            skipped: Vec::new(),
            notes: inventory.notes.clone(),
            unlisted: inventory.unlisted.clone(),
        }
    }

    /// Whether something needs a person: the exit code is then 1.
    pub fn needs_attention(&self) -> bool {
        !self.unlisted.is_empty()
            || !self.pull_failures.is_empty()
            || self.images.iter().any(ImageStatus::needs_attention)
    }

    /// Those who put other images where ours were, or will do so again.
    pub fn reverters(&self) -> BTreeSet<&Owner> {
        let reverted = self.images.iter().filter(|image| matches!(image.state, State::Reverted(_)));
        reverted.flat_map(|image| &image.owners).collect()
    }
}
