//! HTTPS: does a server respond with a status?

use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::exchange::{self, Failure};

/// Requests `/` over the negotiated protocol, and reads the status.
///
/// # Errors
/// No response within `timeout`, or one that is not HTTP.
pub(crate) async fn get(
    stream: TlsStream<TcpStream>,
    host: &str,
    user_agent: &str,
    timeout: Duration,
) -> Result<u16, Failure> {
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let request = Request::get(format!("https://{host}/"))
            .header(http::header::USER_AGENT, user_agent)
            .body(())
            .map_err(|error| Failure::Broken(error.to_string()))?;
        let response = exchange::http2(stream, request, None, timeout).await?;
        return Ok(response.status.as_u16());
    }
    tokio::time::timeout(timeout, ask_http1(stream, host, user_agent)).await.unwrap_or(Err(Failure::TimedOut))
}

async fn ask_http1(mut stream: TlsStream<TcpStream>, host: &str, user_agent: &str) -> Result<u16, Failure> {
    let broken = |error: std::io::Error| Failure::Broken(error.to_string());
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {user_agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut start = Vec::new();
    // Only `HTTP/1.1 200` is needed.
    while start.len() < 12 {
        if stream.read_buf(&mut start).await.map_err(broken)? == 0 {
            break;
        }
    }
    read_status(&start).ok_or_else(|| Failure::Broken("the response is not HTTP".to_owned()))
}

/// The status code in the first bytes of an HTTP/1 response.
fn read_status(start: &[u8]) -> Option<u16> {
    let rest = start.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
    digits.parse().ok().filter(|status| (100..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_from_the_first_bytes() {
        let cases: [(&[u8], Option<u16>); 6] = [
            (b"HTTP/1.1 401 Unauthorized\r\n", Some(401)),
            (b"HTTP/1.0 200", Some(200)),
            (b"HTTP/1.1 99", None),
            (b"HTTP/1.1 abc", None),
            (b"SSH-2.0-OpenSSH", None),
            (b"", None),
        ];
        for (start, expected) in cases {
            assert_eq!(read_status(start), expected, "{start:?}");
        }
    }
}
