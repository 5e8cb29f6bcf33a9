//! Reading and writing images. All kinds of stores use the distribution API for this, so one client does it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{
    BlobReader, Described, Error, Fetched, Finished, Mount, Reference, Repository, Started, Store,
    UploadBody, UploadSession,
};
use crate::model::image::{Digest, Image};
use crate::model::source_registry::SourceRegistry;
use crate::model::traffic::HostTraffic;
use crate::registry;

impl Store<'_> {
    /// The repository that a source image is read from.
    pub fn repository_of(&self, image: &Image) -> Repository {
        let (host, path) = SourceRegistry::location_of(&self.source_registries, image);
        Repository { host, path }
    }

    /// Digest and media type of a manifest, without its bytes if the store supports that.
    pub async fn describe_manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
    ) -> Result<Described, Error> {
        Ok(self.client.describe_manifest(repository, reference).await?)
    }

    /// A manifest's bytes. A manifest fetched by digest has been verified against it.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
    ) -> Result<Fetched, Error> {
        Ok(self.client.manifest(repository, reference).await?)
    }

    /// All tags of a repository.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        Ok(self.client.tags(repository).await?)
    }

    /// Starts reading a blob of `size` bytes.
    pub async fn blob<'s>(
        &'s self,
        repository: &'s Repository,
        digest: &'s Digest,
        size: u64,
    ) -> Result<BlobReader<'s>, Error> {
        Ok(self.client.blob(repository, digest, size).await?)
    }

    /// Starts an upload.
    pub async fn start_upload(&self, repository: &Repository) -> Result<UploadSession, Error> {
        Ok(self.client.start_upload(repository).await?)
    }

    /// Mounts a blob from another repository of the store; if that is not possible, an upload is started.
    pub async fn mount(&self, repository: &Repository, mount: Mount<'_>) -> Result<Started, Error> {
        Ok(self.client.mount(repository, mount).await?)
    }

    /// Sends the whole blob and commits it, unless the store wants the body at another URL.
    pub async fn finish_upload(
        &self,
        repository: &Repository,
        session: UploadSession,
        digest: &Digest,
        body: UploadBody,
    ) -> Result<Finished, Error> {
        Ok(self.client.finish_upload(repository, session, digest, body).await?)
    }

    /// Writes a manifest by tag or digest. Returns whether the store confirmed its digest.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<bool, Error> {
        Ok(self.client.put_manifest(repository, reference, media_type, bytes).await?)
    }

    /// How long an upload that takes no data may hold up the others that one read feeds.
    pub fn upload_start_timeout(&self) -> Duration {
        self.client.upload_start_timeout()
    }

    /// Retries of an operation that needs more than one request.
    pub fn retries(&self) -> Retries<'_> {
        Retries(self.client.operation_retries())
    }

    /// Whether the first request to the registry of `image` got no response.
    pub fn is_unreachable(&self, image: &Image) -> bool {
        self.client.is_unreachable(&self.repository_of(image).host)
    }

    /// Requests and bytes so far, by host, of all stores that share the client.
    pub fn traffic(&self) -> BTreeMap<String, HostTraffic> {
        self.client.traffic()
    }
}

/// See [`Store::retries`].
pub struct Retries<'s>(registry::OperationRetries<'s>);

impl Retries<'_> {
    /// Whether another attempt is allowed.
    pub fn has_attempts_left(&mut self) -> bool {
        self.0.has_attempts_left()
    }

    /// Waits before the next attempt at `host`, and reports the reason.
    pub async fn pause(&mut self, host: &str, reason: &Error) {
        self.0.pause(host, &reason.to_string(), reason.wait()).await;
    }
}
