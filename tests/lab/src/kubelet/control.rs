//! Control of the nodes through the lab's control API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::lifecycle::{BackOff, Delays};
use super::{Shared, lock, matches};

/// A node that cannot pull an image.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FailingPull {
    /// The node's name; every node if it is missing.
    pub node: Option<String>,
    /// The image as pods write it; `*` matches any characters.
    pub image: String,
    /// The whole text of the error, as from the container runtime.
    pub message: String,
}

impl FailingPull {
    pub(super) fn applies(&self, node: &str, image: &str) -> bool {
        self.node.as_deref().is_none_or(|name| name == node) && matches(&self.image, image)
    }
}

/// A node that cannot create the sandbox of a pod.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FailingSandbox {
    /// The node's name; every node if it is missing.
    pub node: Option<String>,
    /// The pod's name; `*` matches any characters.
    pub pod: String,
    /// The whole text of the event.
    pub message: String,
}

impl FailingSandbox {
    pub(super) fn applies(&self, node: &str, pod: &str) -> bool {
        self.node.as_deref().is_none_or(|name| name == node) && matches(&self.pod, pod)
    }
}

/// Pods of one node, or of the nodes of one zone, whose packets to some addresses are lost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SilentLink {
    /// The node's name; every node if it is missing.
    pub node: Option<String>,
    /// The node's zone, such as `us-east-1a`; every zone if it is missing.
    pub zone: Option<String>,
    pub to: Vec<Ipv4Net>,
}

impl SilentLink {
    pub(super) fn applies(&self, node: &str, zone: &str) -> bool {
        self.node.as_deref().is_none_or(|name| name == node)
            && self.zone.as_deref().is_none_or(|name| name == zone)
    }
}

/// Milliseconds; missing fields are unchanged.
#[derive(Deserialize)]
struct NewDelays {
    pull_first: Option<u64>,
    pull_most: Option<u64>,
    crash_first: Option<u64>,
    crash_most: Option<u64>,
}

#[derive(Deserialize)]
struct Chosen {
    node: Option<String>,
}

/// Routes: `GET /nodes`; `POST /pulls/pause`, `POST /pulls/resume`; `DELETE /images[?node=]`;
/// `GET`, `POST` and `DELETE /failures`; `PUT /sandbox-failures`; `PUT /silent-links`; `PUT /delays`.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/nodes", get(nodes))
        .route("/pulls/pause", post(async |State(shared): State<Arc<Shared>>| pause(&shared, true)))
        .route("/pulls/resume", post(async |State(shared): State<Arc<Shared>>| pause(&shared, false)))
        .route("/images", delete(drop_images))
        .route("/failures", get(failures).post(add_failure).delete(clear_failures))
        .route("/sandbox-failures", put(set_sandbox_failures))
        .route("/silent-links", put(set_silent_links))
        .route("/delays", put(set_delays))
        .with_state(shared)
}

async fn nodes(State(shared): State<Arc<Shared>>) -> Json<serde_json::Value> {
    let nodes = shared.hosts.values().map(|host| {
        let mut images: Vec<String> = lock(&host.images).keys().cloned().collect();
        images.sort();
        serde_json::json!({
            "name": host.node.name,
            "zone": host.node.zone,
            "architecture": host.node.architecture,
            "address": host.node.address.to_string(),
            "pods": host.pod_range().to_string(),
            "images": images,
        })
    });
    Json(nodes.collect())
}

fn pause(shared: &Shared, paused: bool) -> StatusCode {
    shared.paused.send_replace(paused);
    StatusCode::NO_CONTENT
}

async fn drop_images(State(shared): State<Arc<Shared>>, Query(chosen): Query<Chosen>) -> StatusCode {
    for (name, host) in &shared.hosts {
        if chosen.node.as_ref().is_none_or(|node| node == name) {
            lock(&host.images).clear();
        }
    }
    StatusCode::NO_CONTENT
}

async fn failures(State(shared): State<Arc<Shared>>) -> Json<Vec<FailingPull>> {
    Json(lock(&shared.failing).clone())
}

async fn add_failure(State(shared): State<Arc<Shared>>, Json(rule): Json<FailingPull>) -> StatusCode {
    lock(&shared.failing).push(rule);
    StatusCode::NO_CONTENT
}

async fn clear_failures(State(shared): State<Arc<Shared>>) -> StatusCode {
    lock(&shared.failing).clear();
    StatusCode::NO_CONTENT
}

async fn set_sandbox_failures(
    State(shared): State<Arc<Shared>>,
    Json(rules): Json<Vec<FailingSandbox>>,
) -> StatusCode {
    *lock(&shared.failing_sandboxes) = rules;
    StatusCode::NO_CONTENT
}

async fn set_silent_links(
    State(shared): State<Arc<Shared>>,
    Json(links): Json<Vec<SilentLink>>,
) -> StatusCode {
    *lock(&shared.silent_links) = links;
    StatusCode::NO_CONTENT
}

async fn set_delays(State(shared): State<Arc<Shared>>, Json(new): Json<NewDelays>) -> StatusCode {
    let mut delays = lock(&shared.delays);
    let change = |current: BackOff, first: Option<u64>, most: Option<u64>| BackOff {
        first: first.map_or(current.first, Duration::from_millis),
        most: most.map_or(current.most, Duration::from_millis),
    };
    *delays = Delays {
        pull: change(delays.pull, new.pull_first, new.pull_most),
        crash: change(delays.crash, new.crash_first, new.crash_most),
    };
    StatusCode::NO_CONTENT
}
