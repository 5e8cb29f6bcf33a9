//! Blobs: read as streams that verify their digest, written from memory or from such a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Response, Url};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::model::image::Digest;
use crate::registry::exchange::{MAX_EXPLANATION_BYTES, host_of, location_from};
use crate::registry::manifest::{address, response_digest, scope};
use crate::registry::request::{BodyMode, BodyProgress, OnceBody, RegistryResponse, Request};
use crate::registry::retry::Retries;
use crate::registry::{Client, Error, Repository};

/// A blob being read. Its last part is returned only if length and digest of the whole are right.
pub struct BlobReader<'c> {
    client: &'c Client<'c>,
    repository: &'c Repository,
    digest: &'c Digest,
    size: u64,
    received: u64,
    hash: Sha256,
    last_part: Option<Bytes>,
    response: Response,
    url: Url,
    retries: Retries,
    ended: bool,
}

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
pub struct UploadSession(Url);

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

    /// Starts reading a blob of `size` bytes.
    pub async fn blob<'c>(
        &'c self,
        repository: &'c Repository,
        digest: &'c Digest,
        size: u64,
    ) -> Result<BlobReader<'c>, Error> {
        let request = blob_request(Method::GET, repository, digest)?;
        let (response, url) = streamed(repository, self.send(&request).await?)?;
        Ok(BlobReader {
            client: self,
            repository,
            digest,
            size,
            received: 0,
            hash: Sha256::new(),
            last_part: None,
            response,
            url,
            retries: Retries::new(&self.settings),
            ended: false,
        })
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

    /// Sends the whole blob and commits it.
    pub async fn finish_upload(
        &self,
        repository: &Repository,
        session: UploadSession,
        digest: &Digest,
        body: UploadBody,
    ) -> Result<(), Error> {
        let mut url = session.0;
        url.query_pairs_mut().append_pair("digest", digest.as_str());
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
        match response_digest(&response.headers) {
            Some(actual) if actual != *digest => Err(Error::DigestMismatch {
                repository: repository.clone(),
                expected: digest.clone(),
                actual,
            }),
            _ => Ok(()),
        }
    }
}

impl BlobReader<'_> {
    /// The next part, or `None` at the end. If the connection breaks, reading resumes at the same position.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended {
            let chunk = match self.client.chunk(&mut self.response, &self.url).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) if self.received == self.size => {
                    self.ended = true;
                    self.prove()?;
                    break;
                }
                // The body ended before the blob was complete.
                Ok(None) => {
                    self.resume("the blob is truncated").await?;
                    continue;
                }
                Err(error) => {
                    self.resume(&error.to_string()).await?;
                    continue;
                }
            };
            if chunk.is_empty() {
                continue;
            }
            self.received += chunk.len() as u64;
            if self.received > self.size {
                return Err(Error::InvalidAnswer {
                    repository: self.repository.clone(),
                    what: format!("more than the {} bytes of blob {}", self.size, self.digest.short()),
                });
            }
            self.hash.update(&chunk);
            if let Some(previous) = self.last_part.replace(chunk) {
                return Ok(Some(previous));
            }
        }
        Ok(self.last_part.take())
    }

    fn prove(&self) -> Result<(), Error> {
        let actual = Digest::from_hash(&self.hash.clone().finalize());
        if actual == *self.digest {
            return Ok(());
        }
        Err(Error::DigestMismatch {
            repository: self.repository.clone(),
            expected: self.digest.clone(),
            actual,
        })
    }

    /// Requests the rest of the blob.
    async fn resume(&mut self, reason: &str) -> Result<(), Error> {
        let delay = self.retries.next(self.client.settings.retries);
        let delay = delay.ok_or_else(|| {
            self.client.unreachable(&self.url, crate::registry::Cause::Reset(reason.to_owned()))
        })?;
        self.client.pause(&host_of(&self.url), reason, delay).await;
        let mut request = blob_request(Method::GET, self.repository, self.digest)?;
        if self.received > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.received));
            if let Ok(range) = range {
                request.headers.insert(header::RANGE, range);
            }
        }
        let response = self.client.send(&request).await?;
        let continues = response.status == StatusCode::PARTIAL_CONTENT
            && starts_at(&response.headers) == Some(self.received);
        (self.response, self.url) = streamed(self.repository, response)?;
        if !continues {
            self.skip(self.received).await?;
        }
        Ok(())
    }

    /// Skips bytes that were already returned, for a registry that sends the whole blob again. The hash covers what was
    /// returned, so a blob whose content changed is detected at its end.
    async fn skip(&mut self, bytes: u64) -> Result<(), Error> {
        let mut left = bytes;
        while left > 0 {
            // If this response is truncated too, the next attempt requests the rest once more.
            let Some(mut chunk) = self.client.chunk(&mut self.response, &self.url).await? else {
                break;
            };
            let known = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let rest = chunk.split_off(known);
            left -= known as u64;
            if !rest.is_empty() {
                self.received += rest.len() as u64;
                self.hash.update(&rest);
                let joined = [self.last_part.take().unwrap_or_default(), rest].concat();
                self.last_part = Some(joined.into());
            }
        }
        Ok(())
    }
}

fn upload_session(repository: &Repository, response: &RegistryResponse) -> Result<UploadSession, Error> {
    let location = location_from(&response.url, response.headers.get(header::LOCATION));
    location.map(UploadSession).ok_or_else(|| Error::InvalidAnswer {
        repository: repository.clone(),
        what: "an upload without a location, or with a location that downgrades from https to http"
            .to_owned(),
    })
}

fn streamed(repository: &Repository, response: RegistryResponse) -> Result<(Response, Url), Error> {
    let url = response.url;
    response
        .stream
        .map(|response| (response, url))
        .ok_or_else(|| Error::InvalidAnswer { repository: repository.clone(), what: "no body".to_owned() })
}

/// The first byte of a partial response: `Content-Range: bytes 5-9/10`.
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
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

fn blob_request<'r>(
    method: Method,
    repository: &'r Repository,
    digest: &Digest,
) -> Result<Request<'r>, Error> {
    let body_mode = if method == Method::GET { BodyMode::Stream } else { BodyMode::Whole(0) };
    Ok(Request {
        method,
        url: address(repository, &format!("blobs/{digest}"))?,
        repository,
        object: format!("blob {}", digest.short()),
        tag: None,
        scopes: vec![scope(&repository.path, "pull")],
        headers: HeaderMap::new(),
        body: Bytes::new(),
        body_mode,
    })
}
