//! The content of a destination repository.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Digest, Version};

/// A repository's tags and manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub tags: BTreeMap<String, Digest>,
    /// At ECR, all manifests, including children of indexes and untagged ones; elsewhere, only the requested ones.
    pub digests: BTreeSet<Digest>,
}

impl Listing {
    /// The digest that nodes get when they pull a version, if the repository has it. A pinned digest counts whatever
    /// its tags are.
    pub fn digest(&self, version: &Version) -> Option<&Digest> {
        match version {
            Version::Tag(tag) => self.tags.get(tag),
            Version::Digest(digest) | Version::TagAndDigest(_, digest) => self.digests.get(digest),
        }
    }

    /// The digest of the tag under which a mirror stores a version.
    pub fn stored(&self, version: &Version) -> Option<&Digest> {
        self.tags.get(&*version.stored_tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_digest_has_its_own_tag() {
        let (one, other) = (Digest::compute(b"one"), Digest::compute(b"other"));
        let own = format!("digest-{}", one.short());
        let listing = |tags: &[(&str, &Digest)], digests: &[&Digest]| Listing {
            tags: tags.iter().map(|(tag, digest)| ((*tag).to_owned(), (*digest).clone())).collect(),
            digests: digests.iter().map(|digest| (*digest).clone()).collect(),
        };
        let tagged = Version::Tag("v1".to_owned());
        let pinned = Version::TagAndDigest("v1".to_owned(), one.clone());
        let cases = [
            (&tagged, listing(&[("v1", &one)], &[&one]), Some(&one), Some(&one)),
            (&tagged, listing(&[], &[&one]), None, None),
            (&pinned, listing(&[("v1", &one)], &[&one]), Some(&one), None),
            (&pinned, listing(&[("v1", &other), (&own, &one)], &[&one, &other]), Some(&one), Some(&one)),
            (&pinned, listing(&[("v1", &other)], &[&other]), None, None),
            (&pinned, listing(&[(&own, &other)], &[&other]), None, Some(&other)),
        ];
        for (version, listing, pulled, stored) in cases {
            assert_eq!((listing.digest(version), listing.stored(version)), (pulled, stored), "{listing:?}");
        }
    }
}
