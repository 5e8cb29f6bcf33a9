//! Shared code of the registries' tests: a real distribution, front servers on loopback ports, and a client that
//! resolves their real names.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use reqwest::redirect::Policy;
use serde_json::Value;

use super::distribution::Distribution;
use super::upstream::Upstream;
use crate::pki::Authority;
use crate::serve;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Folder, authority and distribution process of one test; all are removed when it is dropped.
pub struct Bench {
    pub folder: PathBuf,
    pub authority: Authority,
    distribution: Distribution,
}

impl Bench {
    pub async fn start() -> Self {
        // If another test has installed a provider already, this fails, and that one is used.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = std::env::temp_dir().join(format!(
            "lab-registry-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        let authority = Authority::load_or_create(&folder.join("ca")).unwrap();
        let distribution =
            Distribution::start(&program(), &folder.join("storage"), free_address()).await.unwrap();
        Self { folder, authority, distribution }
    }

    pub fn upstream(&self) -> Upstream {
        self.distribution.upstream().clone()
    }

    /// A client that trusts the authority and connects to `hosts` at their addresses; it follows no redirect.
    pub fn client(&self, hosts: &[(&str, SocketAddr)]) -> reqwest::Client {
        let certificate = reqwest::Certificate::from_pem(self.authority.certificate.as_bytes()).unwrap();
        let builder =
            reqwest::Client::builder().tls_certs_only([certificate]).redirect(Policy::none()).no_proxy();
        hosts
            .iter()
            .fold(builder, |builder, (host, address)| builder.resolve(host, *address))
            .build()
            .unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A loopback address that no other call gets. A free port on 127.0.0.1 could be used by another test or connection
/// before this test uses it.
pub fn free_address() -> SocketAddr {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let host = u8::try_from(count).expect("fewer than 256 servers in one run of tests");
    (Ipv4Addr::new(127, high.max(1), low, host), 5000).into()
}

/// A control router, served in plain HTTP.
pub struct Control {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Control {
    pub async fn start(router: Router) -> Self {
        let address = free_address();
        serve::http(address, router).await.unwrap();
        Self { address, client: reqwest::Client::new() }
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}

fn program() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/build.sh");
    let output = Command::new(script).arg("--print").output().unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    Path::new(folder.trim()).join("registry")
}

/// A response with its whole body.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: bytes::Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of an OCI error.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

pub async fn read(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await?;
    Ok(Answer { status, headers, body })
}
