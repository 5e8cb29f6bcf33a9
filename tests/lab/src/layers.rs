//! ECR's bucket of layers in S3. It refuses requests without a signed URL, as S3 does.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::any;

use crate::pki::Authority;
use crate::{address, serve};

/// Listens until the lab ends.
pub async fn start(address: SocketAddr, authority: &Arc<Authority>) -> anyhow::Result<()> {
    let refusal = async || {
        let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/xml")], body)
    };
    let identity = authority.server(&[address::S3_LAYERS.0])?;
    serve::https(address, identity, Router::new().fallback(any(refusal))).await
}
