//! Client of a distribution process: forwards requests to it, and stores content directly.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest as _, Sha256};

use super::route::refuse;

/// Every media type of manifests: distribution responds with 404 for one that is not in `Accept`.
pub const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A distribution process behind its front servers.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<HttpConnector, Body>,
    address: SocketAddr,
    folder: PathBuf,
}

/// A stored manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub digest: String,
    pub media_type: String,
    pub bytes: Bytes,
}

impl Upstream {
    /// `folder` is where the process stores its content.
    pub fn new(address: SocketAddr, folder: &Path) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, address, folder: folder.into() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sends a request to a target of path and query.
    pub async fn send(&self, mut request: Request<Body>) -> anyhow::Result<Response> {
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        *request.uri_mut() = Uri::try_from(format!("http://{}{path}", self.address))?;
        *request.version_mut() = http::Version::HTTP_11;
        for name in [HOST, AUTHORIZATION, CONNECTION, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
        let response =
            self.client.request(request).await.context("sending a request to the distribution process")?;
        let mut response = response.map(Body::new);
        response.headers_mut().remove(CONNECTION);
        response.headers_mut().remove(TRANSFER_ENCODING);
        Ok(response)
    }

    /// Forwards a client's request to another target; the body is streamed in both directions.
    pub async fn forward(&self, request: Request<Body>, target: &str) -> Response {
        let (mut parts, body) = request.into_parts();
        let answer = async {
            parts.uri = Uri::try_from(target)?;
            self.send(Request::from_parts(parts, body)).await
        };
        answer.await.unwrap_or_else(|error| refuse(StatusCode::BAD_GATEWAY, "UNKNOWN", &format!("{error:#}")))
    }

    /// A request without a body.
    pub async fn ask(&self, method: Method, target: &str) -> anyhow::Result<Response> {
        let request = Request::builder().method(method).uri(target).header(ACCEPT, MANIFEST_TYPES);
        self.send(request.body(Body::empty())?).await
    }

    /// The headers of the content at `target`, or nothing if there is none.
    pub async fn head(&self, target: &str) -> anyhow::Result<Option<HeaderMap>> {
        let response = self.ask(Method::HEAD, target).await?;
        Ok(response.status().is_success().then(|| response.headers().clone()))
    }

    /// True for a repository that was ever pushed to.
    pub async fn holds(&self, repository: &str) -> anyhow::Result<bool> {
        let response = self.ask(Method::GET, &format!("/v2/{repository}/tags/list?n=1")).await?;
        Ok(response.status().is_success())
    }

    /// A manifest by tag or digest.
    pub async fn manifest(&self, repository: &str, reference: &str) -> anyhow::Result<Option<Manifest>> {
        let response = self.ask(Method::GET, &format!("/v2/{repository}/manifests/{reference}")).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        ensure!(response.status().is_success(), "reading {repository}:{reference}: {}", response.status());
        let media_type = header(response.headers(), CONTENT_TYPE.as_str());
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(Some(Manifest { digest: digest_of(&bytes), media_type, bytes }))
    }

    /// Uploads a blob unless it exists.
    pub async fn push_blob(&self, repository: &str, digest: &str, bytes: Bytes) -> anyhow::Result<()> {
        if self.head(&format!("/v2/{repository}/blobs/{digest}")).await?.is_some() {
            return Ok(());
        }
        let opened = self.ask(Method::POST, &format!("/v2/{repository}/blobs/uploads/")).await?;
        let location = header(opened.headers(), LOCATION.as_str());
        ensure!(
            opened.status() == StatusCode::ACCEPTED,
            "opening an upload to {repository}: {}",
            opened.status()
        );
        let separator = if location.contains('?') { '&' } else { '?' };
        let request = Request::put(format!("{location}{separator}digest={digest}"));
        let done = self.send(request.body(Body::from(bytes))?).await?;
        ensure!(
            done.status() == StatusCode::CREATED,
            "uploading {digest} to {repository}: {}",
            done.status()
        );
        Ok(())
    }

    pub async fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> anyhow::Result<()> {
        let request =
            Request::put(format!("/v2/{repository}/manifests/{reference}")).header(CONTENT_TYPE, media_type);
        let response = self.send(request.body(Body::from(bytes))?).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&text);
        ensure!(status == StatusCode::CREATED, "storing {repository}:{reference}: {status} {text}");
        Ok(())
    }

    /// Removes a tag (distribution 3 untags if the reference is a tag); false if it did not exist.
    pub async fn delete_tag(&self, repository: &str, tag: &str) -> anyhow::Result<bool> {
        let response = self.ask(Method::DELETE, &format!("/v2/{repository}/manifests/{tag}")).await?;
        Ok(response.status() == StatusCode::ACCEPTED)
    }
}

/// A header as text, empty where it is missing.
pub fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// `sha256:` and the digest of `bytes` in hexadecimal.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(&Sha256::digest(bytes)))
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
