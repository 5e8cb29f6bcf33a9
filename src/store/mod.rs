//! The registry that images are mirrored to: Amazon ECR with its own API, or any other by the distribution API.

pub mod default_mirror;
pub mod ecr_manifests;
pub mod listing;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::ecr::Ecr;
use crate::model::image::ecr::EcrRegistry;
use crate::model::image::{Digest, Version};
use crate::model::plan::RegistryKind;
use crate::registry::{Client, Error, Reference, Repository};
use crate::store::listing::Listing;

#[derive(Clone, Debug)]
pub enum Destination {
    Ecr(Ecr),
    Oci,
}

/// Requests of one kind that are under way at the same time.
const WIDTH: usize = 16;

impl Destination {
    pub fn kind(&self) -> RegistryKind {
        match self {
            Self::Ecr(ecr) => {
                let EcrRegistry { account, region } = ecr.registry().clone();
                RegistryKind::Ecr { account, region }
            }
            Self::Oci => RegistryKind::Oci,
        }
    }

    /// What `repository` holds, or nothing if it does not exist. ECR lists all; another registry is asked only for
    /// `versions`, and does not tell a repository that is missing from one that is empty.
    pub async fn list(
        &self,
        client: &Client<'_>,
        repository: &Repository,
        versions: &BTreeSet<&Version>,
    ) -> Result<Option<Listing>, Error> {
        if let Self::Ecr(ecr) = self {
            return ecr.list(&repository.path).await.map_err(Error::Ecr);
        }
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
        Ok(Some(listing))
    }

    /// Those of `blobs` that `repository` holds.
    pub async fn present_blobs(
        &self,
        client: &Client<'_>,
        repository: &Repository,
        blobs: &[Digest],
    ) -> Result<BTreeSet<Digest>, Error> {
        match self {
            Self::Ecr(ecr) => ecr.present_layers(&repository.path, blobs).await.map_err(Error::Ecr),
            Self::Oci => {
                stream::iter(blobs)
                    .map(|blob| async move {
                        let present = client.has_blob(repository, blob).await?;
                        Ok(present.then(|| blob.clone()))
                    })
                    .buffer_unordered(WIDTH)
                    .try_filter_map(|blob| std::future::ready(Ok(blob)))
                    .try_collect()
                    .await
            }
        }
    }

    /// Creates a repository where registries do not do that by themselves.
    pub async fn create_repository(&self, path: &str) -> Result<(), Error> {
        match self {
            Self::Ecr(ecr) => ecr.create_repository(path).await.map_err(Error::Ecr),
            Self::Oci => Ok(()),
        }
    }

    /// Whether a blob can be mounted from one repository into another. Only asked for where one would be.
    pub async fn mounting(&self) -> Result<bool, Error> {
        match self {
            Self::Ecr(ecr) => ecr.blob_mounting().await.map_err(Error::Ecr),
            Self::Oci => Ok(true),
        }
    }

    /// The least time between two manifests written: ECR takes ten a second (service quotas, `PutImage`).
    pub const fn manifest_interval(&self) -> Duration {
        match self {
            Self::Ecr(_) => Duration::from_millis(100),
            Self::Oci => Duration::ZERO,
        }
    }
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

/// Whether an error speaks of the whole registry or the caller, so that no image can be mirrored.
pub const fn stops_everything(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        Error::Ecr(error) => error.stops_everything(),
        _ => false,
    }
}
