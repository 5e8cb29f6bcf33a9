//! AWS configuration and who we are to it.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};

use crate::aws::error::Error;
use crate::transport;
use crate::transport::proxy::Proxies;

/// The account and principal that our credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

/// The SDKs' configuration for one region: credentials by the usual chain, time-outs and retries from our flags.
pub async fn configuration(region: &str, settings: &transport::Settings) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .operation_attempt_timeout(settings.connect_timeout + Duration::from_secs(25))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(&Proxies::from_environment()))
        .region(Region::new(region.to_owned()))
        .timeout_config(timeouts)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(settings.retries.min(4) + 1)
                .with_initial_backoff(settings.retry_delay),
        );
    if let Ok(name) = AppName::new("kubectl-castai_privatelink") {
        loader = loader.app_name(name);
    }
    loader.load().await
}

/// The SDKs' HTTP client with our reading of the proxy variables. What it asks in plain HTTP is this machine's own
/// metadata, which no proxy has.
fn http_client(proxies: &Proxies) -> SharedHttpClient {
    let proxy = proxies.https().and_then(|url| ProxyConfig::https(url).ok());
    let proxy = proxy.map(|proxy| proxy.no_proxy(proxies.exceptions(443)));
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        builder.set_proxy_config(proxy.clone());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc)).build()
    })
}

/// Asks STS who we are.
///
/// # Errors
/// There are no credentials, they are not accepted, or STS cannot be reached.
pub async fn identity(configuration: &SdkConfig) -> Result<Identity, Error> {
    let answer = aws_sdk_sts::Client::new(configuration)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| Error::of("sts:GetCallerIdentity", &error))?;
    Ok(Identity { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
}
