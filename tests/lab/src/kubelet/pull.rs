//! Pulls images like containerd, with its error messages.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::image::Name;
use super::unpack::{ENTRYPOINT, Program};
use crate::address;

/// Timeout for a response of a registry.
const SILENCE: Duration = Duration::from_secs(30);
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, */*";

/// Returns the node role's current ECR token: the password of user `AWS`.
pub type NodeToken = Arc<dyn Fn() -> String + Send + Sync>;

/// A registry of the lab that the nodes reach.
#[derive(Clone)]
pub struct Registry {
    pub host: String,
    /// `None`: pulled from anonymously.
    pub token: Option<NodeToken>,
}

/// What a container of an image does; defined by the label `lab.behaviour` in the image's config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Run,
    /// Exits with code 1 soon after its start.
    Crash,
    /// Exits with code 0 soon after its start.
    Exit,
    /// Runs and never becomes ready.
    Unready,
    /// Really runs the image's program, until that exits.
    Program,
}

/// An image on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pulled {
    /// Normalised name.
    pub(super) name: String,
    /// `<repository>@<digest>`, with the digest of the index if there is one.
    pub(super) id: String,
    /// Bytes of config and layers.
    pub(super) size: u64,
    pub(super) behaviour: Behaviour,
    /// Of [`Behaviour::Program`].
    pub(super) program: Option<Arc<Program>>,
}

impl Pulled {
    /// An image for which the lab has no server.
    pub(super) fn assumed(name: &Name) -> Self {
        let full = name.full();
        Self {
            id: name.id(&digest(full.as_bytes())),
            name: full,
            size: 30_000_000,
            behaviour: Behaviour::Run,
            program: None,
        }
    }
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
pub(super) struct Descriptor {
    pub(super) digest: String,
    #[serde(default)]
    size: u64,
    platform: Option<Platform>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
pub(super) struct Config {
    architecture: String,
    os: String,
    #[serde(default, rename = "config")]
    runtime: Option<Runtime>,
    #[serde(default)]
    rootfs: RootFilesystem,
}

#[derive(Default, Deserialize)]
struct RootFilesystem {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Config {
    pub(super) fn diff_ids(&self) -> &[String] {
        &self.rootfs.diff_ids
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Runtime {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
}

/// One pull by one node.
pub(super) struct Pull<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) registry: &'a Registry,
    pub(super) name: &'a Name,
    /// The node's architecture, in Go's spelling.
    pub(super) architecture: &'a str,
}

impl Pull<'_> {
    /// Pulls; the error is the CRI message that the kubelet shows.
    pub(super) async fn run(&self) -> Result<Pulled, String> {
        let digest = self.resolve().await?;
        let top: Manifest = self.content("manifests", &digest).await?;
        let (manifest, config) = self.platform(&top, self.architecture).await?;
        for layer in &manifest.layers {
            let url = self.name.url("blobs", &layer.digest);
            let response =
                self.request(Method::HEAD, &url).await.map_err(|why| self.failed("Unknown", why))?;
            self.opened(&url, &response)?;
        }
        let runtime = config.runtime.as_ref();
        let entrypoint = runtime.and_then(|runtime| runtime.entrypoint.as_deref()).unwrap_or_default();
        let program = match entrypoint {
            [program] if program == ENTRYPOINT => {
                Some(Arc::new(self.program(&top, (&manifest, &config)).await?))
            }
            _ => None,
        };
        let behaviour = runtime.and_then(|runtime| runtime.labels.as_ref()?.get("lab.behaviour"));
        let config_size = manifest.config.as_ref().map_or(0, |config| config.size);
        Ok(Pulled {
            name: self.name.full(),
            id: self.name.id(&digest),
            size: config_size + manifest.layers.iter().map(|layer| layer.size).sum::<u64>(),
            behaviour: match behaviour.map(String::as_str) {
                _ if program.is_some() => Behaviour::Program,
                Some("crash") => Behaviour::Crash,
                Some("exit") => Behaviour::Exit,
                Some("unready") => Behaviour::Unready,
                _ => Behaviour::Run,
            },
            program,
        })
    }

    /// Manifest and config for an architecture of the image that `top` names.
    pub(super) async fn platform(
        &self,
        top: &Manifest,
        architecture: &str,
    ) -> Result<(Manifest, Config), String> {
        let manifest = if top.manifests.is_empty() {
            top.clone()
        } else {
            let wanted = top.manifests.iter().find(|entry| {
                entry
                    .platform
                    .as_ref()
                    .is_some_and(|platform| platform.os == "linux" && platform.architecture == architecture)
            });
            let wanted = wanted.ok_or_else(|| self.no_platform())?;
            self.content("manifests", &wanted.digest).await?
        };
        let descriptor =
            manifest.config.as_ref().ok_or_else(|| self.failed("Unknown", "the manifest names no config"))?;
        let config: Config = self.content("blobs", &descriptor.digest).await?;
        if config.os != "linux" || config.architecture != architecture {
            return Err(self.no_platform());
        }
        Ok((manifest, config))
    }

    /// Resolves the reference to its digest.
    async fn resolve(&self) -> Result<String, String> {
        let url = self.name.url("manifests", &self.name.reference);
        let full = self.name.full();
        let unresolved = |code: &str, why: &dyn Display| {
            self.failed(code, format!("failed to resolve reference \"{full}\": {why}"))
        };
        let response = self
            .request(Method::HEAD, &url)
            .await
            .map_err(|why| unresolved("Unknown", &format!("failed to do request: Head \"{url}\": {why}")))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(unresolved("NotFound", &format!("{full}: not found"))),
            StatusCode::UNAUTHORIZED => {
                return Err(unresolved(
                    "Unknown",
                    &"pull access denied, repository does not exist or may require authorization: \
                      authorization failed: no basic auth credentials",
                ));
            }
            status => {
                let why = format!("unexpected status from HEAD request to {url}: {status}");
                return Err(unresolved("Unknown", &why));
            }
        }
        let header = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        match header {
            Some(digest) => Ok(digest.to_owned()),
            None => Err(unresolved("Unknown", &"could not resolve digest for reference")),
        }
    }

    /// Fetches a manifest or config and checks it against its digest.
    async fn content<T: serde::de::DeserializeOwned>(&self, kind: &str, wanted: &str) -> Result<T, String> {
        let url = self.name.url(kind, wanted);
        let response = self.request(Method::GET, &url).await.map_err(|why| self.failed("Unknown", why))?;
        self.opened(&url, &response)?;
        let body = response.bytes().await.map_err(|error| self.failed("Unknown", root_cause(&error)))?;
        let found = digest(&body);
        if found != wanted {
            let why = format!("unexpected commit digest {found}, expected {wanted}: failed precondition");
            return Err(
                self.failed("FailedPrecondition", format!("failed commit on ref \"{wanted}\": {why}"))
            );
        }
        serde_json::from_slice(&body).map_err(|error| self.failed("Unknown", error))
    }

    pub(super) async fn request(&self, method: Method, url: &str) -> Result<Response, String> {
        let mut request = self.http.request(method, url).timeout(SILENCE).header("accept", ACCEPT);
        if let Some(token) = &self.registry.token {
            let credentials = STANDARD.encode(format!("AWS:{}", token()));
            request = request.header("authorization", format!("Basic {credentials}"));
        }
        request.send().await.map_err(|error| root_cause(&error))
    }

    pub(super) fn opened(&self, url: &str, response: &Response) -> Result<(), String> {
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(self.failed(
                "NotFound",
                format!("failed to copy: httpReadSeeker: failed open: content at {url} not found: not found"),
            )),
            status => Err(self.failed(
                "Unknown",
                format!(
                    "failed to copy: httpReadSeeker: failed open: unexpected status from GET request to {url}: \
                     {status}"
                ),
            )),
        }
    }

    fn no_platform(&self) -> String {
        self.failed("NotFound", "no match for platform in manifest: not found")
    }

    pub(super) fn failed(&self, code: &str, why: impl Display) -> String {
        failed(self.name, code, why)
    }
}

/// The error of a pull from the internet, which the nodes cannot reach.
pub(super) fn unreachable(name: &Name) -> String {
    let server = name.server();
    let server_address = address::SOURCES.iter().find(|(host, _)| *host == server).map_or_else(
        // Every other public host gets a separate address, the same each time.
        || Ipv4Addr::new(203, 0, 113, 100 + Sha256::digest(server)[0] % 100),
        |(_, server_address)| *server_address,
    );
    let url = name.url("manifests", &name.reference);
    let why = format!(
        "failed to resolve reference \"{}\": failed to do request: Head \"{url}\": \
         dial tcp {server_address}:443: i/o timeout",
        name.full()
    );
    failed(name, "DeadlineExceeded", why)
}

fn failed(name: &Name, code: &str, why: impl Display) -> String {
    format!("rpc error: code = {code} desc = failed to pull and unpack image \"{}\": {why}", name.full())
}

pub(super) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(content)))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The innermost error, which names the cause; the outer ones belong to the HTTP client.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_from_the_internet_time_out() {
        let name = Name::parse("castai/hibernate:v1").unwrap();
        assert_eq!(
            unreachable(&name),
            "rpc error: code = DeadlineExceeded desc = failed to pull and unpack image \
             \"docker.io/castai/hibernate:v1\": failed to resolve reference \"docker.io/castai/hibernate:v1\": \
             failed to do request: Head \"https://registry-1.docker.io/v2/castai/hibernate/manifests/v1\": \
             dial tcp 203.0.113.30:443: i/o timeout"
        );
    }
}
