//! Where images are stored: registries of any kind, and what each kind can do. Pipeline steps read from one store and
//! write to others, and check [`Capabilities`] where kinds differ.

pub mod capabilities;
pub mod choose;
pub mod default_mirror;
mod ecr;
pub mod ecr_manifests;
mod error;
pub mod limits;
pub mod listing;
pub mod open;
mod registry;
mod transfer;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use capabilities::{Capabilities, Mounts};
pub use error::Error;
pub use limits::Limits;
pub use listing::Listing;
pub use open::{Stores, open};

use crate::aws::ecr::Ecr;
use crate::model::image::ecr::EcrRegistry;
use crate::model::image::{Digest, Version};
use crate::model::plan::RegistryKind;
use crate::model::repository_settings::RepositorySettings;
use crate::model::source_registry::SourceRegistry;
use crate::registry::Client;
pub use crate::registry::{
    BlobReader, Described, Fetched, Finished, Mount, Reference, Repository, Started, UploadBody,
    UploadSession,
};

/// What a store of this kind can do.
pub const fn capabilities(kind: &RegistryKind) -> &'static Capabilities {
    match kind {
        RegistryKind::Ecr { .. } => &ecr::CAPABILITIES,
        RegistryKind::Oci => &registry::CAPABILITIES,
    }
}

/// A store of images. Clones share connections, logins and counters.
#[derive(Clone)]
pub struct Store<'o> {
    client: Arc<Client<'o>>,
    kind: StoreKind,
    limits: Limits,
    /// What images are read through.
    source_registries: Arc<[SourceRegistry]>,
    /// What repositories get that are created.
    repository_settings: Arc<RepositorySettings>,
}

/// What each kind needs besides the distribution API.
#[derive(Clone)]
enum StoreKind {
    Registry,
    Ecr(Ecr),
}

/// Operations that differ between kinds.
impl Store<'_> {
    /// The kind as plans record it.
    pub fn kind(&self) -> RegistryKind {
        match &self.kind {
            StoreKind::Registry => RegistryKind::Oci,
            StoreKind::Ecr(api) => {
                let EcrRegistry { account, region } = api.registry().clone();
                RegistryKind::Ecr { account, region }
            }
        }
    }

    pub const fn capabilities(&self) -> &'static Capabilities {
        match self.kind {
            StoreKind::Registry => &registry::CAPABILITIES,
            StoreKind::Ecr(_) => &ecr::CAPABILITIES,
        }
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What `repository` holds, at least of `versions`; `None` if it does not exist and the store can tell.
    pub async fn list(
        &self,
        repository: &Repository,
        versions: &BTreeSet<&Version>,
    ) -> Result<Option<Listing>, Error> {
        match &self.kind {
            StoreKind::Registry => Ok(Some(registry::list(&self.client, repository, versions).await?)),
            StoreKind::Ecr(api) => Ok(ecr::list(api, &repository.path).await?),
        }
    }

    /// The command that restores a version that cannot be pulled because it is archived.
    pub async fn restore_command(
        &self,
        repository: &Repository,
        version: &Version,
    ) -> Result<Option<String>, Error> {
        match &self.kind {
            StoreKind::Registry => Ok(None),
            StoreKind::Ecr(api) => Ok(ecr::restore_command(api, &repository.path, version).await?),
        }
    }

    /// The subset of `blobs` that `repository` has.
    pub async fn present_blobs(
        &self,
        repository: &Repository,
        blobs: &[Digest],
    ) -> Result<BTreeSet<Digest>, Error> {
        match &self.kind {
            StoreKind::Registry => {
                let limit = self.limits.reads;
                Ok(registry::present_blobs(&self.client, repository, blobs, limit).await?)
            }
            StoreKind::Ecr(api) => Ok(api.present_layers(&repository.path, blobs).await?),
        }
    }

    /// Creates a repository if the store does not do so on write.
    pub async fn create_repository(&self, path: &str) -> Result<(), Error> {
        match &self.kind {
            StoreKind::Registry => Ok(()),
            StoreKind::Ecr(api) => Ok(api.create_repository(path, &self.repository_settings).await?),
        }
    }

    /// What the user should know about the repositories that were created.
    pub fn creation_note(&self) -> Option<&str> {
        match &self.kind {
            StoreKind::Registry => None,
            StoreKind::Ecr(api) => api.creation_note(),
        }
    }

    /// Whether the store mounts blobs from one repository into another. Called only if a blob could be mounted.
    pub async fn is_mounting(&self) -> Result<bool, Error> {
        match &self.kind {
            StoreKind::Registry => Ok(true),
            StoreKind::Ecr(api) => Ok(api.blob_mounting().await?),
        }
    }
}
