//! Reading and writing images. All kinds of stores do it by the distribution API so far, so that it is one client's work.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    BlobReader, Described, Error, Fetched, Mount, Reference, Repository, Started, Store, UploadBody,
    UploadSession,
};
use crate::model::image::Digest;
use crate::model::traffic::HostTraffic;
use crate::registry;

impl Store<'_> {
    /// Digest and media type of a manifest, without its bytes where the store can tell.
    pub async fn describe_manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
    ) -> Result<Described, Error> {
        Ok(self.client.describe_manifest(repository, reference).await?)
    }

    /// A manifest's bytes. What was asked for by digest has that digest.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
    ) -> Result<Fetched, Error> {
        Ok(self.client.manifest(repository, reference).await?)
    }

    /// Starts to read a blob of `size` bytes.
    pub async fn blob<'s>(
        &'s self,
        repository: &'s Repository,
        digest: &'s Digest,
        size: u64,
    ) -> Result<BlobReader<'s>, Error> {
        Ok(self.client.blob(repository, digest, size).await?)
    }

    /// Opens an upload.
    pub async fn start_upload(&self, repository: &Repository) -> Result<UploadSession, Error> {
        Ok(self.client.start_upload(repository).await?)
    }

    /// Takes a blob from another repository of the store; where it does not do that, an upload is open.
    pub async fn mount(&self, repository: &Repository, mount: Mount<'_>) -> Result<Started, Error> {
        Ok(self.client.mount(repository, mount).await?)
    }

    /// Sends the whole blob and commits it.
    pub async fn finish_upload(
        &self,
        repository: &Repository,
        session: UploadSession,
        digest: &Digest,
        body: UploadBody,
    ) -> Result<(), Error> {
        Ok(self.client.finish_upload(repository, session, digest, body).await?)
    }

    /// Writes a manifest by tag or digest. The answer is whether the store confirmed its digest.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<bool, Error> {
        Ok(self.client.put_manifest(repository, reference, media_type, bytes).await?)
    }

    /// Retries of something that takes more than one request.
    pub fn retries(&self) -> Retries<'_> {
        Retries(self.client.pauses())
    }

    /// Requests and bytes so far, by host, of all stores that share the client.
    pub fn traffic(&self) -> BTreeMap<String, HostTraffic> {
        self.client.traffic()
    }
}

/// See [`Store::retries`].
pub struct Retries<'s>(registry::Pauses<'s>);

impl Retries<'_> {
    /// Whether there is another attempt.
    pub fn may_go_on(&mut self) -> bool {
        self.0.may_go_on()
    }

    /// Waits before the next attempt at `host`, and says why.
    pub async fn pause(&mut self, host: &str, reason: &Error) {
        self.0.pause(host, &reason.to_string(), reason.wait()).await;
    }
}
