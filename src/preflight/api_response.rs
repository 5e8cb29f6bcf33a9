//! Responses of AWS' APIs, and what an error means.

use crate::aws::error::Error;
use crate::preflight::fixes;
use crate::preflight::judgement::{Fix, Judgement};

/// A response of an AWS API.
pub enum ApiResponse {
    Received {
        milliseconds: u64,
        result: Result<String, Error>,
    },
    /// Why no request was sent.
    NotRequested(String),
}

impl ApiResponse {
    /// `api` is how messages name the API: `the ECR API`.
    pub fn judge(&self, api: &str) -> Judgement {
        match self {
            Self::Received { milliseconds, result } => judge(result, api).took(*milliseconds),
            Self::NotRequested(why) => Judgement::unknown(why.clone()),
        }
    }
}

/// Rejected credentials are a failure, because AWS has validated them. A missing permission or an unreachable API is
/// unknown, because the registry may still work.
fn judge(result: &Result<String, Error>, api: &str) -> Judgement {
    let error = match result {
        Ok(seen) => return Judgement::pass(seen),
        Err(error) => error,
    };
    match error {
        Error::NoCredentials { .. } => {
            Judgement::unknown("no AWS credentials found on this machine").fix(fixes::no_credentials())
        }
        Error::Expired => Judgement::fail("the AWS credentials have expired")
            .fix(Fix::command("renew them, for example", "aws sso login")),
        Error::Credentials(_) | Error::Unusable { .. } => Judgement::unknown(error.to_string()),
        Error::NotAccepted { code } => Judgement::fail(format!("invalid AWS credentials ({code})"))
            .fix(Fix::command("show the credentials in use", "aws sts get-caller-identity")),
        Error::Denied { call, .. } => Judgement::unknown(format!("no permission for {call}"))
            .fix(Fix::text(format!("allow {call} to these AWS credentials"))),
        Error::Unreachable { reason, .. } => Judgement::unknown(format!("no response from {api}: {reason}"))
            .fix(Fix::text(format!(
                "check that this machine reaches {api}, through an endpoint, a proxy or the internet"
            ))),
        Error::Clock { message, .. } => {
            Judgement::fail(format!("AWS rejects requests because of the clock skew: {message}"))
                .fix(Fix::text("set this machine's clock"))
        }
        Error::Blocked { fault, .. } => {
            Judgement::unknown(format!("cannot reach {api}: {fault}")).fix(Fix::text(fault.advice()))
        }
        error if error.is_overload() => {
            Judgement::unknown(error.to_string()).fix(Fix::text("run again later"))
        }
        Error::Throttled { .. } | Error::QuotaUsedUp { .. } | Error::Service { .. } => {
            Judgement::fail(error.to_string())
        }
    }
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
            (Ok("x".to_owned()), "Pass"),
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
            assert_eq!(judge(&answer, "the ECR API").outcome.name(), expected, "{answer:?}");
        }
    }
}
