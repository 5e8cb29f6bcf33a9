//! registry.k8s.io, which stores nothing: it redirects each request to Artifact Registry or, for a blob, to the
//! bucket nearest to the client (kubernetes/registry.k8s.io `cmd/archeio/internal/app/handlers.go`).

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use rand::Rng as _;
use serde_json::json;

use super::{Desk, Registry};
use crate::address;
use crate::registry::route::{Route, refuse};
use crate::registry::upstream::{header, hexadecimal};

/// The path of the images in Artifact Registry.
const BACKEND_FOLDER: &str = "k8s-artifacts-prod/images";

/// Handles requests to the host in image names. Its token serves only to find the requests of a pull in the logs: only
/// the base URL requires it.
pub async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed.").into_response();
    }
    let path = request.uri().path();
    if path == "/token" {
        return Json(json!({"token": pull_id(), "expires_in": 3600})).into_response();
    }
    let target = match Route::parse(path) {
        None => return (StatusCode::NOT_FOUND, "404 page not found").into_response(),
        Some(Route::Ping) if is_pull_id(request.headers()) => return StatusCode::OK.into_response(),
        Some(Route::Ping) => {
            let registry = desk.registry;
            let bearer = format!("Bearer realm=\"{}\",service=\"{}\"", registry.realm(), registry.host());
            let challenge = [(WWW_AUTHENTICATE, bearer)];
            return (StatusCode::UNAUTHORIZED, challenge, "authentication required").into_response();
        }
        Some(Route::Blob { repository, digest }) => {
            let place = format!("/v2/{}/{repository}/blobs/{digest}", desk.registry.store());
            desk.world.tickets.issue(desk.registry, &digest, place)
        }
        Some(_) => {
            let rest = path.trim_start_matches("/v2/");
            format!("https://{}/v2/{BACKEND_FOLDER}/{rest}?rid={}", address::KUBERNETES_BACKEND.0, pull_id())
        }
    };
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, target)]).into_response()
}

/// Handles requests to Artifact Registry's host. It serves public images without a token: clients drop that of
/// registry.k8s.io at the redirect.
pub async fn backend(State(desk): State<Desk>, request: Request) -> Response {
    if request.headers().contains_key(AUTHORIZATION) {
        return refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "the token is not one of this registry");
    }
    let Some(rest) = request.uri().path().strip_prefix(&format!("/v2/{BACKEND_FOLDER}/")) else {
        return refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such repository");
    };
    let target = format!("/v2/{}/{rest}", Registry::Kubernetes.store());
    desk.world.upstream.forward(request, &target).await
}

fn pull_id() -> String {
    hexadecimal(&rand::rng().random::<[u8; 16]>())
}

fn is_pull_id(headers: &HeaderMap) -> bool {
    header(headers, AUTHORIZATION.as_str())
        .strip_prefix("Bearer ")
        .is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
