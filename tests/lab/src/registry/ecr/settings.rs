//! Settings of ECR that tests and the demo can change while it runs.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::extract::{Query, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use super::access::Credentials;
use super::lint::Rules;
use super::policy::Policy;
use super::state::{self, Repository};
use super::{Service, corrupt};
use crate::registry::publish::{Failure, Order, Published, Tag};

/// The rate limit of `PutImage`; unlimited until it is set. The requests of a full second may come at once.
#[derive(Default)]
pub struct Pace(Mutex<Option<Bucket>>);

struct Bucket {
    rate: f64,
    left: f64,
    filled: Instant,
}

impl Pace {
    pub fn set(&self, rate: Option<f64>) {
        let bucket = rate.map(|rate| Bucket { rate, left: rate.max(1.0), filled: Instant::now() });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bucket;
    }

    /// Uses up one request of the limit, if one is left.
    pub fn admit(&self) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = bucket.as_mut() else {
            return true;
        };
        let now = Instant::now();
        let gained = now.duration_since(bucket.filled).as_secs_f64() * bucket.rate;
        bucket.left = (bucket.left + gained).min(bucket.rate.max(1.0));
        bucket.filled = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

pub fn control(service: &Service) -> Router {
    Router::new()
        .route("/state", get(show))
        .route("/node-token", get(node_token))
        .route("/settings", put(change))
        .route("/access", put(access))
        .route("/passwords", delete(expire))
        .route("/repositories", put(put_repository).delete(delete_repository))
        .route("/archive", post(archive))
        .route("/images", post(add_image).put(move_tag).delete(delete_tag))
        .with_state(service.clone())
}

async fn show(State(service): State<Service>) -> Json<state::State> {
    Json(service.store.read(Clone::clone))
}

async fn node_token(State(service): State<Service>) -> Json<String> {
    Json(service.access.node_token())
}

/// Only the given fields are changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    blob_mounting: Option<bool>,
    /// The lifetime of new passwords.
    token_lifetime_milliseconds: Option<u64>,
    /// 0 removes the limit.
    put_image_per_second: Option<f64>,
    manifest_rules: Option<Rules>,
    creation_templates: Option<Vec<Value>>,
}

async fn change(State(service): State<Service>, Json(change): Json<Change>) -> Result<(), Failure> {
    if let Some(enabled) = change.blob_mounting {
        service.store.change(|state| state.blob_mounting = enabled)?;
    }
    if let Some(milliseconds) = change.token_lifetime_milliseconds {
        service.access.set_lifetime(Duration::from_millis(milliseconds));
    }
    if let Some(rate) = change.put_image_per_second {
        service.pace.set((rate > 0.0).then_some(rate));
    }
    if let Some(templates) = change.creation_templates {
        service.store.change(|state| state.templates = templates)?;
    }
    if let Some(rules) = change.manifest_rules {
        service.rules.set(rules);
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    #[serde(default)]
    credentials: Credentials,
    /// Actions without their `ecr:`, denied on both hosts.
    #[serde(default)]
    denied: BTreeSet<String>,
    /// The caller's IAM policy: actions that it does not allow are denied on both hosts.
    policy: Option<Policy>,
}

async fn access(State(service): State<Service>, Json(standing): Json<Standing>) {
    service.access.set_credentials(standing.credentials, standing.denied, standing.policy);
}

async fn expire(State(service): State<Service>) {
    service.access.expire_passwords();
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    mutability: Option<String>,
    #[serde(default)]
    exclusions: Value,
}

/// Creates a repository, or changes its mutability.
async fn put_repository(State(service): State<Service>, Json(named): Json<Named>) -> Result<(), Failure> {
    service.store.change(|state| {
        let repository = state.repositories.entry(named.name).or_insert_with(Repository::default);
        if let Some(mutability) = named.mutability {
            repository.mutability = mutability;
            repository.exclusions = named.exclusions;
        }
    })?;
    Ok(())
}

async fn delete_repository(
    State(service): State<Service>,
    Query(named): Query<Named>,
) -> Result<(), Failure> {
    let removed = service.store.change(|state| state.repositories.remove(&named.name))?;
    removed.with_context(|| format!("there is no repository {}", named.name))?;
    Ok(())
}

async fn add_image(
    State(service): State<Service>,
    Json(order): Json<Order>,
) -> Result<Json<Published>, Failure> {
    let published = service.place(&order.repository, &order.tag, &order.recipe).await?;
    if order.recipe.corrupt {
        corrupt(&service.front, &published);
    }
    Ok(Json(published))
}

async fn move_tag(State(service): State<Service>, Json(tag): Json<Tag>) -> Result<(), Failure> {
    let to = tag.to.context("`to` is missing: a tag or digest of the same repository")?;
    let moved = service.store.change(|state| {
        let existing = state.repositories.get_mut(&tag.repository)?;
        let digest = existing.tags.get(&to).unwrap_or(&to).clone();
        existing.images.contains_key(&digest).then(|| existing.tags.insert(tag.tag, digest))
    })?;
    moved.with_context(|| format!("{} has no {to}", tag.repository))?;
    Ok(())
}

async fn delete_tag(State(service): State<Service>, Query(tag): Query<Tag>) -> Result<(), Failure> {
    let removed =
        service.store.change(|state| state.repositories.get_mut(&tag.repository)?.tags.remove(&tag.tag))?;
    removed.with_context(|| format!("{} has no tag {}", tag.repository, tag.tag))?;
    Ok(())
}

/// Moves the image of a tag to the archive, as a lifecycle rule or `UpdateImageStorageClass` does.
async fn archive(State(service): State<Service>, Json(tag): Json<Tag>) -> Result<(), Failure> {
    let archived = service.store.change(|state| {
        let existing = state.repositories.get_mut(&tag.repository)?;
        let digest = existing.tags.get(&tag.tag)?.clone();
        let children = existing.images.get(&digest)?.children.clone();
        for digest in children.into_iter().chain([digest]) {
            existing.images.get_mut(&digest)?.archived = true;
        }
        Some(())
    })?;
    archived.with_context(|| format!("{} has no tag {}", tag.repository, tag.tag))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_limit_applies_only_if_it_is_set() {
        let pace = Pace::default();
        assert!((0..100).all(|_| pace.admit()));
        // So slow that no request is added while the test runs.
        pace.set(Some(0.001));
        assert_eq!((0..5).filter(|_| pace.admit()).count(), 1, "at least one request always passes");
    }
}
