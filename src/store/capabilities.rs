//! What a kind of store can do, as data: steps ask this and not which kind it is.

use std::time::Duration;

/// What a store can do, and what it wants.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// Whether a listing tells all of a repository: tags, children of indexes, untagged manifests, and whether it exists.
    /// Elsewhere every tag and digest is asked for by itself.
    pub lists_repositories: bool,
    /// Whether the answer to a written manifest proves that all that it names is there.
    pub writes_prove_children: bool,
    pub mounts: Mounts,
    /// The least time between two manifests that are written.
    pub manifest_interval: Duration,
    /// Why a repository cannot have this path, if so.
    pub repository_fault: fn(&str) -> Option<String>,
    /// Why a manifest with these bytes is refused, if so.
    pub manifest_fault: fn(&[u8]) -> Option<String>,
}

/// Which blobs a store mounts from one repository into another, where it mounts at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    Any,
    /// Those that a manifest of the first repository names.
    Referenced,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::RegistryKind;
    use crate::store::capabilities;

    #[test]
    fn a_kind_of_store_is_its_data() {
        let ecr = capabilities(&RegistryKind::of_host("123456789012.dkr.ecr.us-east-1.amazonaws.com"));
        let other = capabilities(&RegistryKind::of_host("registry.example"));
        let seen = |capabilities: &Capabilities| {
            let Capabilities { lists_repositories, writes_prove_children, mounts, .. } = *capabilities;
            (lists_repositories, writes_prove_children, mounts)
        };
        assert_eq!(seen(ecr), (true, false, Mounts::Referenced));
        assert_eq!(seen(other), (false, true, Mounts::Any));
        assert!(other.manifest_interval.is_zero() && ecr.manifest_interval.as_millis() == 100);
        let no_layers = br#"{"config":{},"layers":[]}"#;
        for (capabilities, has_rules) in [(ecr, true), (other, false)] {
            assert_eq!((capabilities.repository_fault)("a__b").is_some(), has_rules);
            assert_eq!((capabilities.manifest_fault)(no_layers).is_some(), has_rules);
        }
    }
}
