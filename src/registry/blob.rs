//! Blobs: looked up, mounted, and written from memory or from a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::Url;
use tokio::sync::mpsc;

use crate::model::image::Digest;
use crate::registry::blob_reader::blob_request;
use crate::registry::exchange::{MAX_EXPLANATION_BYTES, MAX_REDIRECTS, location_from};
use crate::registry::manifest::{address, response_digest, scope};
use crate::registry::request::{BodyMode, BodyProgress, OnceBody, RegistryResponse, Request, is_moved};
use crate::registry::{Client, Error, Repository};

/// The source of a mount: another repository of the same registry.
#[derive(Clone, Copy, Debug)]
pub struct Mount<'m> {
    pub digest: &'m Digest,
    pub from: &'m str,
}

/// Result of a mount request.
pub enum Started {
    /// The registry mounted the blob.
    Mounted,
    Session(UploadSession),
}

/// An open upload.
#[derive(Clone)]
pub struct UploadSession {
    url: Url,
    /// Number of redirects that led to this URL. Then it is complete, otherwise it lacks the digest.
    redirects: usize,
}

/// Result of an upload.
pub enum Finished {
    Stored,
    /// The registry redirects the upload. The body, which exists only once, must be sent again from its start.
    Moved(UploadSession),
}

/// The bytes of a blob to upload.
pub enum UploadBody {
    Whole(Bytes),
    /// Parts that add up to `size` bytes. If the channel closes early, the upload is aborted and not committed.
    Parts {
        parts: mpsc::Receiver<Bytes>,
        size: u64,
    },
}

impl Client<'_> {
    /// Whether `repository` has the blob.
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        let request = blob_request(Method::HEAD, repository, digest)?;
        match self.send(&request).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) if error.may_concern_head() => self.has_readable_blob(repository, digest).await,
            Err(error) => Err(error),
        }
    }

    /// Whether `repository` has the blob, for registries without HEAD. The body of the response is not read.
    async fn has_readable_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        let mut request = blob_request(Method::GET, repository, digest)?;
        request.headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        match self.send(&request).await {
            // An empty blob has no first byte.
            Ok(_) | Err(Error::Refused { status: 416, .. }) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            // It is uploaded, which is never wrong.
            Err(error @ Error::Refused { .. }) if error.may_concern_head() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts an upload.
    pub async fn start_upload(&self, repository: &Repository) -> Result<UploadSession, Error> {
        upload_session(repository, &self.post_upload(repository, None).await?)
    }

    /// Mounts a blob from another repository; a registry without mounting starts an upload instead.
    pub async fn mount(&self, repository: &Repository, mount: Mount<'_>) -> Result<Started, Error> {
        let response = self.post_upload(repository, Some(mount)).await?;
        if response.status == StatusCode::CREATED {
            return Ok(Started::Mounted);
        }
        upload_session(repository, &response).map(Started::Session)
    }

    async fn post_upload(
        &self,
        repository: &Repository,
        mount: Option<Mount<'_>>,
    ) -> Result<RegistryResponse, Error> {
        let mut url = address(repository, "blobs/uploads/")?;
        let mut scopes = vec![scope(&repository.path, "pull,push")];
        if let Some(Mount { digest, from }) = mount {
            url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from);
            scopes.push(scope(from, "pull"));
            scopes.sort();
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let request = Request {
            method: Method::POST,
            url,
            repository,
            object: "an upload".to_owned(),
            tag: None,
            scopes,
            headers,
            body: Bytes::new(),
            body_mode: BodyMode::Whole(MAX_EXPLANATION_BYTES),
        };
        self.send(&request).await
    }

    /// Sends the whole blob and commits it. A body in memory also follows redirects.
    pub async fn finish_upload(
        &self,
        repository: &Repository,
        session: UploadSession,
        digest: &Digest,
        body: UploadBody,
    ) -> Result<Finished, Error> {
        let UploadSession { mut url, redirects } = session;
        if redirects == 0 {
            url.query_pairs_mut().append_pair("digest", digest.as_str());
        }
        let mut headers = HeaderMap::new();
        let octets = HeaderValue::from_static("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, octets);
        let size = match &body {
            UploadBody::Whole(bytes) => bytes.len() as u64,
            UploadBody::Parts { size, .. } => *size,
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        let mut request = Request {
            method: Method::PUT,
            url,
            repository,
            object: format!("blob {}", digest.short()),
            tag: None,
            scopes: vec![scope(&repository.path, "pull,push")],
            headers,
            body: Bytes::new(),
            body_mode: BodyMode::Whole(MAX_EXPLANATION_BYTES),
        };
        let response = match body {
            UploadBody::Whole(bytes) => {
                request.body = bytes;
                self.send(&request).await?
            }
            UploadBody::Parts { parts, size } => self.send_once(&request, once(parts, size)).await?,
        };
        if is_moved(response.status) {
            let redirects = redirects + 1;
            if redirects > MAX_REDIRECTS {
                let what = "too many redirects".to_owned();
                return Err(Error::InvalidAnswer { repository: repository.clone(), what });
            }
            return Ok(Finished::Moved(UploadSession { url: response.url, redirects }));
        }
        match response_digest(&response.headers) {
            // Distribution answers with the SHA-256 digest of every blob.
            Some(actual) if actual.algorithm() == digest.algorithm() && actual != *digest => {
                Err(Error::DigestMismatch {
                    repository: repository.clone(),
                    expected: digest.clone(),
                    actual,
                })
            }
            _ => Ok(Finished::Stored),
        }
    }
}

fn upload_session(repository: &Repository, response: &RegistryResponse) -> Result<UploadSession, Error> {
    let location = location_from(&response.url, response.headers.get(header::LOCATION));
    let session = location.map(|url| UploadSession { url, redirects: 0 });
    session.ok_or_else(|| Error::InvalidAnswer {
        repository: repository.clone(),
        what: "an upload without a location, or with a location that downgrades from https to http"
            .to_owned(),
    })
}

/// A body of exactly `size` bytes, or one that fails: an incomplete upload is never committed.
fn once(parts: mpsc::Receiver<Bytes>, size: u64) -> OnceBody {
    let progress = Arc::new(BodyProgress::default());
    let counter = Arc::clone(&progress);
    let stream = stream::try_unfold((parts, size), move |(mut parts, left)| {
        let progress = Arc::clone(&counter);
        async move {
            if left == 0 {
                return Ok(None);
            }
            let part = progress.waiting(parts.recv()).await.ok_or("the source sent too few bytes")?;
            let length = part.len() as u64;
            let left = left.checked_sub(length).ok_or("the source sent too many bytes")?;
            progress.sent(length);
            Ok::<_, &'static str>(Some((part, (parts, left))))
        }
    });
    OnceBody { body: reqwest::Body::wrap_stream(stream), progress }
}
