//! ECR: the account's private registry. Its rules and API are implemented here, in front of distribution.
//!
//! The front server stores all state except the bytes: repositories, the targets of their tags, and their manifests
//! and layers.

mod access;
mod api;
mod images;
mod lint;
mod policy;
mod push;
mod registry;
mod repositories;
mod settings;
pub mod state;
mod upload;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::Request;

use self::access::Access;
use self::lint::CurrentRules;
use self::settings::Pace;
use self::state::Store;
use self::upload::Sessions;
use super::fixture;
use super::front::Front;
use super::image::{Recipe, generate};
use super::publish::{self, Published};
use super::route::Route;
use super::upstream::Upstream;
use crate::address;
use crate::pki::Authority;
use crate::serve;

/// The addresses of ECR's two hosts, and the allowed callers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of [`address::ECR_API`].
    pub api: SocketAddr,
    /// Of [`address::ECR`].
    pub registry: SocketAddr,
    /// Where the state is kept; it is read again at the next start.
    pub folder: PathBuf,
    /// Access key ids that are valid; signatures are not checked.
    pub access_keys: Vec<String>,
    /// ARN of the caller with such a key, as errors name it.
    pub caller: String,
}

/// The running ECR.
pub struct Ecr {
    service: Service,
}

/// State that both hosts share.
#[derive(Clone)]
struct Service {
    front: Front,
    upstream: Upstream,
    store: Arc<Store>,
    access: Arc<Access>,
    sessions: Arc<Sessions>,
    pace: Arc<Pace>,
    rules: Arc<CurrentRules>,
}

impl Ecr {
    /// Serves the ECR API and the account's registry.
    pub async fn start(
        settings: Settings,
        authority: &Authority,
        upstream: Upstream,
    ) -> anyhow::Result<Self> {
        let service = Service {
            front: Front::default(),
            upstream,
            store: Arc::new(Store::open(&settings.folder)?),
            access: Arc::new(Access::new(settings.access_keys, settings.caller)),
            sessions: Arc::default(),
            pace: Arc::default(),
            rules: Arc::default(),
        };
        let api = Router::new().fallback(api::answer).with_state(service.clone());
        let api = service.front.guard(address::ECR_API.0, api_action, api);
        serve::https(settings.api, authority.server(&[address::ECR_API.0])?, api).await?;
        let registry = Router::new().fallback(registry::answer).with_state(service.clone());
        let registry = service.front.guard(address::ECR.0, registry_action, registry);
        serve::https(settings.registry, authority.server(&[address::ECR.0])?, registry).await?;
        Ok(Self { service })
    }

    /// Publishes the fixture's own images, if they are missing.
    pub async fn seed(&self) -> anyhow::Result<()> {
        for image in fixture::ecr() {
            let present = self.service.store.read(|state| {
                state
                    .repositories
                    .get(image.repository)
                    .is_some_and(|found| found.tags.contains_key(image.tag))
            });
            if !present {
                self.service.place(image.repository, image.tag, &image.recipe).await?;
            }
        }
        Ok(())
    }

    /// The password with which nodes pull: user `AWS`, read only, valid as long as the lab runs.
    pub fn node_token(&self) -> String {
        self.service.access.node_token()
    }

    /// Traffic, faults, images, state, settings and credentials.
    pub fn control(&self) -> Router {
        self.service.front.control().merge(settings::control(&self.service))
    }
}

impl Service {
    /// Stores a generated image in a repository, created if missing, without applying the rules for pushes.
    async fn place(&self, repository: &str, tag: &str, recipe: &Recipe) -> anyhow::Result<Published> {
        let image = generate(&format!("{}/{repository}", address::ECR.0), tag, recipe)?;
        for blob in &image.blobs {
            self.upstream.push_blob(repository, &blob.digest, blob.bytes.clone()).await?;
        }
        self.store.change(|state| {
            let existing = state.repositories.entry(repository.into()).or_default();
            existing
                .layers
                .extend(image.blobs.iter().map(|blob| (blob.digest.clone(), blob.bytes.len() as u64)));
        })?;
        let top = image.top().context("an image must have a platform")?;
        for manifest in &image.manifests {
            let tag = (manifest.digest == top.digest).then_some(tag);
            self.keep(repository, tag, &manifest.media_type, manifest.bytes.clone()).await?;
        }
        Published::new(&image, recipe)
    }
}

fn api_action(request: &Request) -> Option<String> {
    api::action(request.headers()).map(str::to_owned)
}

fn registry_action(request: &Request) -> Option<String> {
    Route::parse(request.uri().path())?.ecr_action(request.method()).map(str::to_owned)
}

/// The corruption of a published image.
fn corrupt(front: &Front, published: &Published) {
    front.faults.add(publish::corruption(published));
}
