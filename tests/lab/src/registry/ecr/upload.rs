//! Uploads of layers: sessions, parts, and blobs mounted from another repository.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, LOCATION, RANGE};
use http::{Method, StatusCode};

use super::Service;
use crate::address::{ACCOUNT, ECR};
use crate::registry::route::{parameter, refuse};
use crate::registry::upstream::{digest_of, header};

/// The open uploads, by the id that the client has.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Session>>);

#[derive(Clone)]
struct Session {
    repository: String,
    /// The URL at which distribution expects the next part.
    target: String,
    /// The range of the first part: ECR always returns this one (aws/containers-roadmap#2831).
    first_range: Option<String>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, repository: &str, id: &str) -> Option<Session> {
        self.lock().get(id).filter(|session| session.repository == repository).cloned()
    }
}

/// `POST /v2/<repository>/blobs/uploads/`: mounts a blob if that is allowed, else opens a session.
pub async fn open(service: &Service, repository: &str, request: Request) -> Response {
    let query = request.uri().query();
    if let (Some(digest), Some(from)) = (parameter(query, "mount"), parameter(query, "from"))
        && let Some(size) = mountable(service, &from, &digest)
    {
        let target = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
        let mounted = service.upstream.ask(Method::POST, &target).await;
        if mounted.is_ok_and(|answer| answer.status() == StatusCode::CREATED) {
            return stored(service, repository, &digest, size);
        }
    }
    let opened = service.upstream.ask(Method::POST, &format!("/v2/{repository}/blobs/uploads/")).await;
    let target = opened.map(|answer| header(answer.headers(), LOCATION.as_str())).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let Some(id) = path.rsplit('/').next().filter(|id| !id.is_empty()).map(str::to_owned) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "distribution opened no upload");
    };
    let session = Session { repository: repository.into(), target, first_range: None };
    service.sessions.lock().insert(id.clone(), session);
    let headers =
        [("location", location(repository, &id)), ("docker-upload-uuid", id), ("range", "0-0".into())];
    (StatusCode::ACCEPTED, headers).into_response()
}

/// ECR mounts only if the account setting allows it, and only blobs to which a manifest in the other repository refers
/// (aws/containers-roadmap#2860).
fn mountable(service: &Service, from: &str, digest: &str) -> Option<u64> {
    service.store.read(|state| {
        let existing = state.repositories.get(from).filter(|_| state.blob_mounting)?;
        let referenced = existing.images.values().any(|image| image.blobs.contains(digest));
        existing.layers.get(digest).copied().filter(|_| referenced)
    })
}

/// `PATCH`: a part. ECR responds with 201, the specification requires 202.
pub async fn part(service: &Service, repository: &str, id: &str, request: Request) -> Response {
    let Some(session) = service.sessions.find(repository, id) else {
        return unknown(repository, id);
    };
    let answer = service.upstream.forward(request, &session.target).await;
    if answer.status() != StatusCode::ACCEPTED {
        return answer;
    }
    let reached = header(answer.headers(), RANGE.as_str());
    let range = session.first_range.unwrap_or(reached);
    let target = header(answer.headers(), LOCATION.as_str());
    let session = Session { target, first_range: Some(range.clone()), repository: repository.into() };
    service.sessions.lock().insert(id.into(), session);
    let headers =
        [("location", location(repository, id)), ("docker-upload-uuid", id.into()), ("range", range)];
    (StatusCode::CREATED, headers).into_response()
}

/// `PUT …?digest=`: the last or only part.
pub async fn complete(service: &Service, repository: &str, id: &str, request: Request) -> Response {
    let Some(session) = service.sessions.find(repository, id) else {
        return unknown(repository, id);
    };
    let Some(digest) = parameter(request.uri().query(), "digest") else {
        return refuse(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest is missing");
    };
    let empty = header(request.headers(), CONTENT_LENGTH.as_str()) == "0" && session.first_range.is_none();
    if empty || digest == digest_of(b"") {
        let message = format!(
            "The upload with id '{id}' in the repository with name '{repository}' in registry with id '{ACCOUNT}' \
             cannot be completed because it does not have any parts."
        );
        return refuse(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", &message);
    }
    let separator = if session.target.contains('?') { '&' } else { '?' };
    let target = format!("{}{separator}digest={digest}", session.target);
    let answer = service.upstream.forward(request, &target).await;
    if answer.status() != StatusCode::CREATED {
        return answer;
    }
    service.sessions.lock().remove(id);
    let size = match service.upstream.head(&format!("/v2/{repository}/blobs/{digest}")).await {
        Ok(Some(headers)) => header(&headers, CONTENT_LENGTH.as_str()).parse().unwrap_or_default(),
        _ => 0,
    };
    stored(service, repository, &digest, size)
}

/// Closes a session.
pub async fn cancel(service: &Service, repository: &str, id: &str) -> Response {
    let Some(session) = service.sessions.find(repository, id) else {
        return unknown(repository, id);
    };
    service.sessions.lock().remove(id);
    match service.upstream.ask(Method::DELETE, &session.target).await {
        Ok(answer) => answer.map(|_| Body::empty()),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, "UNKNOWN", &format!("{error:#}")),
    }
}

fn stored(service: &Service, repository: &str, digest: &str, size: u64) -> Response {
    let kept = service.store.change(|state| {
        state.repositories.get_mut(repository).map(|existing| existing.layers.insert(digest.into(), size))
    });
    if let Err(error) = kept {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", &format!("{error:#}"));
    }
    let location = format!("https://{}/v2/{repository}/blobs/{digest}", ECR.0);
    let headers = [("location", location), ("docker-content-digest", digest.to_owned())];
    (StatusCode::CREATED, headers).into_response()
}

fn location(repository: &str, id: &str) -> String {
    format!("https://{}/v2/{repository}/blobs/uploads/{id}", ECR.0)
}

fn unknown(repository: &str, id: &str) -> Response {
    let message = format!(
        "The upload with id '{id}' in the repository with name '{repository}' in the registry with id '{ACCOUNT}' \
         does not exist"
    );
    refuse(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", &message)
}
