//! Who writes a workload's images too.

use serde::{Deserialize, Serialize};

/// Somebody who writes a workload's images too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Such as `Helm release castai-agent`.
    pub name: String,
    /// What it does to an image that we set, and when.
    pub reverts: String,
    /// It does so within minutes and by itself, so that setting an image is of no use.
    pub heals: bool,
}
