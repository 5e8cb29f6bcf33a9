//! One HTTP exchange: attempts, redirects, timeouts and counters, the same for every kind of request.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use reqwest::{Response, Url};

use crate::event::Event;
use crate::registry::client::Client;
use crate::registry::request::{BodyMode, BodyProgress, OnceBody, RegistryResponse, Request, is_moved};
use crate::registry::retry::Retries;
use crate::registry::{Cause, Error, Repository};
use crate::transport::request_log::Sent;

/// Maximum number of consecutive redirects.
pub(super) const MAX_REDIRECTS: usize = 4;

/// Maximum bytes to read of an error response.
pub(super) const MAX_EXPLANATION_BYTES: usize = 64 * 1024;

/// How long a request may wait for a response before the user learns of it.
const SILENCE: Duration = Duration::from_secs(5);

impl Client<'_> {
    /// Retries until the response is final.
    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<RegistryResponse, Error> {
        let mut retries = Retries::new(&self.settings);
        loop {
            let result = self.attempt(request, authorization, None).await;
            let (host, reason, delay) = match &result {
                Ok(response) => (
                    host_of(&response.url),
                    format!("status {}", response.status.as_u16()),
                    retries.after_status(response.status, &response.headers),
                ),
                Err(Error::Unreachable { host, cause, .. }) => {
                    (host.clone(), cause.to_string(), retries.after_cause(cause))
                }
                Err(_) => return result,
            };
            match delay {
                Some(delay) => self.pause(&host, &reason, delay).await,
                None => return result,
            }
        }
    }

    /// One attempt, including redirects.
    pub(super) async fn attempt(
        &self,
        request: &Request<'_>,
        authorization: Option<&HeaderValue>,
        mut once: Option<OnceBody>,
    ) -> Result<RegistryResponse, Error> {
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut builder =
                self.http.request(request.method.clone(), url.clone()).headers(request.headers.clone());
            // Credentials are only sent to the host that they belong to.
            if let Some(authorization) = authorization.filter(|_| url.origin() == request.url.origin()) {
                builder = builder.header(header::AUTHORIZATION, authorization.clone());
            }
            let counters = self.traffic.counters(&host_of(&url));
            counters.request();
            let mut progress = None;
            let is_sent_once = once.is_some();
            if let Some(once) = once.take() {
                builder = builder.body(once.body);
                progress = Some(once.progress);
            } else if !request.body.is_empty() {
                counters.sent(request.body.len());
                builder = builder.body(request.body.clone());
            }
            // The query may contain a signature.
            let sent = Sent::now(&request.method, without_query(&url));
            let response = self.head_of(builder, progress.as_deref(), &url).await;
            match &response {
                Ok(response) => sent.ended(response.status()),
                Err(cause) => sent.ended(cause),
            }
            if let Some(progress) = progress {
                let sent = progress.sent.load(Ordering::Relaxed);
                counters.sent(usize::try_from(sent).unwrap_or(usize::MAX));
            }
            let response = response.map_err(|cause| self.unreachable(&url, cause))?;
            let status = response.status();
            if is_moved(status) || (status.is_redirection() && is_read(&request.method)) {
                let target = redirected(&url, &response, request.repository)?;
                if is_sent_once {
                    let (headers, body) = (response.headers().clone(), Bytes::new());
                    return Ok(RegistryResponse { status, headers, url: target, body, stream: None });
                }
                // The body of such a request contains an identity token.
                if request.method == Method::POST
                    && !request.body.is_empty()
                    && target.origin() != request.url.origin()
                {
                    return Err(Error::InvalidAnswer {
                        repository: request.repository.clone(),
                        what: "a login that is redirected to another host".to_owned(),
                    });
                }
                url = target;
                continue;
            }
            return self.read_response(request, response, url).await;
        }
        Err(Error::InvalidAnswer {
            repository: request.repository.clone(),
            what: "too many redirects".to_owned(),
        })
    }

    /// Waits for the response headers as long as there is progress.
    async fn head_of(
        &self,
        builder: reqwest::RequestBuilder,
        progress: Option<&BodyProgress>,
        url: &Url,
    ) -> Result<Response, Cause> {
        let mut sending = std::pin::pin!(builder.send());
        let mut seen = 0;
        if progress.is_none() && self.settings.idle_timeout > SILENCE {
            match tokio::time::timeout(SILENCE, &mut sending).await {
                Ok(result) => return result.map_err(Cause::classify),
                Err(_) => (self.observer)(Event::Silent { host: host_of(url), seconds: SILENCE.as_secs() }),
            }
            let rest = self.settings.idle_timeout.saturating_sub(SILENCE);
            let answered = tokio::time::timeout(rest, sending).await;
            return answered.map_err(|_| Cause::Timeout)?.map_err(Cause::classify);
        }
        loop {
            let answered = tokio::time::timeout(self.settings.idle_timeout, &mut sending).await;
            if let Ok(result) = answered {
                return result.map_err(Cause::classify);
            }
            let progress = progress.ok_or(Cause::Timeout)?;
            let sent = progress.sent.load(Ordering::Relaxed);
            if sent == seen && !progress.is_waiting.load(Ordering::Relaxed) {
                return Err(Cause::Timeout);
            }
            seen = sent;
        }
    }

    async fn read_response(
        &self,
        request: &Request<'_>,
        mut response: Response,
        url: Url,
    ) -> Result<RegistryResponse, Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let limit = match request.body_mode {
            BodyMode::Stream if status.is_success() => {
                let body = Bytes::new();
                return Ok(RegistryResponse { status, headers, url, body, stream: Some(response) });
            }
            BodyMode::Whole(limit) if status.is_success() => limit,
            _ => MAX_EXPLANATION_BYTES,
        };
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response, &url).await? {
            if body.len() + chunk.len() > limit {
                if status.is_success() {
                    return Err(Error::InvalidAnswer {
                        repository: request.repository.clone(),
                        what: format!("more than {limit} bytes for {}", request.object),
                    });
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RegistryResponse { status, headers, url, body: body.into(), stream: None })
    }

    /// The next part of a response's body.
    pub(super) async fn chunk(&self, response: &mut Response, url: &Url) -> Result<Option<Bytes>, Error> {
        let chunk = tokio::time::timeout(self.settings.idle_timeout, response.chunk()).await;
        let chunk = chunk
            .map_err(|_| Cause::Timeout)
            .and_then(|chunk| chunk.map_err(Cause::classify))
            .map_err(|cause| self.unreachable(url, cause))?;
        if let Some(chunk) = &chunk {
            self.traffic.counters(&host_of(url)).received(chunk.len());
        }
        Ok(chunk)
    }

    pub(super) fn unreachable(&self, url: &Url, cause: Cause) -> Error {
        let uri = url.as_str().parse().ok();
        let proxy = uri.and_then(|uri| self.proxies.intercept(&uri)).and_then(|proxy| proxy.address());
        Error::Unreachable { host: host_of(url), proxy, cause }
    }
}

/// The target of a redirect. A redirect from https to http is an error.
fn redirected(url: &Url, response: &Response, repository: &Repository) -> Result<Url, Error> {
    let location = response.headers().get(header::LOCATION);
    location_from(url, location).ok_or_else(|| Error::InvalidAnswer {
        repository: repository.clone(),
        what: "an invalid redirect, or one that downgrades from https to http".to_owned(),
    })
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Host and port as written; never the query, which may contain a signature.
pub(super) fn host_of(url: &Url) -> String {
    url.authority().rsplit('@').next().unwrap_or_default().to_owned()
}

fn without_query(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host_of(url), url.path())
}

/// The URL in a `Location` header, unless it would downgrade to http.
pub(super) fn location_from(url: &Url, location: Option<&HeaderValue>) -> Option<Url> {
    let target = url.join(location?.to_str().ok()?).ok()?;
    let legal = target.scheme() == "https" || (target.scheme() == "http" && url.scheme() == "http");
    legal.then_some(target)
}

/// The base URL of a registry's API: plain HTTP only if the name as written is loopback.
pub(super) fn base(host: &str) -> Result<Url, Error> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_local = matches!(name, "localhost" | "[::1]")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let scheme = if is_local { "http" } else { "https" };
    format!("{scheme}://{host}/v2/").parse().map_err(|_| Error::Unreachable {
        host: host.to_owned(),
        proxy: None,
        cause: Cause::Dns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved_and_never_leave_https() {
        let cases = [
            ("https://r.example/v2/a/blobs/uploads/", "/other?x=y", Some("https://r.example/other?x=y")),
            ("https://r.example/v2/a", "https://s.example/b", Some("https://s.example/b")),
            ("https://r.example/v2/a", "http://r.example/v2/a", None),
            ("http://127.0.0.1:5000/v2/a", "http://localhost:5000/b", Some("http://localhost:5000/b")),
            ("http://127.0.0.1:5000/v2/a", "https://s.example/b", Some("https://s.example/b")),
            ("https://r.example/v2/a", "file:///etc/passwd", None),
            ("https://r.example/v2/a", "https://", None),
        ];
        for (url, location, expected) in cases {
            let location = HeaderValue::from_str(location).unwrap();
            let target = location_from(&url.parse().unwrap(), Some(&location));
            assert_eq!(target.as_ref().map(Url::as_str), expected, "{location:?}");
        }
        assert_eq!(location_from(&"https://r.example/".parse().unwrap(), None), None);
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_not_repeated() {
        let url = "https://user:password@r.example:444/v2/a?X-Amz-Signature=secret#x".parse().unwrap();
        assert_eq!(without_query(&url), "https://r.example:444/v2/a");
        assert_eq!(host_of(&url), "r.example:444");
    }
}
