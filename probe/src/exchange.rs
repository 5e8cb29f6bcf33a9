//! A request over HTTP/2 on an open connection.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The parts of the response that identify the server.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
}

/// Why there was no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    #[error("timed out")]
    TimedOut,
    #[error("{0}")]
    Broken(String),
}

/// Larger than any expected response, so that a server cannot keep the probe reading.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Sends a request and reads the whole response.
///
/// # Errors
/// No response within `timeout`, or a connection that breaks.
pub async fn http2(
    stream: TlsStream<TcpStream>,
    request: Request<()>,
    body: Option<Bytes>,
    timeout: Duration,
) -> Result<Response, Failure> {
    let broken = |error: h2::Error| Failure::Broken(error.to_string());
    // HTTP/2's state is large, and several of these futures run concurrently.
    let exchange = Box::pin(async {
        let (sender, connection) = h2::client::handshake(stream).await.map_err(broken)?;
        tokio::select! {
            response = ask(sender, request, body) => response.map_err(broken),
            ended = connection => match ended {
                Err(error) => Err(broken(error)),
                Ok(()) => Err(Failure::Broken("the server closed the connection".to_owned())),
            },
        }
    });
    tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(Failure::TimedOut))
}

async fn ask(
    sender: h2::client::SendRequest<Bytes>,
    request: Request<()>,
    body: Option<Bytes>,
) -> Result<Response, h2::Error> {
    let mut sender = sender.ready().await?;
    let (response, mut upload) = sender.send_request(request, body.is_none())?;
    if let Some(body) = body {
        upload.send_data(body, true)?;
    }
    let (parts, mut download) = response.await?.into_parts();
    let mut received = 0;
    while let Some(chunk) = download.data().await {
        let length = chunk?.len();
        download.flow_control().release_capacity(length)?;
        received += length;
        if received > MAX_BODY_BYTES {
            break;
        }
    }
    let trailers = if received > MAX_BODY_BYTES { None } else { download.trailers().await? };
    Ok(Response { status: parts.status, headers: parts.headers, trailers: trailers.unwrap_or_default() })
}
