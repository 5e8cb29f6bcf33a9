//! The public source registries, each with its real logins, redirects and errors:
//! Artifact Registry, GHCR, Docker Hub, NVIDIA's nvcr.io and Kubernetes' registry.k8s.io.

mod api;
mod blob;
mod kubernetes;
mod nvidia;
mod token;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::put;
use axum::{Json, response::IntoResponse};
use serde::Deserialize;

use self::blob::Tickets;
use self::token::Tokens;
use super::fixture;
use super::front::Front;
use super::publish;
use super::upstream::Upstream;
use crate::address;
use crate::pki::Authority;
use crate::serve;
use crate::settings::Fixture;

/// The registries, whose behaviour differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registry {
    Artifact,
    Ghcr,
    DockerHub,
    Nvidia,
    Kubernetes,
}

/// The running sources.
pub struct Sources {
    world: World,
}

#[derive(Clone)]
struct World {
    front: Front,
    upstream: Upstream,
    tokens: Arc<Tokens>,
    tickets: Arc<Tickets>,
}

/// A registry with its state.
#[derive(Clone)]
struct Desk {
    registry: Registry,
    world: World,
}

impl Registry {
    const ALL: [Self; 5] = [Self::Artifact, Self::Ghcr, Self::DockerHub, Self::Nvidia, Self::Kubernetes];

    fn host(self) -> &'static str {
        match self {
            Self::Artifact => address::GAR.0,
            Self::Ghcr => address::GHCR.0,
            Self::DockerHub => address::DOCKER_HUB.0,
            Self::Nvidia => address::NVCR.0,
            Self::Kubernetes => address::KUBERNETES.0,
        }
    }

    /// The prefix of its repositories in the store, which is also its name in image names.
    fn store(self) -> &'static str {
        match self {
            Self::DockerHub => "docker.io",
            _ => self.host(),
        }
    }

    fn realm(self) -> &'static str {
        match self {
            Self::Artifact => "https://us-docker.pkg.dev/v2/token",
            Self::Ghcr => "https://ghcr.io/token",
            Self::DockerHub => "https://auth.docker.io/token",
            Self::Nvidia => "https://nvcr.io/proxy_auth",
            Self::Kubernetes => "https://registry.k8s.io/token",
        }
    }

    /// The service in a challenge; nvcr.io names none.
    fn service(self) -> Option<&'static str> {
        match self {
            Self::DockerHub => Some("registry.docker.io"),
            Self::Nvidia => None,
            _ => Some(self.host()),
        }
    }

    fn blob_host(self) -> &'static str {
        match self {
            Self::Artifact => address::GAR_BLOBS.0,
            Self::Ghcr => address::GHCR_BLOBS.0,
            Self::DockerHub => address::DOCKER_HUB_BLOBS.0,
            Self::Nvidia => address::NVCR_BLOBS.0,
            Self::Kubernetes => address::KUBERNETES_BLOBS.0,
        }
    }
}

/// The lab's address of a host of the sources.
pub fn real_address(host: &str) -> SocketAddr {
    let known = address::SOURCES.iter().find(|(name, _)| *name == host);
    SocketAddr::from((known.map_or(address::SILENT, |(_, address)| *address), 443))
}

impl Sources {
    /// Serves all hosts of the sources, each at its address in `listen`, over one distribution process.
    pub async fn start(
        listen: impl Fn(&str) -> SocketAddr,
        authority: &Authority,
        upstream: Upstream,
    ) -> anyhow::Result<Self> {
        let world = World {
            front: Front::default(),
            upstream,
            tokens: Arc::new(Tokens::default()),
            tickets: Arc::new(Tickets::default()),
        };
        let desk = |registry| Desk { registry, world: world.clone() };
        let mut hosts = vec![
            (
                address::DOCKER_HUB_AUTH.0,
                Router::new().fallback(token::grant).with_state(desk(Registry::DockerHub)),
            ),
            (address::NVCR_LOGIN.0, Router::new().fallback(nvidia::login)),
            (
                address::KUBERNETES_BACKEND.0,
                Router::new().fallback(kubernetes::backend).with_state(desk(Registry::Kubernetes)),
            ),
        ];
        for registry in Registry::ALL {
            let answer = match registry {
                Registry::Kubernetes => Router::new().fallback(kubernetes::answer),
                _ => Router::new().fallback(api::answer),
            };
            hosts.push((registry.host(), answer.with_state(desk(registry))));
            let stored = Router::new().fallback(blob::stored);
            hosts.push((registry.blob_host(), stored.with_state(desk(registry))));
        }
        for (host, router) in hosts {
            world.serve(listen(host), host, authority, router).await?;
        }
        Ok(Self { world })
    }

    /// Publishes the images of `cluster`, if they are missing.
    pub async fn seed(&self, cluster: Fixture) -> anyhow::Result<()> {
        let images = fixture::sources(cluster);
        let published = images.iter().map(|image| {
            publish::publish(&self.world.upstream, image.host, image.repository, image.tag, &image.recipe)
        });
        futures::future::try_join_all(published).await?;
        Ok(())
    }

    /// Traffic, faults, images, and `PUT|DELETE /tokens`.
    pub fn control(&self) -> Router {
        let tokens = Router::new()
            .route("/tokens", put(set_lifetime).delete(revoke_tokens))
            .with_state(Arc::clone(&self.world.tokens));
        let World { front, upstream, .. } = &self.world;
        front.control().merge(publish::control(front, upstream)).merge(tokens)
    }
}

impl World {
    async fn serve(
        &self,
        address: SocketAddr,
        host: &str,
        authority: &Authority,
        router: Router,
    ) -> anyhow::Result<()> {
        serve::https(address, authority.server(&[host])?, self.front.guard(host, |_| None, router)).await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    lifetime_milliseconds: u64,
}

async fn set_lifetime(
    State(tokens): State<Arc<Tokens>>,
    Json(lifetime): Json<Lifetime>,
) -> impl IntoResponse {
    tokens.set_lifetime(Duration::from_millis(lifetime.lifetime_milliseconds));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    /// The registry's name in image names.
    host: Option<String>,
}

async fn revoke_tokens(
    State(tokens): State<Arc<Tokens>>,
    Query(revoked): Query<Revoked>,
) -> impl IntoResponse {
    tokens.revoke(revoked.host.as_deref());
}
