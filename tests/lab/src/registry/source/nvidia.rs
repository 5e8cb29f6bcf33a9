//! The special behaviour of nvcr.io: two token services, of which only one issues anonymous tokens.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use crate::address;
use crate::registry::route::refuse;

/// The response of nvcr.io to an expired token: the challenge names the token service for accounts instead of the
/// anonymous one (NVIDIA/nvidia-container-toolkit issue 1945).
pub fn challenge_of_an_ended_token(repository: Option<&str>) -> String {
    let scope = repository.map(|repository| format!(",scope=\"repository:{repository}:pull\""));
    format!(
        "Bearer realm=\"https://{}/token\",service=\"registry\"{},error=\"invalid_token\"",
        address::NVCR_LOGIN.0,
        scope.unwrap_or_default()
    )
}

/// The token service for accounts, for a client without one.
pub async fn login(_: Request) -> Response {
    refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
}
