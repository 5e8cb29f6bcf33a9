//! What is particular about nvcr.io: two token services, of which only one knows strangers.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use crate::address;
use crate::registry::route::refuse;

/// What nvcr.io answers to a token that has ended: it points to the login for accounts and no longer to its own token
/// service (NVIDIA/nvidia-container-toolkit issue 1945).
pub fn challenge_of_an_ended_token(repository: Option<&str>) -> String {
    let scope = repository.map(|repository| format!(",scope=\"repository:{repository}:pull\""));
    format!(
        "Bearer realm=\"https://{}/token\",service=\"registry\"{},error=\"invalid_token\"",
        address::NVCR_LOGIN.0,
        scope.unwrap_or_default()
    )
}

/// The login for accounts, as a client without one meets it.
pub async fn login(_: Request) -> Response {
    refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
}
