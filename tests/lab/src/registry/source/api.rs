//! The registries' own hosts: challenges, manifests and tags, and redirects to blobs.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LINK, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;

use super::token::{Standing, grant};
use super::{Desk, Registry, nvidia};
use crate::registry::route::{Route, refuse};

/// Handles requests to the host of a registry.
pub async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    let registry = desk.registry;
    let path = request.uri().path().to_owned();
    if registry.realm() == format!("https://{}{path}", registry.host()) {
        return grant(State(desk), request).await;
    }
    let Some(route) = Route::parse(&path) else {
        return refuse(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such page");
    };
    let standing = desk.world.tokens.standing(registry, request.headers(), route.repository());
    if standing != Standing::Allowed {
        return challenge(&desk, &route, standing).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(StatusCode::FORBIDDEN, "DENIED", "requested access to the resource is denied");
    }
    match &route {
        Route::Ping => axum::Json(serde_json::json!({})).into_response(),
        Route::Blob { repository, digest } => blob(&desk, repository, digest, request.method()).await,
        Route::Tags { .. } => tags(&desk, request).await,
        Route::Manifest { .. } | Route::Referrers { .. } => forward(&desk, request).await,
        Route::Uploads { .. } | Route::Upload { .. } => {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported")
        }
    }
}

async fn challenge(desk: &Desk, route: &Route, standing: Standing) -> Response {
    let registry = desk.registry;
    if let (Registry::Artifact, Standing::Elsewhere, Some(repository)) =
        (registry, standing, route.repository())
    {
        let name = format!("{}/{repository}", registry.store());
        if matches!(desk.world.upstream.holds(&name).await, Ok(false)) {
            let project = repository.split('/').take(2).collect::<Vec<_>>().join("/");
            let message = format!("Repository \"{project}\" not found");
            return refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN", &message);
        }
    }
    let mut bearer = format!("Bearer realm=\"{}\"", registry.realm());
    if let Some(service) = registry.service() {
        bearer = format!("{bearer},service=\"{service}\"");
    }
    match route.repository() {
        Some(repository) => bearer = format!("{bearer},scope=\"repository:{repository}:pull\""),
        None if registry == Registry::Ghcr => bearer.push_str(",scope=\"repository:user/image:pull\""),
        None => {}
    }
    if (registry, standing) == (Registry::Nvidia, Standing::Ended) {
        bearer = nvidia::challenge_of_an_ended_token(route.repository());
    }
    if standing == Standing::Elsewhere {
        bearer.push_str(",error=\"insufficient_scope\"");
    }
    let mut response = refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
    if let Ok(value) = HeaderValue::from_str(&bearer) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// Blobs are on another host: the client is redirected there, with a signature in the URL.
async fn blob(desk: &Desk, repository: &str, digest: &str, method: &Method) -> Response {
    let target = format!("/v2/{}/{repository}/blobs/{digest}", desk.registry.store());
    match desk.world.upstream.head(&target).await {
        Ok(Some(headers)) if method == Method::HEAD => (headers, ()).into_response(),
        Ok(Some(_)) => {
            let location = desk.world.tickets.issue(desk.registry, digest, target);
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
        }
        Ok(None) => refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, "UNKNOWN", &format!("{error:#}")),
    }
}

async fn forward(desk: &Desk, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let target = path.replacen("/v2/", &format!("/v2/{}/", desk.registry.store()), 1);
    desk.world.upstream.forward(request, &target).await
}

/// The list of tags, without the lab's prefix of the repository.
async fn tags(desk: &Desk, request: Request) -> Response {
    let store = format!("{}/", desk.registry.store());
    let (mut parts, body) = forward(desk, request).await.into_parts();
    if let Some(link) = parts.headers.get(LINK).and_then(|link| link.to_str().ok())
        && let Ok(link) = HeaderValue::from_str(&link.replacen(&store, "", 1))
    {
        parts.headers.insert(LINK, link);
    }
    parts.headers.remove(CONTENT_LENGTH);
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replacen(&store, "", 1);
    (parts, Bytes::from(text)).into_response()
}
