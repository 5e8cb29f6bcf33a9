//! The provenance of image names.

use serde::{Deserialize, Serialize};

/// Where the name of a mirrored image comes from, most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Provenance {
    /// Cast AI is known to use it.
    Known,
    /// The user specified it, by a flag or a file.
    Given,
    /// An image in one of Cast AI's namespaces without any other evidence, such as a sidecar.
    Unknown,
}
