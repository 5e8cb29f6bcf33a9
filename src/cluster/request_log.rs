//! Prints each request to the API server, if requests are printed.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};

use crate::transport::request_log::Sent;

/// The server's URL without a trailing slash: the URLs of requests are relative to it.
#[derive(Clone)]
pub(super) struct RequestLog(pub(super) Arc<str>);

impl<S> Layer<S> for RequestLog {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Logged { inner, server: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
pub(super) struct Logged<S> {
    inner: S,
    server: Arc<str>,
}

impl<S, B, R> Service<Request<B>> for Logged<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sent = Sent::now(request.method(), format_args!("{}{}", self.server, request.uri()));
        let response = self.inner.call(request);
        async move {
            let response = response.await;
            match &response {
                Ok(response) => sent.ended(response.status()),
                Err(_) => sent.ended("failed"),
            }
            response
        }
        .boxed()
    }
}
