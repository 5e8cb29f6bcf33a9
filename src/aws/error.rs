//! AWS failures in one plain line, with what to do next.

use std::error::Error as StdError;

use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};

use crate::printable::one_line;

/// Longest text of AWS that we repeat, in characters.
const LIMIT: usize = 300;

/// A call to AWS failed. `call` is the action as IAM writes it, and the resource where there is one:
/// `ecr:ListImages on arn:aws:ecr:…`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("no AWS credentials ({reason}): log in (aws sso login, aws configure) or set AWS_PROFILE")]
    NoCredentials { reason: String },
    #[error("the AWS credentials have expired: renew them (for example aws sso login) and run again")]
    Expired,
    #[error(
        "AWS does not accept the credentials ({code}): check AWS_PROFILE, the access key and this machine's clock"
    )]
    NotAccepted { code: String },
    /// AWS' own words name the caller.
    #[error("AWS denies {call}: {message}: allow it in the caller's IAM policy")]
    Denied { call: String, message: String },
    #[error(
        "{call} got no answer from AWS ({reason}): check the way to AWS from here, the proxy and --region"
    )]
    Unreachable { call: String, reason: String },
    /// The message holds the code too.
    #[error("{call} failed: {message}")]
    Service { call: String, code: String, message: String },
}

impl Error {
    /// What went wrong in `call`.
    pub fn of<E, R>(call: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
        R: std::fmt::Debug,
    {
        let call = call.to_owned();
        // The innermost error says what happened; those around it only that something did.
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(error) = source {
            chain.push(error.to_string());
            source = error.source();
        }
        let reason = match chain.last() {
            // The chain lists each place that it looked at, with nothing in any.
            Some(text) if text.starts_with("no credentials found in chain") => "none were found".to_owned(),
            innermost => innermost.map(|text| one_line(text, LIMIT)).unwrap_or_default(),
        };
        match error {
            SdkError::ServiceError(context) => {
                let code = one_line(context.err().code().unwrap_or("an error without a code"), LIMIT);
                // Our own words follow it.
                let message = one_line(context.err().message().unwrap_or_default(), LIMIT);
                let message = message.trim_end_matches('.').to_owned();
                match code.as_str() {
                    "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => Self::Expired,
                    "InvalidClientTokenId"
                    | "UnrecognizedClientException"
                    | "InvalidSignatureException"
                    | "SignatureDoesNotMatch" => Self::NotAccepted { code },
                    "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                        Self::Denied { call, message }
                    }
                    _ if message.is_empty() => Self::Service { call, message: code.clone(), code },
                    _ => Self::Service { call, message: format!("{code}: {message}"), code },
                }
            }
            SdkError::ResponseError(_) => Self::Service { call, code: String::new(), message: reason },
            // The signer fails before anything is sent where no credentials can be had.
            SdkError::DispatchFailure(failure) if failure.is_other() => {
                let is_expired = chain.iter().any(|text| text.contains("xpired"));
                if is_expired { Self::Expired } else { Self::NoCredentials { reason } }
            }
            SdkError::ConstructionFailure(_) => Self::NoCredentials { reason },
            _ => Self::Unreachable { call, reason },
        }
    }

    /// Whether it speaks of the caller or the way to AWS, so that no other call would fare better.
    pub const fn stops_everything(&self) -> bool {
        match self {
            Self::NoCredentials { .. }
            | Self::Expired
            | Self::NotAccepted { .. }
            | Self::Unreachable { .. } => true,
            Self::Denied { .. } | Self::Service { .. } => false,
        }
    }
}
