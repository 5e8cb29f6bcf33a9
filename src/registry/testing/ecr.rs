//! ECR's own API, as far as the plugin uses it.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::World;
use crate::model::image::Digest;

/// Answers one request.
pub(super) fn ecr(world: &mut World, action: &str, body: &[u8]) -> Response {
    let input: Value = serde_json::from_slice(body).unwrap();
    let repository = input["repositoryName"].as_str().unwrap_or_default().to_owned();
    let exists = world.ecr.as_ref().unwrap().contains(&repository);
    let error = |code: &str| {
        let body = json!({"__type": code, "message": "from the test"});
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    };
    let answer = match action {
        "GetAuthorizationToken" => json!({"authorizationData": [{
            "authorizationToken": format!("ecr{}", world.token), "expiresAt": 4_000_000_000_u64,
        }]}),
        "GetAccountSetting" => {
            let value = if world.mounting { "ENABLED" } else { "DISABLED" };
            json!({"name": "BLOB_MOUNTING", "value": value})
        }
        "CreateRepository" => {
            world.ecr.as_mut().unwrap().insert(repository);
            json!({})
        }
        _ if !exists => return error("RepositoryNotFoundException"),
        "ListImages" => {
            let wants_archived = input["filter"]["imageStatus"] == "ARCHIVED";
            let is_listed = |digest: &Digest| {
                world.archived.contains(&(repository.clone(), digest.clone())) == wants_archived
            };
            let tagged =
                world.tags.iter().filter(|((path, _), digest)| *path == repository && is_listed(digest));
            let tagged = tagged.map(|((_, tag), digest)| json!({"imageTag": tag, "imageDigest": digest}));
            let all =
                world.manifests.keys().filter(|(path, digest)| *path == repository && is_listed(digest));
            let all = all.map(|(_, digest)| json!({"imageDigest": digest}));
            json!({"imageIds": tagged.chain(all).collect::<Vec<_>>()})
        }
        "BatchCheckLayerAvailability" => {
            let input = input["layerDigests"].as_array().unwrap().iter();
            let layers = input.map(|layer| {
                let place = (repository.clone(), layer.as_str().unwrap().parse().unwrap());
                let state = match world.blobs.contains(&place) {
                    true if world.archived.contains(&place) => "ARCHIVED",
                    true => "AVAILABLE",
                    false => "UNAVAILABLE",
                };
                json!({"layerDigest": layer, "layerAvailability": state})
            });
            json!({"layers": layers.collect::<Vec<_>>()})
        }
        _ => return error("UnknownOperationException"),
    };
    axum::Json(answer).into_response()
}
