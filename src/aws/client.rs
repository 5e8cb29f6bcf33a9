//! What all AWS clients have in common: a timeout is not retried, and requests are printed if the user wants to see them.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sts::config::interceptors::InterceptorContext;
use aws_sdk_sts::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_sts::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use crate::transport::request_log::Sent;

/// How long the SDK waits for credentials, which is part of an attempt (aws-smithy-runtime 1.16.2, `LazyCacheBuilder`).
const CREDENTIALS: Duration = Duration::from_secs(5);

pub fn ecr(configuration: &SdkConfig) -> aws_sdk_ecr::Client {
    let builder = aws_sdk_ecr::config::Builder::from(configuration);
    aws_sdk_ecr::Client::from_conf(builder.retry_classifier(NoRetryAfterTimeout).build())
}

/// The response of STS is small and quick: a server without one is given up soon after one without a connection.
pub(super) fn sts(configuration: &SdkConfig) -> aws_sdk_sts::Client {
    let mut builder = aws_sdk_sts::config::Builder::from(configuration);
    let timeouts = configuration.timeout_config();
    if let Some((timeouts, connect)) = timeouts.and_then(|all| Some((all, all.connect_timeout()?))) {
        let timeouts = timeouts.to_builder().operation_attempt_timeout(CREDENTIALS + connect * 2);
        builder = builder.timeout_config(timeouts.build());
    }
    aws_sdk_sts::Client::from_conf(builder.retry_classifier(NoRetryAfterTimeout).build())
}

/// Each further attempt at a server that did not respond would cost the same timeout.
#[derive(Debug)]
struct NoRetryAfterTimeout;

impl ClassifyRetry for NoRetryAfterTimeout {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let is_timeout =
            error.is_timeout_error() || error.as_connector_error().is_some_and(ConnectorError::is_timeout);
        if is_timeout { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "no retry after a timeout"
    }
}

/// The same client, which prints each request, if requests are printed.
pub(super) fn logged(client: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Logged(client.http_connector(settings, components)))
    })
}

#[derive(Debug)]
struct Logged(SharedHttpConnector);

impl HttpConnector for Logged {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri().split('?').next().unwrap_or_default().to_owned();
        // The action, in the JSON protocols.
        let action = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let action = action.map(|action| format!(" {action}")).unwrap_or_default();
        let sent = Sent::now(request.method(), format!("{url}{action}"));
        let response = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let response = response.await;
            match &response {
                Ok(response) => sent.ended(response.status()),
                Err(error) => sent.ended(if error.is_timeout() { "timed out" } else { "failed" }),
            }
            response
        })
    }
}
