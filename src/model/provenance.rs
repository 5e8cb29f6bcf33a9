//! Where the names of images come from.

use serde::{Deserialize, Serialize};

/// Where the name of a mirrored image comes from, the most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Provenance {
    /// Cast AI is known to use it.
    Known,
    /// The user gave it, by a flag or a file.
    Given,
    /// An image in one of Cast AI's namespaces that nothing else is known of, such as a sidecar.
    Unknown,
}
