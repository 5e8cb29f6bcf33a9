//! An in-house registry that is not ECR: distribution behind TLS, without a login.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;

use super::front::Front;
use super::publish;
use super::upstream::Upstream;
use crate::address::OCI_REGISTRY;
use crate::pki::Authority;
use crate::serve;

/// The in-house registry.
pub struct Oci {
    front: Front,
    upstream: Upstream,
}

impl Oci {
    /// Serves [`OCI_REGISTRY`] on `address`.
    pub async fn start(
        address: SocketAddr,
        authority: &Authority,
        upstream: Upstream,
    ) -> anyhow::Result<Self> {
        let front = Front::default();
        let router = Router::new().fallback(forward).with_state(upstream.clone());
        let router = front.guard(OCI_REGISTRY.0, |_| None, router);
        serve::https(address, authority.server(&[OCI_REGISTRY.0])?, router).await?;
        Ok(Self { front, upstream })
    }

    /// Traffic, faults and images.
    pub fn control(&self) -> Router {
        self.front.control().merge(publish::control(&self.front, &self.upstream))
    }
}

async fn forward(State(upstream): State<Upstream>, request: Request) -> Response {
    let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    upstream.forward(request, &target).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::registry::harness::{Bench, Control, free_address, read};
    use crate::registry::upstream::digest_of;

    #[tokio::test]
    async fn pushes_and_pulls_need_no_login() {
        let bench = Bench::start().await;
        let address = free_address();
        let client = bench.client(&[(OCI_REGISTRY.0, address)]);
        let oci = Oci::start(address, &bench.authority, bench.upstream()).await.unwrap();
        let control = Control::start(oci.control()).await;
        let base = format!("https://{}", OCI_REGISTRY.0);
        let opened = read(client.post(format!("{base}/v2/a/b/blobs/uploads/"))).await.unwrap();
        assert_eq!(opened.status, 202);
        let digest = digest_of(b"content");
        let target = format!("{base}{}&digest={digest}", opened.header("location"));
        assert_eq!(read(client.put(target).body("content")).await.unwrap().status, 201);
        let blob = format!("{base}/v2/a/b/blobs/{digest}");
        assert_eq!(&read(client.get(&blob)).await.unwrap().body[..], b"content");
        let traffic = control.call("GET", "/traffic", Value::Null).await;
        assert_eq!((&traffic[1]["received"], &traffic[2]["sent"]), (&json!(7), &json!(7)));
        let rule = json!({"times": 1, "action": {"kind": "status", "status": 500}});
        control.call("POST", "/faults", rule).await;
        assert_eq!(read(client.get(&blob)).await.unwrap().status, 500);
    }
}
