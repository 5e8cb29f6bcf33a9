//! Any registry that speaks the OCI distribution API: it lists nothing as a whole, creates repositories by itself, and
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
    mounts: Mounts::Any,
    manifest_interval: Duration::ZERO,
    repository_fault: |_| None,
    manifest_fault: |_| None,
};

/// What `repository` holds of `versions`. That it does not exist is not told from that it is empty.
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
        // Whoever mirrored it otherwise may have given it another tag.
        if let Some(pinned) = version.digest().filter(|pinned| !listing.digests.contains(*pinned))
            && let Some(digest) = described(client, repository, Reference::Digest(pinned)).await?
        {
            listing.digests.insert(digest);
        }
    }
    Ok(listing)
}

/// Those of `blobs` that `repository` holds: a request for each, so many at the same time.
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

/// The digest that the repository has for a reference, if it has it. Some registries answer HEAD with 404 for what they
/// have, and a tag that is taken for absent would be moved: so an absence is confirmed.
async fn described(
    client: &Client<'_>,
    repository: &Repository,
    reference: Reference<'_>,
) -> Result<Option<Digest>, Error> {
    match client.describe_manifest(repository, reference).await {
        Ok(described) => return Ok(Some(described.digest)),
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    match client.manifest(repository, reference).await {
        Ok(manifest) => Ok(Some(manifest.digest)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
