//! Who writes a workload's images too.

use serde::{Deserialize, Serialize};

/// Another owner of a workload's images.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Such as `Helm release castai-agent`.
    pub name: String,
    /// What it does to a rewritten image, and when.
    pub reverts: String,
    /// It self-heals: it reverts the image within minutes.
    pub self_heals: bool,
}
