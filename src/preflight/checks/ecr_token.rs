//! CPL302: ECR gives a token to these AWS credentials.

use crate::aws::error::Error;
use crate::preflight::check::{Category, Check, Judge, Need, Severity, Source};
use crate::preflight::facts::{Answer, RegistryFacts};
use crate::preflight::judgement::{Judgement, Remedy};
use crate::preflight::remedies;

pub static CHECK: Check = Check {
    code: "CPL302",
    title: "ECR gives a token to these AWS credentials",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[],
    source: Source::AwsApi,
    permissions: &["ecr:GetAuthorizationToken"],
    explanation: "Mirroring signs in to the registry with it.",
    remediation: "renew the AWS credentials",
    judge: Judge::Registry { needs: &[Need::EcrToken], judge },
};

fn judge(registry: &RegistryFacts) -> Judgement {
    judge_answer(&registry.token)
}

/// An answer of ECR's API.
pub(super) fn judge_answer(answer: &Answer) -> Judgement {
    match answer {
        Answer::Answered { milliseconds, result } => judge_result(result).took(*milliseconds),
        Answer::NotAsked(why) => {
            Judgement::unknown(format!("AWS cannot be asked: {why}")).remedy(remedies::no_credentials())
        }
    }
}

/// Refused credentials are a failure, because AWS looked at them; a missing right or an unreachable API leaves open
/// whether the registry works.
fn judge_result(result: &Result<&'static str, Error>) -> Judgement {
    let error = match result {
        Ok(seen) => return Judgement::pass(*seen),
        Err(error) => error,
    };
    match error {
        Error::NoCredentials { .. } => Judgement::unknown("no AWS credentials were found on this machine")
            .remedy(remedies::no_credentials()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::fault::Fault;

    const TOKEN: &str = "ecr:GetAuthorizationToken";

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
            assert_eq!(judge_result(&answer).outcome.name(), expected, "{answer:?}");
        }
    }
}
