//! A blocking client of the lab's control API.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

const LIMIT: Duration = Duration::from_mins(5);

/// Uses HTTP/1.0 over the lab's socket: one request per connection, which ends with the response.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

impl Control {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let body = self.send("GET", path, &[])?;
        serde_json::from_slice(&body).with_context(|| format!("reading the response to GET {path}"))
    }

    /// Sends `body` as JSON and returns the body of the response.
    pub fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Vec<u8>> {
        self.send("POST", path, &serde_json::to_vec(body)?)
    }

    /// Sends `body` as JSON and returns the body of the response.
    pub fn put(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Vec<u8>> {
        self.send("PUT", path, &serde_json::to_vec(body)?)
    }

    pub fn delete(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        self.send("DELETE", path, &[])
    }

    fn send(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let call = || format!("{method} {path} on the lab's control socket");
        let mut stream = UnixStream::connect(&self.socket).with_context(call)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: lab\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // In one write: a route that needs no body may respond and close before it has read one.
        stream.write_all(&[head.as_bytes(), body].concat()).with_context(call)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(call)?;
        let (status, body) = parse(&answer).with_context(call)?;
        if !(200..300).contains(&status) {
            bail!("{}: status {status}: {}", call(), String::from_utf8_lossy(body).trim());
        }
        Ok(body.to_vec())
    }
}

/// Status and body of a response.
fn parse(answer: &[u8]) -> anyhow::Result<(u16, &[u8])> {
    let end = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .context("the response has no end of headers")?;
    let head = std::str::from_utf8(&answer[..end])?;
    let status = head.split(' ').nth(1).context("the response has no status")?.parse()?;
    Ok((status, &answer[end + 4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_separated() {
        let (status, body) = parse(b"HTTP/1.0 404 Not Found\r\na: b\r\n\r\nno\r\n\r\n").unwrap();
        assert_eq!((status, body), (404, &b"no\r\n\r\n"[..]));
        assert!(parse(b"HTTP/1.0 200 OK\r\n").is_err());
    }
}
