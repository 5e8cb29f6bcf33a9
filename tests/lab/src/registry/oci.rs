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
        self.front
            .control()
            .merge(publish::control(&self.front, &self.upstream))
    }
}

async fn forward(State(upstream): State<Upstream>, request: Request) -> Response {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
        .to_owned();
    upstream.forward(request, &target).await
}
