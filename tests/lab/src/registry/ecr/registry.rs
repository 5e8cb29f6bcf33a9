//! The account's registry host: the OCI distribution API with ECR's login and errors.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use super::access::{Principal, Refusal};
use super::api::no_repository;
use super::state::arn;
use super::{Service, push, upload};
use crate::address::ECR;
use crate::registry::image::INDEX;
use crate::registry::route::{Route, parameter, refuse};

/// Handles requests to the registry host.
pub async fn answer(State(service): State<Service>, request: Request) -> Response {
    let mut response = match service.access.login(request.headers()) {
        Ok(principal) => serve(&service, principal, request).await,
        Err(refusal) => login_refused(refusal),
    };
    response
        .headers_mut()
        .insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    response
}

fn login_refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Missing | Refusal::Unknown => {
            let challenge = format!("Basic realm=\"https://{}/\",service=\"ecr.amazonaws.com\"", ECR.0);
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)], "Not Authorized\n").into_response()
        }
        Refusal::Expired => refuse(
            StatusCode::FORBIDDEN,
            "DENIED",
            "Your authorization token has expired. Reauthenticate and try again.",
        ),
    }
}

async fn serve(service: &Service, principal: Principal, request: Request) -> Response {
    let Some(route) = Route::parse(request.uri().path()) else {
        return refuse(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such page");
    };
    let Some(name) = route.repository() else {
        return Json(json!({})).into_response();
    };
    let method = request.method().clone();
    let cancels = matches!(&route, Route::Upload { .. }) && method == Method::DELETE;
    let Some(action) = route.ecr_action(&method).or(cancels.then_some("InitiateLayerUpload")) else {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "The operation is unsupported.");
    };
    if let Err(message) = service.access.allow(principal, action, &arn(name)) {
        return refuse(StatusCode::FORBIDDEN, "DENIED", &message);
    }
    if !service.store.read(|state| state.repositories.contains_key(name)) {
        return refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN", &no_repository(name));
    }
    match &route {
        Route::Manifest { reference, .. } if method == Method::PUT => {
            push::put(service, name, reference, request).await
        }
        Route::Manifest { reference, .. } => manifest(service, name, reference, request).await,
        Route::Blob { digest, .. } => blob(service, name, digest, request).await,
        Route::Uploads { .. } => upload::open(service, name, request).await,
        Route::Upload { session, .. } => match method {
            Method::PATCH => upload::part(service, name, session, request).await,
            Method::PUT => upload::complete(service, name, session, request).await,
            _ => upload::cancel(service, name, session).await,
        },
        Route::Tags { .. } => tags(service, name, request.uri().query()),
        Route::Referrers { digest, .. } => referrers(service, name, digest),
        Route::Ping => Json(json!({})).into_response(),
    }
}

async fn manifest(service: &Service, name: &str, reference: &str, mut request: Request) -> Response {
    let found = service.store.read(|state| {
        let existing = state.repositories.get(name)?;
        let digest = existing.tags.get(reference).map_or(reference, String::as_str);
        let image = existing.images.get(digest).filter(|image| !image.archived)?;
        Some((digest.to_owned(), image.media_type.clone()))
    });
    let Some((digest, media_type)) = found else {
        return refuse(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "Requested image not found");
    };
    // Only the stored form is served, whatever the client accepts.
    if let Ok(accepted) = HeaderValue::from_str(&media_type) {
        request.headers_mut().insert(ACCEPT, accepted);
    }
    service.upstream.forward(request, &format!("/v2/{name}/manifests/{digest}")).await
}

async fn blob(service: &Service, name: &str, digest: &str, request: Request) -> Response {
    let existing = |repository: &super::state::Repository| repository.layers.contains_key(digest);
    if !service.store.read(|state| state.repositories.get(name).is_some_and(existing)) {
        return refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "Requested layer not found");
    }
    service.upstream.forward(request, &format!("/v2/{name}/blobs/{digest}")).await
}

fn tags(service: &Service, name: &str, query: Option<&str>) -> Response {
    let size = parameter(query, "n").and_then(|size| size.parse().ok()).unwrap_or(1000_usize);
    let last = parameter(query, "last").unwrap_or_default();
    let all: Vec<String> = service.store.read(|state| {
        let existing = state.repositories.get(name);
        existing
            .map(|existing| existing.tags.keys().filter(|tag| **tag > last).cloned().collect())
            .unwrap_or_default()
    });
    let shown = &all[..all.len().min(size)];
    let mut response = Json(json!({"name": name, "tags": shown})).into_response();
    if let Some(next) = shown.last().filter(|_| all.len() > size)
        && let Ok(link) =
            HeaderValue::from_str(&format!("</v2/{name}/tags/list?n={size}&last={next}>; rel=\"next\""))
    {
        response.headers_mut().insert("link", link);
    }
    response
}

fn referrers(service: &Service, name: &str, digest: &str) -> Response {
    let manifests = service.store.read(|state| {
        let images = state.repositories.get(name).map(|existing| existing.images.iter());
        let referring =
            images.into_iter().flatten().filter(|(_, image)| image.subject.as_deref() == Some(digest));
        referring
            .map(|(digest, image)| {
                json!({
                    "mediaType": image.media_type, "digest": digest, "size": image.manifest_size,
                    "artifactType": image.artifact_type,
                })
            })
            .collect::<Vec<_>>()
    });
    let index =
        Bytes::from(json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string());
    ([(CONTENT_TYPE, INDEX.to_owned()), (CONTENT_LENGTH, index.len().to_string())], index).into_response()
}
