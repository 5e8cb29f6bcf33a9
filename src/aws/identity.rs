//! AWS configuration, and the identity behind our credentials.

use std::time::Duration;

use aws_config::default_provider::use_fips::use_fips_provider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Providing;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_http_client::{Connector, tls};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use probe::proxy::Proxies;

use crate::aws::credential_problem::CredentialProblem;
use crate::aws::error::Error;
use crate::aws::profile::{Profile, Profiles};
use crate::aws::{client, endpoint};
use crate::model::aws_partition::Partition;
use crate::printable::one_line;
use crate::transport::{self, roots};

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
    endpoint::check_variables()?;
    let has_keys = std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
    let has_secret =
        ["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY"].iter().any(|name| std::env::var_os(name).is_some());
    // As in the AWS CLI. The SDK would use another identity.
    if settings.aws.profile.is_none() && has_keys && !has_secret {
        return Err(transport::Error::HalfKeys);
    }
    let Profiles { files, profile } = Profiles::read(settings.aws.profile.as_deref()).await?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .operation_attempt_timeout(settings.connect_timeout + Duration::from_secs(25))
        .build();
    let proxy = proxy(region, &Proxies::from_environment())?;
    let http_client = client::logged(http_client(proxy, trusted()?));
    let retries = RetryConfig::standard()
        .with_max_attempts(settings.retries.min(4) + 1)
        .with_initial_backoff(settings.retry_delay);
    let region = Region::new(region.to_owned());
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client.clone())
        .region(region.clone())
        .timeout_config(timeouts.clone())
        .retry_config(retries.clone())
        .profile_files(files.clone());
    if profile.is_named {
        // The SDK does not know AWS_DEFAULT_PROFILE.
        loader = loader.profile_name(&profile.name);
    }
    // The default chain would prefer keys in the environment, other than the AWS CLI with `--profile`.
    if settings.aws.profile.is_some() {
        let provider = ProviderConfig::default()
            .with_http_client(http_client)
            .with_region(Some(region))
            .with_timeout_config(timeouts)
            .with_retry_config(retries);
        let provider = provider.clone().with_use_fips(Box::pin(use_fips_provider(&provider)).await);
        let profiles = ProfileFileCredentialsProvider::builder().configure(&provider).profile_files(files);
        loader = loader.credentials_provider(profiles.profile_name(&profile.name).build());
    }
    if let Ok(name) = AppName::new(NAME) {
        loader = loader.app_name(name);
    }
    // The SDK's futures are large.
    let configuration = Box::pin(loader.load()).await;
    let Some(provider) = configuration.credentials_provider() else { return Ok(configuration) };
    let checked =
        |provider, role| SharedCredentialsProvider::new(Checked { provider, profile: profile.clone(), role });
    let configuration = configuration.into_builder().credentials_provider(checked(provider, None)).build();
    let Some(role) = &settings.aws.role else { return Ok(configuration) };
    let provider = AssumeRoleProvider::builder(role).session_name(NAME).configure(&configuration);
    let provider = SharedCredentialsProvider::new(Box::pin(provider.build()).await);
    let provider = checked(provider, Some(role.clone()));
    Ok(configuration.into_builder().credentials_provider(provider).build())
}

/// The program, in AWS' logs.
const NAME: &str = "kubectl-castai_privatelink";

/// Credentials that can be sent, or why there are none. The SDK's signer panics if an access key id or a region is not
/// a valid header value (aws-runtime 1.10.2, `apply_signing_instructions`).
#[derive(Debug)]
struct Checked {
    provider: SharedCredentialsProvider,
    profile: Profile,
    /// The role that the credentials are for, if it is not the profile's.
    role: Option<String>,
}

impl ProvideCredentials for Checked {
    fn provide_credentials<'a>(&'a self) -> Providing<'a>
    where
        Self: 'a,
    {
        Providing::new(async {
            let provided = self.provider.provide_credentials().await;
            let provided = provided.map_err(|error| {
                match CredentialProblem::find(&error, &self.profile, self.role.as_deref()) {
                    Some(problem) => CredentialsError::provider_error(problem),
                    None => error,
                }
            });
            provided.and_then(checked)
        })
    }
}

fn checked(credentials: Credentials) -> Result<Credentials, CredentialsError> {
    let token = credentials.session_token();
    let invalid = if !is_sendable(credentials.access_key_id()) {
        "access key ID"
    } else if token.is_some_and(|token| !token.is_empty() && !is_sendable(token)) {
        "session token"
    } else {
        return Ok(credentials);
    };
    Err(CredentialsError::provider_error(CredentialProblem::of_text(invalid)))
}

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
fn http_client(proxy: Option<ProxyConfig>, trusted: TrustStore) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        builder.set_proxy_config(proxy.clone());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        let connector = builder.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc));
        match TlsContext::builder().with_trust_store(trusted.clone()).build() {
            Ok(context) => connector.tls_context(context).build(),
            Err(_) => connector.build(),
        }
    })
}

/// The system's roots and those of `AWS_CA_BUNDLE`. Each is known to be valid: the SDK panics at others.
fn trusted() -> Result<TrustStore, transport::Error> {
    let mut store = TrustStore::default();
    for certificate in roots::aws_bundle()? {
        let encoded = BASE64.encode(certificate);
        store.add_pem_certificate(format!(
            "-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n"
        ));
    }
    Ok(store)
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
