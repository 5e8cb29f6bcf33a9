//! AWS configuration and who we are to it.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};

use crate::aws::error::Error;
use crate::transport;

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
