//! ECR through AWS' API: a token, and a repository.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ecr::config::Region;
use aws_sdk_ecr::config::retry::RetryConfig;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use super::judgement::{Judgement, Remedy};
use crate::aws::error::Error;
use crate::castai::built_in;
use crate::model::image::ecr::{EcrRegistry, dns_suffix};

/// Actions that are looked at, as IAM writes them.
pub const TOKEN: &str = "ecr:GetAuthorizationToken";
pub const REPOSITORIES: &str = "ecr:DescribeRepositories";

/// The repository that is asked for, below the mirror's path: that of Cast AI's agent, which every cluster has.
fn agent() -> &'static str {
    built_in().repository_of("castai-agent").unwrap_or_default()
}

/// The hosts that a node needs to pull from ECR: its API and the account's registry, where the account is known.
pub fn hosts(region: &str, account: Option<&str>) -> Vec<String> {
    let registry =
        account.map(|account| EcrRegistry { account: account.to_owned(), region: region.to_owned() }.host());
    std::iter::once(format!("api.ecr.{region}.{}", dns_suffix(region))).chain(registry).collect()
}

/// A client for the cluster's region. It tries once: a preflight shows what the first try meets.
pub fn client(config: &SdkConfig, region: &str) -> aws_sdk_ecr::Client {
    let config = aws_sdk_ecr::config::Builder::from(config)
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_ecr::Client::from_conf(config)
}

/// Asks for a token. It is not kept.
///
/// # Errors
/// AWS refuses or does not answer within `timeout`.
pub async fn fetch_token(client: &aws_sdk_ecr::Client, timeout: Duration) -> Result<&'static str, Error> {
    let call = client.get_authorization_token().send();
    answer(TOKEN, timeout, call).await.map(|_| "a token was given")
}

/// Asks for one repository below `path` by its name. Listing all of them would need a right on the whole registry, and
/// mirroring needs none outside of its path.
///
/// # Errors
/// AWS refuses or does not answer within `timeout`.
pub async fn fetch_repository(
    client: &aws_sdk_ecr::Client,
    account: &str,
    path: Option<&str>,
    timeout: Duration,
) -> Result<&'static str, Error> {
    let agent = agent();
    let repository = path.map_or_else(|| agent.to_owned(), |path| format!("{path}/{agent}"));
    let call = client.describe_repositories().registry_id(account).repository_names(repository).send();
    match answer(REPOSITORIES, timeout, call).await {
        Ok(_) => Ok("the repository of Cast AI's agent exists"),
        Err(Error::Service { code, .. }) if code == "RepositoryNotFoundException" => {
            Ok("the repository of Cast AI's agent does not exist yet")
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
    let late = |_| Error::Unreachable { call: action.to_owned(), reason: "no answer in time".to_owned() };
    tokio::time::timeout(timeout, call).await.map_err(late)?.map_err(|error| Error::of(action, &error))
}

/// Refused credentials are a failure, because AWS looked at them; a missing right or an unreachable API leaves open
/// whether the registry works.
pub fn judge(answer: &Result<&'static str, Error>) -> Judgement {
    let error = match answer {
        Ok(seen) => return Judgement::pass(*seen),
        Err(error) => error,
    };
    match error {
        Error::NoCredentials { .. } => {
            Judgement::unknown("no AWS credentials were found on this machine").remedy(no_credentials())
        }
        Error::Expired => Judgement::fail("the AWS credentials have expired")
            .remedy(Remedy::command("renew them, for example", "aws sso login")),
        Error::NotAccepted { code } => {
            Judgement::fail(format!("AWS does not know these credentials ({code})"))
                .remedy(Remedy::command("see which ones are used", "aws sts get-caller-identity"))
        }
        Error::Denied { call, .. } => Judgement::unknown(format!("no permission for {call}"))
            .remedy(Remedy::text(format!("allow {call} to these AWS credentials"))),
        Error::Unreachable { reason, .. } => {
            Judgement::unknown(format!("ECR's API gave no answer: {reason}")).remedy(Remedy::text(
                "check that this machine reaches ECR's API: through its endpoint, a proxy or the internet",
            ))
        }
        Error::Clock { message, .. } => {
            Judgement::fail(format!("AWS refuses requests because of their time: {message}"))
                .remedy(Remedy::text("set this machine's clock"))
        }
        Error::Blocked { fault, .. } => {
            Judgement::unknown(format!("ECR's API cannot be asked from here: {fault}"))
                .remedy(Remedy::text(fault.advice()))
        }
        Error::Throttled { .. } => {
            Judgement::unknown(error.to_string()).remedy(Remedy::text("try again in a while"))
        }
        Error::Service { code, .. } if is_overload(code) => {
            Judgement::unknown(error.to_string()).remedy(Remedy::text("try again in a while"))
        }
        Error::QuotaUsedUp { .. } | Error::Service { .. } => Judgement::fail(error.to_string()),
    }
}

fn is_overload(code: &str) -> bool {
    matches!(code, "ServerException" | "ServiceUnavailable" | "InternalFailure")
}

/// How to get credentials.
pub fn no_credentials() -> Remedy {
    Remedy::command(
        "give AWS credentials, as for the AWS CLI; see which ones are found",
        "aws sts get-caller-identity",
    )
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_sdk_ecr::config::{Credentials, SharedCredentialsProvider};
    use tokio::task::JoinSet;

    use super::*;
    use crate::preflight::http_server;
    use crate::transport::fault::Fault;

    #[tokio::test]
    async fn the_apis_answers_are_told_apart() {
        let mut tasks = JoinSet::new();
        let server = http_server::start(&mut tasks, |request| {
            let failed = |code: &str| {
                ("400 Bad Request", format!(r#"{{"__type":"{code}","message":"not authorized"}}"#))
            };
            if request.contains("GetAuthorizationToken") {
                let body = r#"{"authorizationData":[{"authorizationToken":"QVdTOng="}]}"#;
                ("200 OK", body.to_owned())
            } else if request.contains(&format!("\"ours/{}\"", agent())) {
                ("200 OK", r#"{"repositories":[{}]}"#.to_owned())
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
        assert_eq!(fetch_token(&client, timeout).await, Ok("a token was given"));
        let denied = Error::Denied { call: REPOSITORIES.to_owned(), message: "not authorized".to_owned() };
        for (path, expected) in [
            (Some("ours"), Ok("the repository of Cast AI's agent exists")),
            (None, Ok("the repository of Cast AI's agent does not exist yet")),
            (Some("theirs"), Err(denied)),
        ] {
            let repository = fetch_repository(&client, "123456789012", path, timeout).await;
            assert_eq!(repository, expected, "{path:?}");
        }
    }

    #[test]
    fn hosts_follow_region_and_account() {
        assert_eq!(
            hosts("us-east-1", Some("123456789012")),
            ["api.ecr.us-east-1.amazonaws.com", "123456789012.dkr.ecr.us-east-1.amazonaws.com"]
        );
        assert_eq!(hosts("cn-north-1", None), ["api.ecr.cn-north-1.amazonaws.com.cn"]);
    }

    #[test]
    fn a_missing_permission_is_unknown_and_refused_credentials_fail() {
        let action = || TOKEN.to_owned();
        let service =
            |code: &str| Error::Service { call: action(), code: code.to_owned(), message: String::new() };
        let cases = [
            (Ok("x"), "Pass"),
            (Err(Error::Denied { call: action(), message: String::new() }), "Unknown"),
            (Err(Error::Throttled { action: action() }), "Unknown"),
            (Err(service("ServerException")), "Unknown"),
            (Err(Error::Clock { call: action(), message: String::new() }), "Fail"),
            (Err(Error::Blocked { call: action(), fault: Fault::UntrustedIssuer }), "Unknown"),
            (Err(Error::Unreachable { call: action(), reason: "no route".to_owned() }), "Unknown"),
            (Err(Error::NoCredentials { reason: String::new() }), "Unknown"),
            (Err(Error::Expired), "Fail"),
            (Err(Error::NotAccepted { code: "UnrecognizedClientException".to_owned() }), "Fail"),
            (Err(service("RepositoryNotFoundException")), "Fail"),
        ];
        for (answer, expected) in cases {
            assert_eq!(judge(&answer).outcome.name(), expected, "{answer:?}");
        }
    }
}
