//! The public registries that images come from: Artifact Registry, GHCR and Docker Hub, each with the login,
//! the redirects and the errors that it really has.

mod api;
mod blob;
mod token;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
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

/// The three registries; each has its own manners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registry {
    Artifact,
    Ghcr,
    DockerHub,
}

/// Where the hosts of the sources listen.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub artifact_registry: SocketAddr,
    pub artifact_registry_blobs: SocketAddr,
    pub ghcr: SocketAddr,
    pub ghcr_blobs: SocketAddr,
    pub docker_hub: SocketAddr,
    pub docker_hub_auth: SocketAddr,
    pub docker_hub_blobs: SocketAddr,
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

/// A registry with what it needs to answer.
#[derive(Clone)]
struct Desk {
    registry: Registry,
    world: World,
}

impl Registry {
    fn host(self) -> &'static str {
        match self {
            Self::Artifact => address::GAR.0,
            Self::Ghcr => address::GHCR.0,
            Self::DockerHub => address::DOCKER_HUB.0,
        }
    }

    /// The name under which its repositories are kept, and which images carry.
    fn store(self) -> &'static str {
        match self {
            Self::DockerHub => "docker.io",
            Self::Artifact | Self::Ghcr => self.host(),
        }
    }

    fn realm(self) -> &'static str {
        match self {
            Self::Artifact => "https://us-docker.pkg.dev/v2/token",
            Self::Ghcr => "https://ghcr.io/token",
            Self::DockerHub => "https://auth.docker.io/token",
        }
    }

    fn service(self) -> &'static str {
        match self {
            Self::DockerHub => "registry.docker.io",
            Self::Artifact | Self::Ghcr => self.host(),
        }
    }

    fn blob_host(self) -> &'static str {
        match self {
            Self::Artifact => address::GAR_BLOBS.0,
            Self::Ghcr => address::GHCR_BLOBS.0,
            Self::DockerHub => address::DOCKER_HUB_BLOBS.0,
        }
    }
}

impl Addresses {
    /// The addresses of the lab's world.
    pub fn real() -> Self {
        let https = |(_, address): (&str, std::net::Ipv4Addr)| SocketAddr::from((address, 443));
        Self {
            artifact_registry: https(address::GAR),
            artifact_registry_blobs: https(address::GAR_BLOBS),
            ghcr: https(address::GHCR),
            ghcr_blobs: https(address::GHCR_BLOBS),
            docker_hub: https(address::DOCKER_HUB),
            docker_hub_auth: https(address::DOCKER_HUB_AUTH),
            docker_hub_blobs: https(address::DOCKER_HUB_BLOBS),
        }
    }
}

impl Sources {
    /// Serves all hosts of the sources over one distribution process.
    pub async fn start(
        addresses: Addresses,
        authority: &Authority,
        upstream: Upstream,
    ) -> anyhow::Result<Self> {
        let world = World {
            front: Front::default(),
            upstream,
            tokens: Arc::new(Tokens::default()),
            tickets: Arc::new(Tickets::default()),
        };
        for (registry, listen, blobs) in [
            (Registry::Artifact, addresses.artifact_registry, addresses.artifact_registry_blobs),
            (Registry::Ghcr, addresses.ghcr, addresses.ghcr_blobs),
            (Registry::DockerHub, addresses.docker_hub, addresses.docker_hub_blobs),
        ] {
            let desk = Desk { registry, world: world.clone() };
            let answer = Router::new().fallback(api::answer).with_state(desk.clone());
            world.serve(listen, registry.host(), authority, answer).await?;
            let stored = Router::new().fallback(blob::stored).with_state(desk);
            world.serve(blobs, registry.blob_host(), authority, stored).await?;
        }
        let desk = Desk { registry: Registry::DockerHub, world: world.clone() };
        let auth = Router::new().fallback(token::grant).with_state(desk);
        world.serve(addresses.docker_hub_auth, address::DOCKER_HUB_AUTH.0, authority, auth).await?;
        Ok(Self { world })
    }

    /// Publishes the fixture's images, as far as they are not there.
    pub async fn seed(&self) -> anyhow::Result<()> {
        let images = fixture::sources();
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

async fn revoke_tokens(State(tokens): State<Arc<Tokens>>) -> impl IntoResponse {
    tokens.revoke();
}
