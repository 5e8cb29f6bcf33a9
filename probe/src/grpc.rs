//! gRPC: does a server respond to a call over HTTP/2? The probe calls the standard health check; a server without it
//! responds with UNIMPLEMENTED, which proves the connection as well.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::exchange::{self, Failure, Response};

/// An uncompressed empty message (gRPC over HTTP/2, "Length-Prefixed-Message").
const EMPTY_MESSAGE: [u8; 5] = [0; 5];

/// The response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    pub http_status: u16,
    /// Absent if the server does not speak gRPC.
    pub grpc_status: Option<u32>,
}

/// Why there was no response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Problem {
    /// The server did not agree on HTTP/2, but on this protocol.
    NoHttp2(Option<String>),
    Failed(Failure),
}

/// Calls the health check.
///
/// # Errors
/// No HTTP/2, or no response within `timeout`.
pub async fn call(
    stream: TlsStream<TcpStream>,
    host: &str,
    user_agent: &str,
    timeout: Duration,
) -> Result<Reply, Problem> {
    let agreed = stream.get_ref().1.alpn_protocol();
    if agreed != Some(b"h2") {
        return Err(Problem::NoHttp2(agreed.map(|protocol| String::from_utf8_lossy(protocol).into_owned())));
    }
    let request = Request::post(format!("https://{host}/grpc.health.v1.Health/Check"))
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .header(http::header::USER_AGENT, user_agent)
        .body(())
        .map_err(|error| Problem::Failed(Failure::Broken(error.to_string())))?;
    let body = Some(Bytes::from_static(&EMPTY_MESSAGE));
    exchange::http2(stream, request, body, timeout)
        .await
        .map(|response| reply_of(&response))
        .map_err(Problem::Failed)
}

/// The status is in the trailers, or in the headers if there is no message.
fn reply_of(response: &Response) -> Reply {
    let grpc_status = [&response.trailers, &response.headers]
        .into_iter()
        .find_map(|headers| headers.get("grpc-status"))
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    Reply { http_status: response.status.as_u16(), grpc_status }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    #[test]
    fn the_status_is_found_in_trailers_or_headers() {
        let status = |value| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", HeaderValue::from_static(value));
            headers
        };
        let response = |headers, trailers| Response { status: StatusCode::OK, headers, trailers };
        let cases = [
            (response(HeaderMap::new(), status("0")), Some(0)),
            (response(status("12"), HeaderMap::new()), Some(12)),
            (response(status("nonsense"), HeaderMap::new()), None),
            (response(HeaderMap::new(), HeaderMap::new()), None),
        ];
        for (response, expected) in cases {
            assert_eq!(reply_of(&response).grpc_status, expected);
        }
    }
}
