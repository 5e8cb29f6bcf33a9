//! `PutImage`: the rules that ECR applies before it stores a manifest.

use std::collections::BTreeSet;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::Service;
use super::lint::{Rules, objection};
use super::state::{Image, Repository, now};
use crate::address::ACCOUNT;
use crate::registry::image::{DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX};
use crate::registry::route::{is_digest, refuse};
use crate::registry::upstream::{digest_of, header};

/// The largest manifest (API model of ECR).
const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;
const INVALID_JSON: &str =
    "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'";

/// Handles `PUT /v2/<repository>/manifests/<reference>`; the repository exists.
pub async fn put(service: &Service, repository: &str, reference: &str, request: Request) -> Response {
    if !service.pace.admit() {
        return refuse(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "Rate exceeded");
    }
    let media_type = header(request.headers(), CONTENT_TYPE.as_str());
    let Ok(bytes) = axum::body::to_bytes(request.into_body(), MANIFEST_LIMIT).await else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "MANIFEST_INVALID",
            "the manifest is too large or was cut short",
        );
    };
    let digest = digest_of(&bytes);
    if is_digest(reference) && reference != digest {
        let message = format!("The provided digest '{reference}' does not match the manifest's '{digest}'");
        return refuse(StatusCode::BAD_REQUEST, "DIGEST_INVALID", &message);
    }
    let Some((media_type, manifest)) = read(&media_type, &bytes) else {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", INVALID_JSON);
    };
    let rules = service.rules.get();
    let is_refused = rules != Rules::None && objection(&manifest).is_some();
    if is_refused && rules == Rules::Strict {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", INVALID_JSON);
    }
    let tag = (!is_digest(reference)).then_some(reference);
    let refused = service.store.read(|state| {
        state.repositories.get(repository).and_then(|existing| refusal(existing, repository, tag, &manifest))
    });
    if let Some((status, code, message)) = refused {
        return refuse(status, code, &message);
    }
    if is_refused {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", INVALID_JSON);
    }
    match service.keep(repository, tag, &media_type, bytes).await {
        // ECR sends no Location header here, which clients must accept.
        Ok(()) => (StatusCode::CREATED, [("docker-content-digest", digest)]).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", &format!("{error:#}")),
    }
}

/// The media type and the JSON of a valid manifest.
fn read(content_type: &str, bytes: &[u8]) -> Option<(String, Value)> {
    let manifest: Value = serde_json::from_slice(bytes).ok()?;
    let media_type = manifest["mediaType"].as_str().unwrap_or(content_type).to_owned();
    let known = [INDEX, IMAGE, DOCKER_LIST, DOCKER_IMAGE].contains(&media_type.as_str());
    let agrees = content_type.is_empty() || content_type == media_type;
    (manifest["schemaVersion"] == 2 && known && agrees).then_some((media_type, manifest))
}

fn refusal(
    existing: &Repository,
    name: &str,
    tag: Option<&str>,
    manifest: &Value,
) -> Option<(StatusCode, &'static str, String)> {
    if let Some(tag) = tag
        && existing.tags.contains_key(tag)
        && existing.is_immutable(tag)
    {
        // Even if the digest is the same (aws/containers-roadmap#2179).
        let message = format!(
            "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because \
             the repository is immutable."
        );
        return Some((StatusCode::BAD_REQUEST, "TAG_INVALID", message));
    }
    let image = describe("", manifest, 0);
    let missing = |wanted: &BTreeSet<String>, there: &dyn Fn(&String) -> bool| {
        wanted.iter().filter(|digest| !there(digest)).cloned().collect::<Vec<_>>().join(", ")
    };
    let layers = missing(&image.blobs, &|digest| existing.layers.contains_key(digest));
    let children = missing(&image.children, &|digest| existing.images.contains_key(digest));
    for (kind, code, digests) in
        [("Images", "MANIFEST_BLOB_UNKNOWN", children), ("Layers", "BLOB_UNKNOWN", layers)]
    {
        if !digests.is_empty() {
            let message = format!(
                "{kind} with digests '[{digests}]' required for pushing image into repository with name '{name}' \
                 in the registry with id '{ACCOUNT}' do not exist"
            );
            return Some((StatusCode::NOT_FOUND, code, message));
        }
    }
    None
}

/// The stored properties of a manifest.
fn describe(media_type: &str, manifest: &Value, manifest_size: u64) -> Image {
    let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
    let digest = |descriptor: &Value| descriptor["digest"].as_str().map(str::to_owned);
    let config = &manifest["config"];
    let artifact_type = manifest["artifactType"].as_str().or(config["mediaType"].as_str());
    Image {
        media_type: media_type.into(),
        artifact_type: artifact_type.map(str::to_owned),
        manifest_size,
        size: list("layers").iter().filter_map(|layer| layer["size"].as_u64()).sum(),
        pushed_at: now(),
        blobs: list("layers").iter().chain([config]).filter_map(digest).collect(),
        children: list("manifests").iter().filter_map(digest).collect(),
        subject: digest(&manifest["subject"]),
        archived: false,
    }
}

impl Service {
    /// Stores a manifest, with a tag if there is one.
    pub(super) async fn keep(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: Bytes,
    ) -> anyhow::Result<()> {
        let digest = digest_of(&bytes);
        let manifest: Value = serde_json::from_slice(&bytes)?;
        let mut image = describe(media_type, &manifest, bytes.len() as u64);
        self.upstream.push_manifest(repository, &digest, media_type, bytes).await?;
        self.store.change(|state| {
            let Some(existing) = state.repositories.get_mut(repository) else {
                return;
            };
            let largest =
                image.children.iter().filter_map(|child| existing.images.get(child)).map(|child| child.size);
            image.size = image.size.max(largest.max().unwrap_or_default());
            if let Some(tag) = tag {
                existing.tags.insert(tag.into(), digest.clone());
            }
            existing.images.entry(digest).or_insert(image).archived = false;
        })
    }
}
