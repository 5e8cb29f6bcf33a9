//! What each kind of store can do, as data: other code checks these values instead of the kind.

use std::time::Duration;

/// What a store supports and requires.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// Whether one listing returns everything in a repository: tags, children of indexes, untagged manifests, and
    /// whether it exists. Otherwise every tag and digest needs its own request.
    pub lists_repositories: bool,
    /// Whether accepting a manifest proves that everything it references is present.
    pub writes_prove_children: bool,
    /// Whether one more request reads templates before repositories are created.
    pub has_creation_templates: bool,
    pub mounts: Mounts,
    /// Minimum interval between two manifest writes.
    pub manifest_interval: Duration,
    /// Why a repository cannot have this path, if it cannot.
    pub repository_fault: fn(&str) -> Option<String>,
    /// What such stores are known to refuse in a manifest with these bytes, if anything. Only the store's answer counts:
    /// this is for explaining it, and for asking early.
    pub manifest_doubt: fn(&[u8]) -> Option<String>,
}

/// Which blobs a store mounts from one repository into another, if it supports mounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    Any,
    /// Blobs that a manifest of the source repository references.
    Referenced,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::RegistryKind;
    use crate::store::capabilities;

    #[test]
    fn capabilities_describe_each_kind_of_store() {
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
            assert_eq!((capabilities.manifest_doubt)(no_layers).is_some(), has_rules);
        }
    }
}
