//! Manifests: read and written as raw bytes, because digests are computed from those.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use oci_distribution::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};

use crate::model::image::{Algorithm, Digest};
use crate::registry::exchange::{MAX_EXPLANATION_BYTES, base};
use crate::registry::request::{BodyMode, RegistryResponse, Request};
use crate::registry::{Client, Error, Reference, Repository};

/// Maximum size of a manifest (OCI distribution specification: registries should accept 4 MiB, which is ECR's limit).
const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// Digest and media type from a HEAD request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub digest: Digest,
    pub media_type: String,
}

/// A manifest as the registry holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Computed from the bytes.
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Bytes,
}

impl Client<'_> {
    /// Digest and media type of a manifest, by HEAD, or by GET if the response to HEAD is not usable: some registries
    /// omit the digest, do not support HEAD, or answer it with 404 for existing manifests.
    pub async fn describe_manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
    ) -> Result<Described, Error> {
        let request = manifest_request(Method::HEAD, repository, reference)?;
        match self.send(&request).await {
            // A web page is described by the error of GET.
            Ok(response) if is_web_page(&response.headers) => {}
            Ok(response) => {
                if let Some(digest) = response_digest(&response.headers) {
                    let media_type = media_type(&response).unwrap_or_default();
                    return Ok(Described { digest, media_type });
                }
            }
            Err(error) if error.may_concern_head() => {}
            Err(error) => return Err(error),
        }
        let fetched = self.manifest(repository, reference).await?;
        Ok(Described { digest: fetched.digest, media_type: fetched.media_type })
    }

    /// A manifest's bytes. A manifest fetched by digest has been verified against it.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
    ) -> Result<Fetched, Error> {
        let request = manifest_request(Method::GET, repository, reference)?;
        let response = self.send(&request).await?;
        if is_web_page(&response.headers) && !response.body.trim_ascii_start().starts_with(b"{") {
            return Err(Error::InvalidAnswer {
                repository: repository.clone(),
                what: "text/html instead of a manifest, from a proxy or a login page".to_owned(),
            });
        }
        let expected = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(_) => response_digest(&response.headers),
        };
        let algorithm = expected.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = Digest::compute_with(algorithm, &response.body);
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(Error::DigestMismatch { repository: repository.clone(), expected, actual: digest });
        }
        let media_type = media_type(&response).ok_or_else(|| Error::InvalidAnswer {
            repository: repository.clone(),
            what: format!("manifest {reference} without a media type"),
        })?;
        Ok(Fetched { digest, media_type, bytes: response.body })
    }

    /// Writes a manifest by tag or digest. Returns whether the registry confirmed its digest.
    ///
    /// # Errors
    /// Also if the registry stored something other than `bytes`.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<bool, Error> {
        let mut request = manifest_request(Method::PUT, repository, reference)?;
        let expected = match reference {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(_) => Digest::compute(&bytes),
        };
        let content = bytes.clone();
        request.headers = HeaderMap::new();
        let media_type = HeaderValue::from_str(media_type).map_err(|_| Error::InvalidAnswer {
            repository: repository.clone(),
            what: "a media type with characters that are invalid in a header".to_owned(),
        })?;
        request.headers.insert(header::CONTENT_TYPE, media_type);
        request.body = bytes;
        request.body_mode = BodyMode::Whole(MAX_EXPLANATION_BYTES);
        if let Reference::Tag(tag) = reference {
            request.tag = Some(tag);
        }
        let response = self.send(&request).await?;
        let Some(actual) = response_digest(&response.headers) else { return Ok(false) };
        // The registry may name what it stored by another algorithm.
        let expected = if expected.algorithm() == actual.algorithm() {
            expected
        } else {
            Digest::compute_with(actual.algorithm(), &content)
        };
        if actual != expected {
            return Err(Error::DigestMismatch { repository: repository.clone(), expected, actual });
        }
        Ok(true)
    }
}

fn manifest_request<'r>(
    method: Method,
    repository: &'r Repository,
    reference: Reference<'_>,
) -> Result<Request<'r>, Error> {
    let actions = if method == Method::PUT { "pull,push" } else { "pull" };
    let mut headers = HeaderMap::new();
    for media_type in [
        OCI_IMAGE_INDEX_MEDIA_TYPE,
        IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        OCI_IMAGE_MEDIA_TYPE,
        IMAGE_MANIFEST_MEDIA_TYPE,
    ] {
        headers.append(header::ACCEPT, HeaderValue::from_static(media_type));
    }
    Ok(Request {
        method,
        url: address(repository, &format!("manifests/{reference}"))?,
        repository,
        object: format!("manifest {reference}"),
        tag: None,
        scopes: vec![scope(&repository.path, actions)],
        headers,
        body: Bytes::new(),
        body_mode: BodyMode::Whole(MAX_MANIFEST_BYTES),
    })
}

/// The URL of an object in a repository. No name can point outside that repository.
pub(super) fn address(repository: &Repository, rest: &str) -> Result<reqwest::Url, Error> {
    let base = base(&repository.host)?;
    let path = format!("{}/{rest}", repository.path);
    let address = base.join(&path).ok();
    let is_below = |url: &reqwest::Url| url.path().strip_prefix(base.path()) == Some(path.as_str());
    address.filter(|url| url.origin() == base.origin() && is_below(url)).ok_or_else(|| Error::InvalidAnswer {
        repository: repository.clone(),
        what: "an invalid repository name".to_owned(),
    })
}

pub(super) fn scope(path: &str, actions: &str) -> String {
    format!("repository:{path}:{actions}")
}

pub(super) fn response_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// Proxies and login pages answer with success too.
fn is_web_page(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// The media type in the manifest, else that of the response: some registries respond with a generic one.
fn media_type(response: &RegistryResponse) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stated {
        media_type: Option<String>,
    }
    let stated = serde_json::from_slice::<Stated>(&response.body).ok().and_then(|stated| stated.media_type);
    let answered = || {
        let text = response.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        Some(text.split(';').next()?.trim().to_owned())
    };
    stated.or_else(answered).filter(|media_type| !media_type.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_escapes_its_repository() {
        let of = |path: &str, rest: &str| {
            let repository = Repository { host: "registry.example".to_owned(), path: path.to_owned() };
            address(&repository, rest).map(|url| url.to_string())
        };
        assert_eq!(of("a/b", "manifests/v1").unwrap(), "https://registry.example/v2/a/b/manifests/v1");
        for path in ["../a", "a/../../b", "//evil.example/a", "https://evil.example/a", "a?b", "a#b", "a\\b"]
        {
            assert!(of(path, "manifests/v1").is_err(), "{path}");
        }
    }
}
