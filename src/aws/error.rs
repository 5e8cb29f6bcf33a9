//! AWS failures in one plain line, with what to do next.

use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use crate::printable::one_line;

/// Longest text of AWS that we repeat, in characters.
const LIMIT: usize = 300;

/// A call to AWS failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("no AWS credentials found: log in (aws sso login, aws configure) or set AWS_PROFILE")]
    NoCredentials,
    #[error("the AWS credentials have expired: renew them (for example aws sso login) and run again")]
    Expired,
    #[error("AWS does not accept the credentials ({0}): check AWS_PROFILE and the access key")]
    NotAccepted(String),
    #[error("AWS denies {action}: {message}")]
    Denied { action: String, message: String },
    #[error("{action} got no answer from AWS ({reason}): check the endpoint, the proxy and the region")]
    Unreachable { action: String, reason: String },
    #[error("{action} failed: {code}: {message}")]
    Service { action: String, code: String, message: String },
}

impl Error {
    /// What went wrong in `action`, which is written as IAM writes it: `ecr:ListImages`.
    pub fn of<E, R>(action: &str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let action = action.to_owned();
        if let Some(service) = error.as_service_error() {
            let code = service.code().unwrap_or("unknown error").to_owned();
            let message = one_line(service.message().unwrap_or("no message"), LIMIT);
            return match code.as_str() {
                "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => Self::Expired,
                "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch" => Self::NotAccepted(code),
                "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                    Self::Denied { action, message }
                }
                _ => Self::Service { action, code, message },
            };
        }
        let texts = chain(&error);
        let whole = texts.join(": ");
        if whole.contains("provid")
            && whole.contains("credentials")
            && !whole.contains("dispatch failure: timeout")
        {
            return if whole.contains("xpired") { Self::Expired } else { Self::NoCredentials };
        }
        // The innermost error says what happened to the connection; those around it only that something did.
        let reason = texts.last().map_or_else(|| "no reason given".to_owned(), |text| one_line(text, LIMIT));
        Self::Unreachable { action, reason }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts
}
