//! The blob hosts: object stores, which require the signature in the URL and nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use rand::Rng as _;

use super::{Desk, Registry};
use crate::registry::route::url_pairs;
use crate::registry::upstream::hexadecimal;

/// The issued signed URLs: signature to the path of the blob upstream.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<String, String>>);

impl Tickets {
    /// A signed URL for a blob; it always contains the digest, so that fault rules can match it.
    pub fn issue(&self, registry: Registry, digest: &str, target: String) -> String {
        let signature = hexadecimal(&rand::rng().random::<[u8; 32]>());
        let host = registry.blob_host();
        let hexadecimal = digest.trim_start_matches("sha256:");
        let location = match registry {
            Registry::Artifact => format!(
                "https://{host}/artifacts-us-docker-pkg-dev/files/{digest}\
                 ?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Expires=3600&X-Goog-Signature={signature}"
            ),
            Registry::Ghcr => {
                format!(
                    "https://{host}/ghcr1/blobs/{digest}?se=2099-01-01T00%3A00%3A00Z&sp=r&sig={signature}"
                )
            }
            Registry::DockerHub => format!(
                "https://{host}/registry-v2/docker/registry/v2/blobs/sha256/{}/{hexadecimal}/data\
                 ?Expires=4070908800&Key-Pair-Id=LAB&Signature={signature}",
                hexadecimal.get(..2).unwrap_or_default()
            ),
            Registry::Nvidia => {
                format!("https://{host}/{digest}?Expires=4070908800&Key-Pair-Id=LAB&Signature={signature}")
            }
            // The bucket is public: the query serves only to find requests in the logs.
            Registry::Kubernetes => format!("https://{host}/containers/images/{digest}?rid={signature}"),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(signature, target);
        location
    }

    fn redeem(&self, query: &str) -> Option<String> {
        let tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        url_pairs(query).find_map(|(_, value)| tickets.get(&value).cloned())
    }
}

/// Handles requests to a blob host.
pub async fn stored(State(desk): State<Desk>, mut request: Request) -> Response {
    // S3 and Cloud Storage reject a request with two signatures: a client must drop its token at a redirect.
    if request.headers().contains_key(AUTHORIZATION) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "InvalidArgument",
            "Only one auth mechanism allowed; a signed query and an Authorization header were both given",
        );
    }
    let Some(target) = desk.world.tickets.redeem(request.uri().query().unwrap_or_default()) else {
        return refuse(
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            "The address is not signed by this store",
        );
    };
    request.headers_mut().remove("accept");
    let mut response = desk.world.upstream.forward(request, &target).await;
    // An object store sends none of the registry's headers.
    response.headers_mut().remove("docker-content-digest");
    response.headers_mut().remove("docker-distribution-api-version");
    response
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    (status, [(CONTENT_TYPE, "application/xml")], body).into_response()
}
