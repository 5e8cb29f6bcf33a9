//! A front server for kube-apiserver, like those of the registries: it counts requests and applies fault rules.
//!
//! Only clients that use it with `--server` pass through it, in plain HTTP and with the administrator's permissions, as
//! with `kubectl proxy`.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};

use crate::registry::front::Front;
use crate::serve;

/// Largest request that kube-apiserver accepts, in bytes.
const LARGEST: usize = 3 * 1024 * 1024;

/// Runs the front server on `address` until the lab ends, and returns its control routes.
pub async fn start(address: SocketAddr, client: kube::Client) -> anyhow::Result<Router> {
    let front = Front::default();
    let router = Router::new().fallback(forward).with_state(client);
    serve::http(address, front.guard("kube-apiserver", |_| None, router)).await?;
    Ok(front.control())
}

async fn forward(State(client): State<kube::Client>, request: Request) -> Response {
    let answer = async {
        let (mut parts, body) = request.into_parts();
        for name in [HOST, AUTHORIZATION, CONTENT_LENGTH] {
            parts.headers.remove(name);
        }
        let body = to_bytes(body, LARGEST).await?;
        anyhow::Ok(client.send(Request::from_parts(parts, body.into())).await?.map(Body::new))
    };
    answer.await.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}
