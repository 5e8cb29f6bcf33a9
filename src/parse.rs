//! Parsers for untrusted JSON and YAML: objects of the cluster, Helm releases, files.
//!
//! The depth of an input is checked before any code recurses on it. Parsed values are never nested deeper than
//! [`MAX_DEPTH`], so code that reads, compares or drops a value may recurse. Our threads have 2 MiB of stack, and the
//! main thread of Windows has 1 MiB.

pub mod cause;
pub mod documents;
pub mod encoding;
pub mod events;
pub mod foreign;
pub mod json;
pub mod libyaml;
pub mod yaml;

/// Maximum nesting of objects and lists. Real manifests stay below 100; deeper ones (200) are written by hand.
/// `serde_json` has its own limit of 128.
pub const MAX_DEPTH: usize = 256;

/// The error for a text that is nested deeper.
fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

#[cfg(test)]
mod tests;
