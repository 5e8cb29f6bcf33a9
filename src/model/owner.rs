//! Other owners of a workload's images.

use serde::{Deserialize, Serialize};

/// Another owner of a workload's images.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// For example `Helm release castai-agent`.
    pub name: String,
    /// How and when it reverts a rewritten image.
    pub reverts: String,
    /// Whether it self-heals: it reverts the image within minutes.
    pub self_heals: bool,
}
