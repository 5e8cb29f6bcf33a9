//! JSON and YAML that others wrote: objects of the cluster, Helm releases, files.
//!
//! The depth of an input is known before anything recurses on it, and what comes out is never nested deeper than
//! [`MAX_DEPTH`]: code that reads, compares or drops a value may recurse. Our threads have 2 MiB of stack, and the main
//! thread of Windows has 1 MiB.

pub mod cause;
pub mod documents;
pub mod json;
pub mod yaml;

/// Deepest nesting of objects and lists that is read. Real manifests stay below 100; deeper ones (200) were made by
/// hand, and `serde_json` reads 128 on its own.
pub const MAX_DEPTH: usize = 256;

/// Why a text that is nested deeper is refused.
fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

#[cfg(test)]
mod tests;
