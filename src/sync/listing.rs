//! What a repository of the destination holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::{Digest, Version};

/// A repository's tags and manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub tags: BTreeMap<String, Digest>,
    /// At ECR all manifests, children of indexes and untagged ones too; elsewhere only those that were asked for.
    pub digests: BTreeSet<Digest>,
}

impl Listing {
    /// The digest that the repository has for a version, if it has it.
    pub fn held(&self, version: &Version) -> Option<&Digest> {
        match version {
            Version::Tag(tag) | Version::TagAndDigest(tag, _) => self.tags.get(tag),
            Version::Digest(digest) => self.digests.get(digest),
        }
    }
}
