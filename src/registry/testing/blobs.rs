//! Blobs: uploads, mounts and reads.

use std::collections::HashMap;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use http::{HeaderMap, Method, StatusCode, header};

use super::{World, needed, unknown};
use crate::model::image::Digest;

pub(super) fn upload_blob(
    world: &mut World,
    method: &Method,
    repository: &str,
    upload: &str,
    query: &HashMap<String, String>,
    body: &[u8],
) -> Response {
    if world.ecr.as_ref().is_some_and(|repositories| !repositories.contains(repository)) {
        return unknown("NAME_UNKNOWN");
    }
    if *method == Method::POST {
        if let (Some(mount), Some(from), true) = (query.get("mount"), query.get("from"), world.mounting) {
            let digest: Digest = mount.parse().unwrap();
            let is_named = world
                .manifests
                .iter()
                .any(|((path, _), (_, bytes))| path == from && needed(bytes).contains(&digest));
            let is_there = world.blobs.contains(&(from.clone(), digest.clone()));
            if is_there && (is_named || world.ecr.is_none()) {
                world.blobs.insert((repository.to_owned(), digest));
                return StatusCode::CREATED.into_response();
            }
        }
        world.uploads += 1;
        let location = format!("/v2/{repository}/blobs/uploads/{}?state=x", world.uploads);
        return (StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response();
    }
    assert!(!upload.is_empty() && query["state"] == "x", "{upload}");
    let digest: Digest = query["digest"].parse().unwrap();
    if Digest::compute_with(digest.algorithm(), body) != digest {
        return (StatusCode::BAD_REQUEST, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#).into_response();
    }
    world.archived.remove(&(repository.to_owned(), digest.clone()));
    world.add_blob_with(digest.algorithm(), repository, body);
    StatusCode::CREATED.into_response()
}

pub(super) fn blob(world: &mut World, digest: &Digest, headers: &HeaderMap) -> Response {
    let mut bytes = world.contents[digest].clone();
    if world.corrupt.contains(digest) {
        bytes = bytes.iter().map(|byte| byte ^ 1).collect();
    }
    let resize = world.resized.get(digest).copied();
    if let Some(resize) = resize {
        bytes =
            [&bytes[..bytes.len().min(resize.length)], &vec![0; resize.length.saturating_sub(bytes.len())]]
                .concat()
                .into();
    }
    let total = bytes.len();
    let range = headers.get(header::RANGE).filter(|_| resize.is_none_or(|resize| resize.honours_range));
    let range = range.map(|range| range.to_str().unwrap());
    let start: usize =
        range.map_or(0, |range| range["bytes=".len()..].split('-').next().unwrap().parse().unwrap());
    if range.is_some() && start >= total {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let rest = bytes.slice(start..);
    let status = if start > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let answer = Response::builder()
        .status(status)
        .header(header::CONTENT_LENGTH, rest.len())
        .header(header::CONTENT_RANGE, format!("bytes {start}-{}/{total}", total.saturating_sub(1)));
    if world.cuts > 0 {
        world.cuts -= 1;
        let half = rest.slice(..rest.len() / 2);
        let parts = stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
        return answer.body(Body::from_stream(parts)).unwrap();
    }
    if resize.is_some_and(|resize| !resize.states_length) {
        let parts = stream::iter([Ok::<_, std::io::Error>(rest)]);
        return (status, Body::from_stream(parts)).into_response();
    }
    answer.body(Body::from(rest)).unwrap()
}
