//! Prints each request to the API server, if requests are printed.

use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};

use crate::transport::request_log::Sent;

#[derive(Clone, Copy)]
pub(super) struct RequestLog;

impl<S> Layer<S> for RequestLog {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Logged(inner)
    }
}

#[derive(Clone)]
pub(super) struct Logged<S>(S);

impl<S, B, R> Service<Request<B>> for Logged<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sent = Sent::now(request.method(), request.uri());
        let response = self.0.call(request);
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
