//! ECR's actions on images and layers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Service;
use super::api::{ApiError, page, read};
use super::state::{Repository, State};
use crate::address::ACCOUNT;

const BATCH: usize = 100;

/// An image by digest, tag or both.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identifier {
    #[serde(skip_serializing_if = "Option::is_none")]
    image_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    repository_name: String,
    image_ids: Option<Vec<Identifier>>,
    filter: Option<Filter>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    tag_status: Option<String>,
    image_status: Option<String>,
}

impl Filter {
    fn takes(filter: Option<&Self>, tagged: bool, archived: bool) -> bool {
        let is_tag_wanted = match filter.and_then(|filter| filter.tag_status.as_deref()) {
            Some("TAGGED") => tagged,
            Some("UNTAGGED") => !tagged,
            _ => true,
        };
        is_tag_wanted
            && match filter.and_then(|filter| filter.image_status.as_deref()) {
                Some("ARCHIVED") => archived,
                Some("ANY") => true,
                _ => !archived,
            }
    }
}

pub fn list(service: &Service, input: Value) -> Result<Value, ApiError> {
    let input: Selection = read(input)?;
    let items = service.store.read(|state| {
        let repository = find(state, &input.repository_name)?;
        let mut items = Vec::new();
        for (digest, image) in &repository.images {
            let tags = repository.tags_of(digest);
            if !Filter::takes(input.filter.as_ref(), !tags.is_empty(), image.archived) {
                continue;
            }
            if tags.is_empty() {
                items.push(json!({"imageDigest": digest}));
            }
            items.extend(tags.iter().map(|tag| json!({"imageDigest": digest, "imageTag": tag})));
        }
        Ok::<_, ApiError>(items)
    })?;
    page("imageIds", &items, input.next_token.as_deref(), input.max_results)
}

pub fn describe(service: &Service, input: Value) -> Result<Value, ApiError> {
    let input: Selection = read(input)?;
    let name = &input.repository_name;
    let details = service.store.read(|state| {
        let repository = find(state, name)?;
        let digests: BTreeSet<String> = match &input.image_ids {
            None => repository.images.keys().cloned().collect(),
            Some(identifiers) => identifiers
                .iter()
                .map(|identifier| {
                    resolve(repository, identifier).ok_or_else(|| {
                        let shown = |part: &Option<String>| part.clone().unwrap_or_else(|| "null".into());
                        let (digest, tag) = (shown(&identifier.image_digest), shown(&identifier.image_tag));
                        ApiError::new(
                            "ImageNotFoundException",
                            &format!(
                                "The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within the repository with name \
                                 '{name}' in the registry with id '{ACCOUNT}'"
                            ),
                        )
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        let mut details = Vec::new();
        for digest in &digests {
            let tags = repository.tags_of(digest);
            let archived = repository.images.get(digest).is_some_and(|image| image.archived);
            if Filter::takes(input.filter.as_ref(), !tags.is_empty(), archived) {
                details.push(detail(repository, name, digest, &tags));
            }
        }
        Ok::<_, ApiError>(details)
    })?;
    if input.image_ids.is_some() {
        return Ok(json!({"imageDetails": details}));
    }
    page("imageDetails", &details, input.next_token.as_deref(), input.max_results)
}

fn detail(repository: &Repository, name: &str, digest: &str, tags: &[&str]) -> Value {
    let image = repository.images.get(digest).cloned().unwrap_or_default();
    let mut detail = json!({
        "registryId": ACCOUNT, "repositoryName": name, "imageDigest": digest,
        "imageSizeInBytes": image.size, "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.media_type, "imageStatus": if image.archived { "ARCHIVED" } else { "ACTIVE" },
    });
    if !tags.is_empty() {
        detail["imageTags"] = json!(tags);
    }
    if let Some(artifact_type) = image.artifact_type {
        detail["artifactMediaType"] = Value::from(artifact_type);
    }
    if let Some(subject) = image.subject {
        detail["subjectManifestDigest"] = Value::from(subject);
    }
    detail
}

pub async fn batch_get(service: &Service, input: Value) -> Result<Value, ApiError> {
    let input: Selection = read(input)?;
    let name = &input.repository_name;
    let identifiers = limited(input.image_ids)?;
    let mut found = Vec::new();
    let mut failures = Vec::new();
    service.store.read(|state| {
        let repository = find(state, name)?;
        for identifier in identifiers {
            match resolve(repository, &identifier) {
                Some(digest) => {
                    let media_type = repository.images.get(&digest).map(|image| image.media_type.clone());
                    found.push((identifier, digest, media_type));
                }
                None => failures.push(failure(&identifier, "ImageNotFound", "Requested image not found")),
            }
        }
        Ok::<_, ApiError>(())
    })?;
    let mut images = Vec::new();
    for (identifier, digest, media_type) in found {
        let manifest = service.upstream.manifest(name, &digest).await?;
        let Some(manifest) = manifest else {
            return Err(anyhow::anyhow!("the content of {name}@{digest} is missing").into());
        };
        images.push(json!({
            "registryId": ACCOUNT, "repositoryName": name,
            "imageId": Identifier { image_digest: Some(digest), image_tag: identifier.image_tag },
            "imageManifest": String::from_utf8_lossy(&manifest.bytes),
            "imageManifestMediaType": media_type,
        }));
    }
    Ok(json!({"images": images, "failures": failures}))
}

pub fn batch_delete(service: &Service, input: Value) -> Result<Value, ApiError> {
    let input: Selection = read(input)?;
    let identifiers = limited(input.image_ids)?;
    service.store.change(|state| {
        let name = &input.repository_name;
        let repository = state.repositories.get_mut(name).ok_or_else(|| ApiError::no_repository(name))?;
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for identifier in identifiers {
            let Some(digest) = resolve(repository, &identifier) else {
                failures.push(failure(&identifier, "ImageNotFound", "Requested image not found"));
                continue;
            };
            let last = repository.tags_of(&digest).len() == 1;
            if let Some(tag) = &identifier.image_tag
                && !last
            {
                repository.tags.remove(tag);
                deleted.push(json!({"imageDigest": digest, "imageTag": tag}));
                continue;
            }
            // An image is deleted with its last tag (API reference).
            if repository.images.values().any(|image| image.children.contains(&digest)) {
                let reason = "Requested image referenced by manifest list";
                failures.push(failure(&identifier, "ImageReferencedByManifestList", reason));
                continue;
            }
            for tag in repository.tags_of(&digest) {
                deleted.push(json!({"imageDigest": digest, "imageTag": tag}));
            }
            if repository.tags_of(&digest).is_empty() {
                deleted.push(json!({"imageDigest": digest}));
            }
            repository.tags.retain(|_, existing| *existing != digest);
            repository.images.remove(&digest);
        }
        Ok(json!({"imageIds": deleted, "failures": failures}))
    })?
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layers {
    repository_name: String,
    layer_digests: Vec<String>,
}

pub fn batch_check_layers(service: &Service, input: Value) -> Result<Value, ApiError> {
    let Layers { repository_name, layer_digests } = read(input)?;
    if layer_digests.is_empty() || layer_digests.len() > BATCH {
        return Err(batch_error("layerDigests"));
    }
    service.store.read(|state| {
        let repository = find(state, &repository_name)?;
        let (mut layers, mut failures) = (Vec::new(), Vec::new());
        for digest in &layer_digests {
            if !digest.starts_with("sha256:") || digest.len() != 71 {
                failures.push(json!({
                    "layerDigest": digest, "failureCode": "InvalidLayerDigest",
                    "failureReason": "Invalid layer digest",
                }));
            } else if let Some(size) = repository.layers.get(digest) {
                layers.push(json!({
                    "layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": size,
                }));
            } else {
                layers.push(json!({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}));
            }
        }
        Ok(json!({"layers": layers, "failures": failures}))
    })
}

fn find<'a>(state: &'a State, name: &str) -> Result<&'a Repository, ApiError> {
    state.repositories.get(name).ok_or_else(|| ApiError::no_repository(name))
}

fn resolve(repository: &Repository, identifier: &Identifier) -> Option<String> {
    let by_tag = identifier.image_tag.as_ref().map(|tag| repository.tags.get(tag));
    let digest = match (by_tag, &identifier.image_digest) {
        (Some(existing), None) => existing?,
        (Some(existing), Some(wanted)) => existing.filter(|existing| *existing == wanted)?,
        (None, wanted) => wanted.as_ref()?,
    };
    repository.images.contains_key(digest).then(|| digest.clone())
}

fn limited(identifiers: Option<Vec<Identifier>>) -> Result<Vec<Identifier>, ApiError> {
    identifiers
        .filter(|identifiers| (1..=BATCH).contains(&identifiers.len()))
        .ok_or_else(|| batch_error("imageIds"))
}

fn batch_error(parameter: &str) -> ApiError {
    ApiError::invalid(&format!(
        "Invalid parameter at '{parameter}' failed to satisfy constraint: 'Member must have length between 1 and \
         {BATCH}'"
    ))
}

fn failure(identifier: &Identifier, code: &str, reason: &str) -> Value {
    json!({"imageId": identifier, "failureCode": code, "failureReason": reason})
}
