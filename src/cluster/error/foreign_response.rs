//! Responses that are not those of a Kubernetes API: a load balancer, a proxy or a login page answers in its place.

use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use kube::core::Status;
use tower::{BoxError, Layer, Service};

use super::{Error, plain};

/// What kube-client writes as the reason if the body of an error is not a `Status` (5.0.0, `handle_api_errors`).
const NO_STATUS: &str = "Failed to parse error data";

/// Maximum length of a repeated body, in characters.
const WORDS: usize = 120;

/// Refuses redirects and web pages, which kube would parse as JSON.
#[derive(Clone)]
pub(in crate::cluster) struct ForeignResponses;

impl<S> Layer<S> for ForeignResponses {
    type Service = Checked<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Checked { inner }
    }
}

#[derive(Clone)]
pub(in crate::cluster) struct Checked<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Checked<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.inner.call(request);
        async move {
            let response = response.await.map_err(Into::into)?;
            match refusal(response.status(), response.headers()) {
                Some(error) => Err(error.into()),
                None => Ok(response),
            }
        }
        .boxed()
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> Option<Error> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if status.is_redirection() {
        // The rest of the URL may have a token.
        let host = header(LOCATION).and_then(|url| url.parse::<Uri>().ok()?.host().map(str::to_owned));
        let target = host.map(|host| format!(" to {host}")).unwrap_or_default();
        return Some(Error::foreign(&format!("{status} redirects{target}"), status));
    }
    kind.trim()
        .eq_ignore_ascii_case("text/html")
        .then(|| Error::foreign(&format!("{status} with a page of a proxy or a login (text/html)"), status))
}

/// The status in kubectl's words, if the body was not a `Status`; these are client-go's reasons and sentences
/// (apimachinery `api/errors`, `NewGenericServerResponse`).
pub(super) fn with_reason(status: &Status) -> Status {
    if status.reason != NO_STATUS {
        return status.clone();
    }
    let body = plain(&status.message.chars().take(WORDS).collect::<String>());
    let (reason, sentence) = match status.code {
        400 => ("BadRequest", "the server rejected our request for an unknown reason"),
        401 => ("Unauthorized", "the server has asked for the client to provide credentials"),
        403 => ("Forbidden", "the server does not allow access to the requested resource"),
        404 => ("NotFound", "the server could not find the requested resource"),
        405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
        409 => ("Conflict", "the server reported a conflict"),
        410 => ("Gone", "the requested resource is gone"),
        413 => ("RequestEntityTooLarge", "the request entity was too large"),
        422 => ("Invalid", "the server rejected our request due to an error in our request"),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504 => ("Timeout", "the server was unable to return a response in the time allotted"),
        500.. => ("InternalError", "an error on the server has prevented the request from succeeding"),
        _ => ("Unknown", "the server responded with an unexpected status"),
    };
    let body = if body.is_empty() { String::new() } else { format!(": {body:?}") };
    let message = format!("{sentence} (HTTP {}{body})", status.code);
    Status { reason: reason.to_owned(), message, ..status.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::{ErrorKind, ServerRoute};
    use super::*;

    #[test]
    fn an_error_without_a_status_has_its_code_and_the_first_words() {
        for (code, body, kind, expected) in [
            (
                503,
                "",
                ErrorKind::Other,
                "Error from server (ServiceUnavailable): the server is currently unable to handle the request (HTTP 503)",
            ),
            (
                500,
                "boom\u{1b}[31m\nmore",
                ErrorKind::Other,
                "Error from server (InternalError): an error on the server has prevented the request from succeeding \
                 (HTTP 500: \"boom [31m more\")",
            ),
            (
                404,
                "404 page not found",
                ErrorKind::NotFound,
                "Error from server (NotFound): the server could not find the requested resource (HTTP 404: \"404 page \
                 not found\")",
            ),
            (
                418,
                "teapot",
                ErrorKind::Other,
                "Error from server (Unknown): the server responded with an unexpected status (HTTP 418: \"teapot\")",
            ),
            (401, "", ErrorKind::Unauthorized, "error: You must be logged in to the server (Unauthorized)"),
            (
                422,
                "",
                ErrorKind::Invalid,
                "The request is invalid: the server rejected our request due to an error in our request (HTTP 422)",
            ),
        ] {
            let status = Status::failure(body, NO_STATUS).with_code(code).boxed();
            let error = Error::from_kube(&kube::Error::Api(status), &ServerRoute::default());
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, expected), "{code}");
            assert_eq!(error.is_transient(), matches!(code, 500 | 503), "{code}");
        }
        let long = Status::failure(&"x".repeat(10_000), NO_STATUS).with_code(500);
        assert!(with_reason(&long).message.len() < 300);
    }

    #[test]
    fn redirects_and_web_pages_are_no_kubernetes_api() {
        let html = ("content-type", "text/HTML; charset=utf-8");
        for (status, header, expected) in [
            (200, ("content-type", "application/json"), None),
            (404, ("content-type", "text/plain"), None),
            (200, html, Some("200 OK with a page of a proxy or a login (text/html)")),
            (502, html, Some("502 Bad Gateway with a page of a proxy or a login (text/html)")),
            (
                302,
                ("location", "https://login.example/?token=s3cret"),
                Some("302 Found redirects to login.example"),
            ),
            (302, ("location", "/login?token=s3cret"), Some("302 Found redirects")),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let headers = HeaderMap::from_iter([(header.0.parse().unwrap(), header.1.parse().unwrap())]);
            let refused = refusal(status, &headers);
            let text = refused.as_ref().map(ToString::to_string);
            let expected = expected.map(|what| format!("error: no Kubernetes API responded: {what}"));
            assert_eq!(text, expected);
            assert!(refused.is_none_or(|error| error.is_transient() == status.is_server_error()));
        }
    }
}
