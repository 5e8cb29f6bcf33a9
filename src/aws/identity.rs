//! AWS configuration, and the identity behind our credentials.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Providing;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use probe::proxy::Proxies;

use crate::aws::client;
use crate::aws::error::Error;
use crate::model::aws_partition::Partition;
use crate::printable::one_line;
use crate::transport;

/// The account and principal that our credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

/// The SDK configuration for one region: credentials by the default chain, timeouts and retries from our flags.
///
/// # Errors
/// The SDKs cannot use the proxy from the environment, or the region is invalid.
pub async fn configuration(
    region: &str,
    settings: &transport::Settings,
) -> Result<SdkConfig, transport::Error> {
    if !is_sendable(region) {
        return Err(transport::Error::Region { region: one_line(region, 100) });
    }
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .operation_attempt_timeout(settings.connect_timeout + Duration::from_secs(25))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client::logged(http_client(proxy(region, &Proxies::from_environment())?)))
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
    let configuration = loader.load().await;
    Ok(match configuration.credentials_provider() {
        Some(provider) => configuration
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(Checked(provider)))
            .build(),
        None => configuration,
    })
}

/// The SDK's signer panics if an access key id or a region is not a valid header value (aws-runtime 1.10.2,
/// `apply_signing_instructions`).
#[derive(Debug)]
struct Checked(SharedCredentialsProvider);

impl ProvideCredentials for Checked {
    fn provide_credentials<'a>(&'a self) -> Providing<'a>
    where
        Self: 'a,
    {
        Providing::new(async { self.0.provide_credentials().await.and_then(checked) })
    }
}

fn checked(credentials: Credentials) -> Result<Credentials, CredentialsError> {
    let is_valid = is_sendable(credentials.access_key_id());
    if is_valid { Ok(credentials) } else { Err(CredentialsError::invalid_configuration(INVALID_KEY)) }
}

const INVALID_KEY: &str = "invalid access key ID: it has a line break, a space or another invalid character";

fn is_sendable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The proxy for the SDKs, from the environment variables as we read them.
fn proxy(region: &str, proxies: &Proxies) -> Result<Option<ProxyConfig>, transport::Error> {
    let Some(url) = proxies.https() else { return Ok(None) };
    match ProxyConfig::https(url.to_string()) {
        Ok(proxy) => Ok(Some(proxy.no_proxy(proxies.exceptions(443)))),
        // An invalid proxy does not matter if it does not apply to AWS.
        Err(_)
            if format!("https://sts.{region}.{}", Partition::of_region(region).dns_suffix)
                .parse()
                .is_ok_and(|url| proxies.intercept(&url).is_none()) =>
        {
            Ok(None)
        }
        Err(_) => Err(transport::Error::Proxy),
    }
}

/// The SDK's HTTP client. Its only plain HTTP requests go to this machine's metadata service, which is never behind a
/// proxy.
fn http_client(proxy: Option<ProxyConfig>) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        builder.set_proxy_config(proxy.clone());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        let connector = builder.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc));
        connector.build()
    })
}

/// Gets the caller identity from STS.
///
/// # Errors
/// There are no credentials, they are rejected, or STS cannot be reached.
pub async fn identity(configuration: &SdkConfig) -> Result<Identity, Error> {
    let answer = client::sts(configuration)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| Error::from_sdk("sts:GetCallerIdentity", &error))?;
    Ok(Identity { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_access_key_id_is_an_error() {
        for (id, is_valid) in [
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("AKIA\n", false),
            ("AK IA", false),
            ("AKIÄ", false),
            ("", false),
        ] {
            let credentials = Credentials::new(id, "s3cret", None, None, "test");
            let read = checked(credentials);
            assert_eq!(read.is_ok(), is_valid, "{id:?}");
            assert!(!format!("{:?}", read.map(|_| ())).contains("s3cret"));
        }
    }

    #[tokio::test]
    async fn an_invalid_region_is_an_error() {
        for region in ["us-east-1\n", "", "us east", "us-öst-1"] {
            let error = configuration(region, &transport::Settings::default()).await.unwrap_err();
            assert!(error.to_string().contains("invalid AWS region"), "{error}");
        }
    }
}
