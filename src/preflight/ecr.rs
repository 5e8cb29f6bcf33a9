//! ECR through AWS' API: a token, and a listing.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ecr::config::Region;
use aws_sdk_ecr::config::retry::RetryConfig;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use super::check::{Judgement, Remedy};

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Done(String),
    /// AWS answered with an error of this code.
    Refused {
        code: String,
        message: String,
    },
    /// No answer: no route, no credentials, or too slow.
    Unreachable(String),
}

/// The hosts that a node needs to pull from ECR: its API and the account's registry, where the account is known.
pub fn hosts(region: &str, account: Option<&str>) -> Vec<String> {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let registry = account.map(|account| format!("{account}.dkr.ecr.{region}.{suffix}"));
    std::iter::once(format!("api.ecr.{region}.{suffix}")).chain(registry).collect()
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
pub async fn fetch_token(client: &aws_sdk_ecr::Client, timeout: Duration) -> Reply {
    let call = client.get_authorization_token().send();
    reply(timeout, call, |_| "a token was given".to_owned()).await
}

/// Asks for one repository of the account.
pub async fn fetch_listing(client: &aws_sdk_ecr::Client, account: &str, timeout: Duration) -> Reply {
    let call = client.describe_repositories().registry_id(account).max_results(1).send();
    reply(timeout, call, |listing| {
        if listing.repositories().is_empty() {
            "the registry has no repositories yet".to_owned()
        } else {
            "repositories are listed".to_owned()
        }
    })
    .await
}

async fn reply<T, E>(
    timeout: Duration,
    call: impl Future<Output = Result<T, SdkError<E>>>,
    describe: impl FnOnce(&T) -> String,
) -> Reply
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match tokio::time::timeout(timeout, call).await {
        Err(_) => Reply::Unreachable("no answer in time".to_owned()),
        Ok(Ok(output)) => Reply::Done(describe(&output)),
        Ok(Err(SdkError::ServiceError(error))) => Reply::Refused {
            code: error.err().code().unwrap_or("Unknown").to_owned(),
            message: error.err().message().unwrap_or_default().to_owned(),
        },
        Ok(Err(error)) => Reply::Unreachable(chain(&error)),
    }
}

/// The SDK's own text says only "dispatch failure": what matters stands in the sources.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    let texts: Vec<_> = sources.map(ToString::to_string).collect();
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

/// Refused credentials are a failure, because AWS looked at them; a missing right or an unreachable API leaves open
/// whether the registry works.
pub fn judge(reply: &Reply, action: &str) -> Judgement {
    let (code, message) = match reply {
        Reply::Done(seen) => return Judgement::pass(seen.clone()),
        Reply::Unreachable(why) => {
            return Judgement::unknown(format!("ECR's API could not be asked: {why}")).remedy(Remedy::text(
                "check the AWS credentials and that this machine reaches the API of ECR",
            ));
        }
        Reply::Refused { code, message } => (code.as_str(), message.as_str()),
    };
    let seen = format!("{code}: {message}");
    match code {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => {
            Judgement::unknown(format!("no permission for {action}"))
                .remedy(Remedy::text(format!("allow {action} to these AWS credentials")))
        }
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Judgement::fail(seen)
            .remedy(Remedy::command("the AWS credentials have expired: renew them", "aws sso login")),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature" => Judgement::fail(seen).remedy(Remedy::command(
            "AWS does not know these credentials: see which ones are used",
            "aws sts get-caller-identity",
        )),
        "ThrottlingException" | "ServerException" | "ServiceUnavailable" | "InternalFailure" => {
            Judgement::unknown(format!("ECR's API has no answer now: {seen}"))
        }
        _ => Judgement::fail(seen),
    }
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_sdk_ecr::config::{Credentials, SharedCredentialsProvider};
    use tokio::task::JoinSet;

    use super::*;
    use crate::preflight::http_server;

    #[tokio::test]
    async fn the_apis_answers_are_told_apart() {
        let mut tasks = JoinSet::new();
        let server = http_server::start(&mut tasks, |request| {
            if request.contains("GetAuthorizationToken") {
                let body = r#"{"authorizationData":[{"authorizationToken":"QVdTOng="}]}"#;
                ("200 OK", body.to_owned())
            } else {
                let body = r#"{"__type":"AccessDeniedException","message":"not authorized"}"#;
                ("400 Bad Request", body.to_owned())
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
        assert_eq!(fetch_token(&client, timeout).await, Reply::Done("a token was given".to_owned()));
        let listing = fetch_listing(&client, "123456789012", timeout).await;
        let expected =
            Reply::Refused { code: "AccessDeniedException".to_owned(), message: "not authorized".to_owned() };
        assert_eq!(listing, expected);
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
        let refused = |code: &str| Reply::Refused { code: code.to_owned(), message: "…".to_owned() };
        let cases = [
            (Reply::Done("x".to_owned()), "Pass"),
            (refused("AccessDeniedException"), "Unknown"),
            (refused("ThrottlingException"), "Unknown"),
            (Reply::Unreachable("no route".to_owned()), "Unknown"),
            (refused("ExpiredTokenException"), "Fail"),
            (refused("UnrecognizedClientException"), "Fail"),
            (refused("RepositoryNotFoundException"), "Fail"),
        ];
        for (reply, expected) in cases {
            let judgement = judge(&reply, "ecr:GetAuthorizationToken");
            assert_eq!(judgement.outcome.name(), expected, "{reply:?}");
        }
    }
}
