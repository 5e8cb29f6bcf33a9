//! AWS errors in one line, with what to do next.

use std::any::Any;
use std::error::Error as StdError;

use aws_sdk_ecr::config::http::HttpResponse;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use crate::aws::credential_problem::{CredentialProblem, LOG_IN};
use crate::error::CommandError;
use crate::printable::one_line;
use crate::transport::fault::{Fault, causes};

/// Maximum length of repeated AWS text, in characters.
const LIMIT: usize = 300;

/// A failed call to AWS. `call` is the action as IAM writes it, with the resource if there is one: `ecr:ListImages on
/// arn:aws:ecr:…`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("no AWS credentials ({reason}): {LOG_IN}")]
    NoCredentials { reason: String },
    /// There are credentials, or a profile that should have some, but they cannot be used.
    #[error(transparent)]
    Credentials(CredentialProblem),
    #[error("the AWS credentials have expired: renew them (for example with aws sso login) and run again")]
    Expired,
    #[error("invalid AWS credentials ({code}): check AWS_PROFILE, the access key and this machine's clock")]
    NotAccepted { code: String },
    /// Requests are signed with the time, and AWS tolerates a difference of five minutes.
    #[error(
        "AWS rejected {call} because of the clock skew ({message}): set this machine's clock and run \
             again"
    )]
    Clock { call: String, message: String },
    /// AWS's message names the caller.
    #[error(
        "access denied for {call}: {message}: allow it in the caller's IAM policy (`kubectl castai-privatelink \
         permissions iam{}`)",
        for_endpoints(.call)
    )]
    Denied { call: String, message: String },
    #[error("{call} got no response from AWS ({reason}): check the network, the proxy and --region")]
    Unreachable { call: String, reason: String },
    #[error("{call} cannot reach AWS: {fault}; {}", .fault.advice())]
    Blocked { call: String, fault: Fault },
    /// Something else may have answered, such as a proxy.
    #[error(
        "{call} got an unusable response ({reason}): check what answers for AWS: a proxy, or AWS_ENDPOINT_URL"
    )]
    Unusable { call: String, reason: String },
    /// Without the resource, so that it is reported only once.
    #[error("{action} is still throttled by AWS after all retries: run again later{}", kept(.action))]
    Throttled { action: String },
    /// The message names the quota.
    #[error(
        "{call} failed: quota of the account exceeded ({message}): delete unused resources, or request an \
         increase in AWS Service Quotas"
    )]
    QuotaUsedUp { call: String, message: String },
    /// The message contains the code too.
    #[error("{call} failed: {message}")]
    Service { call: String, code: String, message: String },
}

/// The flag for the rights that only `endpoints` needs: the plain policy has none of EC2.
fn for_endpoints(call: &str) -> &'static str {
    let is_for_endpoints = ["ec2:", "eks:", "route53:"].iter().any(|service| call.starts_with(service));
    if is_for_endpoints { " --for endpoints" } else { "" }
}

impl Error {
    /// Classifies the error of `call`.
    pub fn from_sdk<E, R>(call: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
        R: std::fmt::Debug + 'static,
    {
        let call = call.to_owned();
        let sources = error.source().map(causes).unwrap_or_default();
        if let Some(problem) = sources.iter().find_map(|source| source.downcast_ref::<CredentialProblem>()) {
            return Self::Credentials(problem.clone());
        }
        if let Some(fault) = error.source().and_then(Fault::classify) {
            return Self::Blocked { call, fault };
        }
        // The innermost error has the cause; the outer ones only say that something failed.
        let mut chain = vec![error.to_string()];
        chain.extend(sources.iter().map(ToString::to_string));
        let reason = match chain.last() {
            // The text lists each provider in the chain, which helps little if none has credentials.
            Some(text) if text.starts_with("no credentials found in chain") => "not found".to_owned(),
            Some(text) if text.starts_with("failed to lookup address") => {
                "host name not found in DNS".to_owned()
            }
            innermost => innermost.map(|text| one_line(text, LIMIT)).unwrap_or_default(),
        };
        match error {
            SdkError::ServiceError(context) => {
                let code = match context.err().code() {
                    Some(code) => one_line(code, LIMIT),
                    None => status(context.raw()),
                };
                // The hint follows this message.
                let message = without_call(context.err().message().unwrap_or_default(), &call);
                let message = one_line(&message, LIMIT).trim_end_matches('.').to_owned();
                match code.as_str() {
                    "RequestTimeTooSkewed" | "RequestInTheFuture" => Self::Clock { call, message },
                    "InvalidSignatureException" | "SignatureDoesNotMatch" if is_about_time(&message) => {
                        Self::Clock { call, message }
                    }
                    "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => Self::Expired,
                    "InvalidClientTokenId"
                    | "AuthFailure"
                    | "UnrecognizedClientException"
                    | "InvalidSignatureException"
                    | "SignatureDoesNotMatch" => Self::NotAccepted { code },
                    "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                        Self::Denied { call, message }
                    }
                    "Throttling"
                    | "ThrottlingException"
                    | "TooManyRequestsException"
                    | "RequestLimitExceeded" => {
                        let action = call.split(" on ").next().unwrap_or(&call).to_owned();
                        Self::Throttled { action }
                    }
                    "LimitExceededException"
                    | "VpcEndpointLimitExceeded"
                    | "SecurityGroupLimitExceeded"
                    | "RulesPerSecurityGroupLimitExceeded" => Self::QuotaUsedUp { call, message },
                    _ if message.is_empty() => Self::Service { call, message: code.clone(), code },
                    _ => Self::Service { call, message: format!("{code}: {message}"), code },
                }
            }
            SdkError::ResponseError(_) => Self::Service { call, code: String::new(), message: reason },
            // Without credentials the signer fails before a request is sent.
            SdkError::DispatchFailure(failure) if failure.is_other() && !is_about_connection(&chain) => {
                let is_expired = chain.iter().any(|text| text.contains("xpired"));
                if is_expired { Self::Expired } else { Self::NoCredentials { reason } }
            }
            SdkError::ConstructionFailure(_) => Self::NoCredentials { reason },
            _ => Self::Unreachable { call, reason },
        }
    }

    /// Whether the service, or what is in front of it, is too busy or broken now.
    pub fn is_overload(&self) -> bool {
        let is_code = |code: &str| {
            matches!(code, "ServerException" | "ServiceUnavailable" | "InternalFailure")
                || code.starts_with('5')
        };
        matches!(self, Self::Throttled { .. }) || matches!(self, Self::Service { code, .. } if is_code(code))
    }

    /// Whether it concerns the caller or the connection to AWS, so that every other call would fail too.
    pub const fn stops_everything(&self) -> bool {
        match self {
            Self::NoCredentials { .. }
            | Self::Credentials(_)
            | Self::Expired
            | Self::NotAccepted { .. }
            | Self::Clock { .. }
            | Self::Blocked { .. }
            | Self::Unusable { .. }
            | Self::Unreachable { .. } => true,
            Self::Denied { .. }
            | Self::Throttled { .. }
            | Self::QuotaUsedUp { .. }
            | Self::Service { .. } => false,
        }
    }
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoCredentials { reason } => {
                Self::with_hint(format!("error: no AWS credentials ({reason})"), LOG_IN)
            }
            Error::Credentials(CredentialProblem { problem, hint }) => {
                Self::with_hint(format!("error: {problem}"), hint)
            }
            error => Self::new(format!("error: {error}")),
        }
    }
}

/// What a run that was throttled does not have to do again.
fn kept(action: &str) -> &'static str {
    if action.starts_with("ecr") { "; copied images are kept" } else { "" }
}

/// AWS's message without the action and the resource of `call`, which ours begins with.
fn without_call(message: &str, call: &str) -> String {
    let (action, resource) = call.split_once(" on ").unwrap_or((call, "*"));
    let message = message.replacen(&format!(" to perform: {action}"), "", 1);
    message.replacen(&format!(" on resource: {resource}"), "", 1)
}

/// AWS reports this with the codes of a wrong signature (Signature Version 4, "Troubleshooting AWS API requests").
fn is_about_time(message: &str) -> bool {
    ["Signature not yet current", "Signature expired"].iter().any(|words| message.contains(words))
}

/// The status of a response without a code, such as a load balancer's: `503 Service Unavailable`.
fn status(response: &dyn Any) -> String {
    let status = response.downcast_ref::<HttpResponse>().map(|response| response.status().as_u16());
    let status = status.and_then(|status| http::StatusCode::from_u16(status).ok());
    status.map_or_else(|| "an error without a code".to_owned(), |status| status.to_string())
}

/// Whether an open connection broke. The SDK reports that like a failed signer, so this checks the messages of h2 and
/// hyper.
fn is_about_connection(chain: &[String]) -> bool {
    let words = ["stream error", "connection error", "connection closed"];
    chain.iter().any(|text| words.iter().any(|words| text.starts_with(words)))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecr::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_ecr::operation::list_images::ListImagesError;

    use super::*;

    #[test]
    fn a_broken_connection_is_not_missing_credentials() {
        let of = |text: &str| {
            let error = ConnectorError::other(text.into(), None);
            let error: SdkError<ListImagesError, ()> = SdkError::dispatch_failure(error);
            Error::from_sdk("ecr:ListImages", &error).to_string()
        };
        for text in [
            "stream error received: unspecific protocol error detected",
            "connection closed before message completed",
        ] {
            assert_eq!(
                of(text),
                format!(
                    "ecr:ListImages got no response from AWS ({text}): check the network, the proxy and \
                     --region"
                )
            );
        }
        assert!(of("no credentials found in chain").starts_with("no AWS credentials"));
    }

    #[test]
    fn a_denied_call_is_named_once() {
        let because = "because no identity-based policy allows the ecr:ListImages action";
        let cases = [
            (
                "ecr:ListImages on arn:aws:ecr:x",
                "User: u is not authorized to perform: ecr:ListImages on resource: arn:aws:ecr:x",
            ),
            ("ecr:ListImages", "User: u is not authorized to perform: ecr:ListImages on resource: *"),
            ("ecr:ListImages", "User: u is not authorized to perform: ecr:ListImages"),
        ];
        for (call, words) in cases {
            let metadata =
                ErrorMetadata::builder().code("AccessDenied").message(format!("{words} {because}."));
            let error: SdkError<_, ()> =
                SdkError::service_error(ListImagesError::generic(metadata.build()), ());
            let error = Error::from_sdk(call, &error).to_string();
            let expected =
                format!("access denied for {call}: User: u is not authorized {because}: allow it in");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn only_ecr_keeps_images() {
        let throttled = |action: &str| Error::Throttled { action: action.to_owned() }.to_string();
        assert!(throttled("ecr:PutImage").ends_with("run again later; copied images are kept"));
        assert!(throttled("ec2:CreateVpcEndpoint").ends_with("after all retries: run again later"));
    }

    #[test]
    fn a_response_without_a_code_is_named_by_its_status() {
        use aws_sdk_ecr::config::http::HttpResponse;

        let response = HttpResponse::new(503.try_into().unwrap(), "".into());
        let answer = ListImagesError::generic(ErrorMetadata::builder().build());
        let error = Error::from_sdk("ecr:ListImages", &SdkError::service_error(answer, response));
        assert_eq!(error.to_string(), "ecr:ListImages failed: 503 Service Unavailable");
        assert!(error.is_overload());
    }

    #[test]
    fn aws_errors_have_hints() {
        let late = "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z";
        let cases = [
            ("InvalidSignatureException", late, "clock"),
            ("SignatureDoesNotMatch", "Signature not yet current: x is still later than y", "clock"),
            ("RequestTimeTooSkewed", "The difference is too large.", "clock"),
            ("InvalidSignatureException", "The request signature we calculated", "AWS_PROFILE"),
            ("ThrottlingException", "Rate exceeded", "ecr:ListImages is still throttled"),
            ("LimitExceededException", "the maximum of 100000", "Service Quotas"),
            ("RulesPerSecurityGroupLimitExceeded", "the maximum of 60", "Service Quotas"),
            ("ExpiredTokenException", "", "aws sso login"),
        ];
        for (code, message, words) in cases {
            let answer =
                ListImagesError::generic(ErrorMetadata::builder().code(code).message(message).build());
            let error: SdkError<_, ()> = SdkError::service_error(answer, ());
            let text = Error::from_sdk("ecr:ListImages on arn:aws:ecr:x", &error).to_string();
            assert!(text.contains(words), "{code}: {text}");
        }
    }
}
