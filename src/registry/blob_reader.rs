//! Blobs: read as streams that verify size and digest.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Response, Url};

use crate::model::image::{Digest, Hasher};
use crate::registry::exchange::host_of;
use crate::registry::manifest::{address, scope};
use crate::registry::request::{BodyMode, RegistryResponse, Request};
use crate::registry::retry::Retries;
use crate::registry::{Client, Error, Repository};

/// A blob being read. Its last part is returned only if length and digest of the whole are right.
pub struct BlobReader<'c> {
    client: &'c Client<'c>,
    repository: &'c Repository,
    digest: &'c Digest,
    size: u64,
    received: u64,
    hash: Hasher,
    last_part: Option<Bytes>,
    response: Response,
    url: Url,
    retries: Retries,
    ended: bool,
    /// Where the last body ended that was complete and too short.
    short_end: Option<u64>,
}

impl Client<'_> {
    /// Starts reading a blob of `size` bytes.
    pub async fn blob<'c>(
        &'c self,
        repository: &'c Repository,
        digest: &'c Digest,
        size: u64,
    ) -> Result<BlobReader<'c>, Error> {
        let request = blob_request(Method::GET, repository, digest)?;
        let (response, url) = streamed(repository, self.send(&request).await?)?;
        let reader = BlobReader {
            client: self,
            repository,
            digest,
            size,
            received: 0,
            hash: Hasher::new(digest.algorithm()),
            last_part: None,
            response,
            url,
            retries: Retries::new(&self.settings),
            ended: false,
            short_end: None,
        };
        reader.check_size()?;
        Ok(reader)
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
                // A body without a length ends early if the connection breaks; one that ends there again is complete.
                Ok(None) if self.short_end.replace(self.received) == Some(self.received) => {
                    return Err(self.size_mismatch(self.received.to_string()));
                }
                Ok(None) => {
                    let mismatch = self.size_mismatch(self.received.to_string());
                    self.resume("the blob is truncated", mismatch).await?;
                    continue;
                }
                Err(error) => {
                    self.resume(&error.to_string(), error.clone()).await?;
                    continue;
                }
            };
            if chunk.is_empty() {
                continue;
            }
            self.received += chunk.len() as u64;
            if self.received > self.size {
                return Err(self.size_mismatch(format!("more than {}", self.size)));
            }
            self.hash.update(&chunk);
            if let Some(previous) = self.last_part.replace(chunk) {
                return Ok(Some(previous));
            }
        }
        Ok(self.last_part.take())
    }

    fn prove(&self) -> Result<(), Error> {
        let actual = self.hash.clone().digest();
        if actual == *self.digest {
            return Ok(());
        }
        Err(Error::DigestMismatch {
            repository: self.repository.clone(),
            expected: self.digest.clone(),
            actual,
        })
    }

    fn size_mismatch(&self, actual: String) -> Error {
        Error::SizeMismatch {
            repository: self.repository.clone(),
            object: format!("blob {}", self.digest.short()),
            actual,
            expected: self.size,
        }
    }

    /// Compares the size that the response states, if it does.
    fn check_size(&self) -> Result<(), Error> {
        let stated = match self.response.status() {
            StatusCode::PARTIAL_CONTENT => total(self.response.headers()),
            _ => self.response.content_length(),
        };
        match stated {
            Some(stated) if stated != self.size => Err(self.size_mismatch(stated.to_string())),
            _ => Ok(()),
        }
    }

    /// Requests the rest of the blob, or fails with `failure` after all retries.
    async fn resume(&mut self, reason: &str, failure: Error) -> Result<(), Error> {
        let delay = self.retries.next(self.client.settings.retries).ok_or(failure)?;
        self.client.pause(&host_of(&self.url), reason, delay).await;
        let mut request = blob_request(Method::GET, self.repository, self.digest)?;
        if self.received > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.received));
            if let Ok(range) = range {
                request.headers.insert(header::RANGE, range);
            }
        }
        let response = match self.client.send(&request).await {
            // The blob has no byte at this position.
            Err(Error::Refused { status: 416, .. }) => {
                return Err(self.size_mismatch(self.received.to_string()));
            }
            response => response?,
        };
        let continues = response.status == StatusCode::PARTIAL_CONTENT
            && starts_at(&response.headers) == Some(self.received);
        (self.response, self.url) = streamed(self.repository, response)?;
        self.check_size()?;
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

/// The total in `Content-Range: bytes 5-9/10`.
fn total(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
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

pub(super) fn blob_request<'r>(
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
