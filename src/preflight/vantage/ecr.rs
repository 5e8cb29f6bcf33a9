//! ECR through the AWS API: a token and a repository.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ecr::config::Region;
use aws_sdk_ecr::config::retry::RetryConfig;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use crate::aws::error::Error;
use crate::castai::built_in;

/// Read actions in IAM's notation.
pub(super) const TOKEN: &str = "ecr:GetAuthorizationToken";
pub(super) const IMAGES: &str = "ecr:ListImages";

/// The repository to look up, below the mirror's path: that of Cast AI's agent, which every cluster has.
fn agent() -> &'static str {
    built_in().repository_of("castai-agent").unwrap_or_default()
}

/// A client for the cluster's region, without retries: preflight reports what a single attempt encounters.
pub(super) fn client(config: &SdkConfig, region: &str) -> aws_sdk_ecr::Client {
    let config = aws_sdk_ecr::config::Builder::from(config)
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_ecr::Client::from_conf(config)
}

/// Requests a token and discards it.
///
/// # Errors
/// AWS rejects the request or does not respond within `timeout`.
pub(super) async fn fetch_token(client: &aws_sdk_ecr::Client, timeout: Duration) -> Result<String, Error> {
    let call = client.get_authorization_token().send();
    answer(TOKEN, timeout, call).await.map(|_| "received a token".to_owned())
}

/// Lists an image of one repository below `path`, as mirroring does. Listing all repositories would need a permission for the
/// whole registry, and mirroring needs none outside its path.
///
/// # Errors
/// AWS rejects the request or does not respond within `timeout`.
pub(super) async fn fetch_repository(
    client: &aws_sdk_ecr::Client,
    account: &str,
    path: Option<&str>,
    timeout: Duration,
) -> Result<String, Error> {
    let agent = agent();
    let repository = path.map_or_else(|| agent.to_owned(), |path| format!("{path}/{agent}"));
    let call = client.list_images().registry_id(account).repository_name(repository).max_results(1).send();
    match answer(IMAGES, timeout, call).await {
        Ok(_) => Ok("the repository of Cast AI's agent exists".to_owned()),
        Err(Error::Service { code, .. }) if code == "RepositoryNotFoundException" => {
            let seen =
                "allowed; the repository of Cast AI's agent does not exist yet: sync-images creates it";
            Ok(seen.to_owned())
        }
        Err(error) => Err(error),
    }
}

async fn answer<T, E>(
    action: &str,
    timeout: Duration,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, Error>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let late = |_| Error::Unreachable { call: action.to_owned(), reason: "timed out".to_owned() };
    tokio::time::timeout(timeout, call).await.map_err(late)?.map_err(|error| Error::from_sdk(action, &error))
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_sdk_ecr::config::{Credentials, SharedCredentialsProvider};
    use tokio::task::JoinSet;

    use super::*;
    use crate::preflight::http_server;

    #[tokio::test]
    async fn api_responses_are_classified() {
        let mut tasks = JoinSet::new();
        let server = http_server::start(&mut tasks, |request| {
            let failed = |code: &str| {
                ("400 Bad Request", format!(r#"{{"__type":"{code}","message":"not authorized"}}"#))
            };
            if request.contains("GetAuthorizationToken") {
                let body = r#"{"authorizationData":[{"authorizationToken":"QVdTOng="}]}"#;
                ("200 OK", body.to_owned())
            } else if request.contains(&format!("\"ours/{}\"", agent())) {
                ("200 OK", r#"{"imageIds":[]}"#.to_owned())
            } else if request.contains(&format!("\"{}\"", agent())) {
                failed("RepositoryNotFoundException")
            } else {
                failed("AccessDeniedException")
            }
        })
        .await;
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKID", "secret", None, None, "test",
            )))
            .endpoint_url(server)
            .build();
        let client = client(&config, "us-east-1");
        let timeout = Duration::from_secs(10);
        assert_eq!(fetch_token(&client, timeout).await, Ok("received a token".to_owned()));
        let denied = Error::Denied { call: IMAGES.to_owned(), message: "not authorized".to_owned() };
        for (path, expected) in [
            (Some("ours"), Ok("the repository of Cast AI's agent exists")),
            (
                None,
                Ok("allowed; the repository of Cast AI's agent does not exist yet: sync-images creates it"),
            ),
            (Some("theirs"), Err(denied)),
        ] {
            let repository = fetch_repository(&client, "123456789012", path, timeout).await;
            assert_eq!(repository, expected.map(str::to_owned), "{path:?}");
        }
    }
}
