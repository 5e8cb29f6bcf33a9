//! The error documents of STS and EC2, in the formats that their SDKs parse.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

/// The services behind the front server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Sts,
    Ec2,
}

/// The failure of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The caller's session has expired: `ExpiredToken` (STS), `RequestExpired` (EC2).
    ExpiredToken,
    /// The access key is unknown: `InvalidClientTokenId` (STS), `AuthFailure` (EC2).
    InvalidClientTokenId,
    /// No policy allows the action: `AccessDenied` (STS), `UnauthorizedOperation` (EC2).
    AccessDenied,
    /// Too many requests: `Throttling` (STS), `RequestLimitExceeded` (EC2).
    Throttling,
    /// The service fails with this status (5xx).
    ServerError { status: u16 },
    /// The service answers with this error instead.
    Error { status: u16, code: String, message: String },
    /// The request is accepted and gets no response; it is not carried out.
    Silent,
    /// The request waits until the rules change, and is then carried out, even if the client has gone.
    Held,
    /// The request is carried out, and the connection closes without a response.
    ResponseLost,
    /// The request is carried out, and the response is a failure with this status (5xx).
    ResponseFailed { status: u16 },
}

/// An error of EC2 for an invalid request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) const fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }

    pub(super) fn response(&self) -> Response {
        document(Service::Ec2, 400, self.code, &self.message)
    }
}

/// The response to `action`, called by `arn`, or `None` if the fault is not an error of the service.
///
/// Codes, statuses and texts are those of the AWS documentation, "Common errors" of STS and "Error codes" of EC2.
pub(super) fn response(service: Service, action: &str, arn: &str, fault: &Fault) -> Option<Response> {
    use Service::{Ec2, Sts};
    let denied = |prefix: &str| format!("User: {arn} is not authorized to perform: {prefix}:{action}");
    let (status, code, message) = match (service, fault) {
        (_, Fault::Silent | Fault::Held | Fault::ResponseLost) => return None,
        (_, Fault::Error { status, code, message }) => (*status, code.as_str(), message.clone()),
        (Sts, Fault::ExpiredToken) => {
            (403, "ExpiredToken", "The security token included in the request is expired".to_owned())
        }
        (Ec2, Fault::ExpiredToken) => (400, "RequestExpired", "Request has expired.".to_owned()),
        (Sts, Fault::InvalidClientTokenId) => {
            (403, "InvalidClientTokenId", "The security token included in the request is invalid.".to_owned())
        }
        (Ec2, Fault::InvalidClientTokenId) => {
            let message = "AWS was not able to validate the provided access credentials";
            (401, "AuthFailure", message.to_owned())
        }
        (Sts, Fault::AccessDenied) => (403, "AccessDenied", denied("sts")),
        (Ec2, Fault::AccessDenied) => {
            let reason = format!("because no identity-based policy allows the ec2:{action} action");
            let message =
                format!("You are not authorized to perform this operation. {} {reason}", denied("ec2"));
            (403, "UnauthorizedOperation", message)
        }
        (Sts, Fault::Throttling) => (400, "Throttling", "Rate exceeded".to_owned()),
        (Ec2, Fault::Throttling) => (503, "RequestLimitExceeded", "Request limit exceeded.".to_owned()),
        (_, Fault::ServerError { status: 503 } | Fault::ResponseFailed { status: 503 }) => {
            (503, "ServiceUnavailable", "Service is unable to handle request.".to_owned())
        }
        (_, Fault::ServerError { status } | Fault::ResponseFailed { status }) => {
            (*status, "InternalFailure", "An internal error has occurred.".to_owned())
        }
    };
    Some(document(service, status, code, &message))
}

/// An error document of `service`.
pub(super) fn document(service: Service, status: u16, code: &str, message: &str) -> Response {
    let (request, message) = (request_id(), escaped(message));
    let body = match service {
        Service::Sts => {
            let kind = if status < 500 { "Sender" } else { "Receiver" };
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
                 <Type>{kind}</Type>\n    <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  \
                 <RequestId>{request}</RequestId>\n</ErrorResponse>\n"
            )
        }
        Service::Ec2 => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
             <Message>{message}</Message></Error></Errors><RequestID>{request}</RequestID></Response>"
        ),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], body).into_response()
}

/// An identifier of a request, in the form of a UUID.
pub(super) fn request_id() -> String {
    let digits = format!("{:032x}", rand::random::<u128>());
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
