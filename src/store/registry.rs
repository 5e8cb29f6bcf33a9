//! Any registry with the OCI distribution API: it lists no whole repositories, creates repositories on write, and
//! mounts any blob.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::capabilities::{Capabilities, Mounts};
use super::listing::Listing;
use crate::model::image::{Digest, Version};
use crate::registry::{Client, Error, Reference, Repository};

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    lists_repositories: false,
    writes_prove_children: true,
    has_creation_templates: false,
    mounts: Mounts::Any,
    manifest_interval: Duration::ZERO,
    repository_fault: |_| None,
    manifest_doubt: |_| None,
};

/// What `repository` holds of `versions`. A missing repository looks like an empty one.
pub(super) async fn list(
    client: &Client<'_>,
    repository: &Repository,
    versions: &BTreeSet<&Version>,
) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    for version in versions {
        let tag = version.stored_tag();
        if let Some(digest) = described(client, repository, Reference::Tag(&tag)).await? {
            listing.tags.insert(tag.into_owned(), digest.clone());
            listing.digests.insert(digest);
        }
        // Another tool may have mirrored it under another tag.
        if let Some(pinned) = version.digest().filter(|pinned| !listing.digests.contains(*pinned))
            && let Some(digest) = described(client, repository, Reference::Digest(pinned)).await?
        {
            listing.digests.insert(digest);
        }
    }
    Ok(listing)
}

/// The subset of `blobs` that `repository` has: one request each, this many concurrently.
pub(super) async fn present_blobs(
    client: &Client<'_>,
    repository: &Repository,
    blobs: &[Digest],
    limit: usize,
) -> Result<BTreeSet<Digest>, Error> {
    stream::iter(blobs)
        .map(|blob| async move {
            let present = client.has_blob(repository, blob).await?;
            Ok(present.then(|| blob.clone()))
        })
        .buffer_unordered(limit)
        .try_filter_map(|blob| std::future::ready(Ok(blob)))
        .try_collect()
        .await
}

/// The digest for a reference, if the repository has it.
async fn described(
    client: &Client<'_>,
    repository: &Repository,
    reference: Reference<'_>,
) -> Result<Option<Digest>, Error> {
    match client.describe_manifest(repository, reference).await {
        Ok(described) => Ok(Some(described.digest)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
