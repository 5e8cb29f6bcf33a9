//! Errors of cluster requests, in kubectl's words, because users search for them, and in one line.

mod foreign_response;

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::process::ExitStatus;

use http::StatusCode;
use kube::core::Status;
use probe::proxy;
use serde_json::error::Category;

pub(super) use self::foreign_response::ForeignResponses;
use self::foreign_response::with_reason;
use crate::error::CommandError;
use crate::parse::cause;
use crate::printable::one_line;
use crate::transport::fault::{Fault, causes};

/// Maximum length of repeated text of a server or pod, in characters.
const MAX_TEXT_LENGTH: usize = 1000;

/// Kinds of errors that callers distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The kubeconfig, a flag or a credential plugin is the cause.
    Config,
    Unreachable,
    Unauthorized,
    Forbidden,
    NotFound,
    /// The object was changed in the meantime (409).
    Conflict,
    /// The continue token of a list expired (410).
    Expired,
    /// The server rejects the content (422), also if a `test` of a JSON patch fails.
    Invalid,
    /// An admission webhook or policy denied the request.
    Denied,
    Other,
}

/// One line in kubectl's words, and a hint if we know one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    transient: bool,
}

impl Error {
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    pub(super) fn config(message: impl AsRef<str>, hint: Option<&str>) -> Self {
        Self { hint: hint.map(plain), ..Self::new(ErrorKind::Config, format!("error: {}", message.as_ref())) }
    }

    pub(super) fn other(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Other, format!("error: {}", message.as_ref()))
    }

    /// An object that does not match its kind's schema. Its values may be secret.
    pub(super) fn malformed(name: impl Display, error: &(dyn StdError + 'static)) -> Self {
        let chain = causes(error);
        let json = chain.iter().find_map(|error| error.downcast_ref::<serde_json::Error>());
        let cause = json.map_or_else(|| "invalid value".to_owned(), cause::json);
        Self::other(format!("{name} cannot be parsed: {cause}"))
    }

    /// Converts kube's error for a request over this `server_route`.
    pub(super) fn from_kube(error: &kube::Error, server_route: &ServerRoute) -> Self {
        if let kube::Error::Api(status) = error {
            let error = Self::from_status(&with_reason(status));
            let is_refused = matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::Forbidden);
            return if is_refused && server_route.is_plain() {
                Self { hint: Some(NOT_SENT.to_owned()), ..error }
            } else {
                error
            };
        }
        let chain = causes(error);
        // Credentials are renewed while a request is sent.
        if let Some(error) = chain.iter().find_map(|error| error.downcast_ref::<Self>()) {
            return error.clone();
        }
        if let kube::Error::SerdeError(error) = error {
            let cause = match error.classify() {
                Category::Eof if error.line() <= 1 && error.column() == 0 => "it is empty".to_owned(),
                _ => cause::json(error),
            };
            let message = format!("cannot read the server's response: {cause}");
            return Self { hint: Some(FOREIGN.to_owned()), ..Self::other(message) };
        }
        if matches!(error, kube::Error::BuildRequest(_) | kube::Error::FromUtf8(_)) {
            return Self::other(format!("cannot read the server's response: {error}"));
        }
        let server = server_route.server.as_str();
        let through = server_route.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}"));
        let through = through.unwrap_or_default();
        if let Some(fault) = Fault::classify(error) {
            let hint = match &fault {
                Fault::UntrustedIssuer => UNTRUSTED,
                fault => fault.advice(),
            };
            let message = format!("Unable to connect to the server{through}: {fault}");
            return Self { hint: Some(hint.to_owned()), ..Self::new(ErrorKind::Unreachable, message) };
        }
        let kind =
            chain.iter().rev().find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
        let last = chain.last().map(ToString::to_string).unwrap_or_default();
        match (kind, &server_route.proxy) {
            (Some(io::ErrorKind::ConnectionRefused), Some(proxy)) => Self {
                hint: Some(format!(
                    "the proxy is set in HTTPS_PROXY or the cluster's proxy-url; if {server} can be \
                     reached directly, add its host to NO_PROXY"
                )),
                ..Self::new(
                    ErrorKind::Unreachable,
                    format!("Unable to connect to the server: the proxy {proxy} refused the connection"),
                )
            },
            (Some(io::ErrorKind::ConnectionRefused), None) => Self {
                transient: true,
                ..Self::new(
                    ErrorKind::Unreachable,
                    format!(
                        "The connection to the server {} was refused - did you specify the right host or port?",
                        server.split("://").last().unwrap_or(server).trim_end_matches('/')
                    ),
                )
            },
            (Some(io::ErrorKind::TimedOut), _) => Self::timed_out(server_route),
            _ => Self {
                transient: true,
                ..Self::new(
                    ErrorKind::Unreachable,
                    format!("Unable to connect to the server{through}: {last}"),
                )
            },
        }
    }

    /// No response within `--request-timeout`.
    pub(super) fn timed_out(server_route: &ServerRoute) -> Self {
        let server = &server_route.server;
        let through = server_route.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}"));
        let message = format!("Unable to connect to the server{}: timed out", through.unwrap_or_default());
        let hint = format!(
            "{server} did not respond: check whether a VPN or bastion is needed (timeout: --request-timeout)"
        );
        Self { hint: Some(hint), ..Self::new(ErrorKind::Unreachable, message) }
    }

    fn from_status(status: &Status) -> Self {
        let message = &status.message;
        let denied = message.contains("admission webhook") || message.contains("ValidatingAdmissionPolicy");
        let kind = match status.code {
            401 => ErrorKind::Unauthorized,
            _ if denied => ErrorKind::Denied,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            410 => ErrorKind::Expired,
            422 => ErrorKind::Invalid,
            _ => ErrorKind::Other,
        };
        let text = match kind {
            ErrorKind::Unauthorized => "error: You must be logged in to the server (Unauthorized)".to_owned(),
            ErrorKind::Invalid => invalid(status),
            _ if status.reason.is_empty() => format!("Error from server: {message}"),
            _ => format!("Error from server ({}): {message}", status.reason),
        };
        let hint = match kind {
            ErrorKind::Unauthorized => {
                Some("the credentials of this context have expired or are unknown to the cluster")
            }
            ErrorKind::Forbidden if message.contains("\"system:anonymous\"") => {
                Some("no credentials found for the context's user: see `kubectl config view --minify`")
            }
            ErrorKind::Forbidden => Some(
                "compare `kubectl auth can-i --list` with `kubectl castai-privatelink permissions rbac`; if \
                 access is limited to one namespace, pass -n",
            ),
            _ => None,
        };
        let hint = hint.map(str::to_owned);
        Self { hint, transient: matches!(status.code, 429 | 500 | 502 | 503 | 504), ..Self::new(kind, text) }
    }

    /// Something else responded in place of a Kubernetes API.
    pub(super) fn foreign(what: &str, status: StatusCode) -> Self {
        let error = Self::other(format!("no Kubernetes API responded: {what}"));
        Self { hint: Some(FOREIGN.to_owned()), transient: status.is_server_error(), ..error }
    }

    /// A credential plugin failed. Its output is not repeated.
    pub(super) fn plugin(command: &str, hint: Option<&str>, failure: &PluginFailure) -> Self {
        let prefix = "Unable to connect to the server: getting credentials: exec: executable";
        let (message, hint) = match failure {
            PluginFailure::NotStarted(start) if start.kind() == io::ErrorKind::NotFound => (
                format!("{prefix} {command} not found"),
                Some(hint.map_or_else(|| install_hint(command), str::to_owned)),
            ),
            PluginFailure::NotStarted(start) => {
                (format!("{prefix} {command} failed to start: {start}"), None)
            }
            PluginFailure::Failed(status) => (
                format!("{prefix} {command} failed with {status}"),
                Some(format!("its output is above; run it by hand, with {ARGUMENTS}")),
            ),
            PluginFailure::Unreadable => (
                format!("{prefix} {command} printed no ExecCredential (JSON with a status)"),
                Some(format!("run it by hand, with {ARGUMENTS}")),
            ),
            PluginFailure::OtherVersion(version) => (
                format!(
                    "{prefix} {command} printed no ExecCredential of {version}, as its apiVersion requires"
                ),
                Some(format!("run it by hand, with {ARGUMENTS}; set the apiVersion that it prints")),
            ),
            PluginFailure::NoCredential => (
                format!("{prefix} {command} printed neither a token nor a certificate with its key"),
                Some(format!("log in again; to see what it prints, run it by hand, with {ARGUMENTS}")),
            ),
            PluginFailure::HalfIdentity => (
                format!("{prefix} {command} printed only a certificate or only a key"),
                Some(format!("run it by hand, with {ARGUMENTS}")),
            ),
            PluginFailure::NoTerminal => (
                format!("{prefix} {command} requires a terminal (interactiveMode: Always)"),
                Some("log in with kubectl first, or pass --token".to_owned()),
            ),
        };
        Self { hint: hint.as_deref().map(plain), ..Self::new(ErrorKind::Config, message) }
    }

    fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: plain(message.as_ref()), hint: None, transient: false }
    }
}

/// How requests reach the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerRoute {
    /// The server's URL.
    pub(super) server: String,
    /// Host and port of the proxy, without credentials.
    pub(super) proxy: Option<proxy::Address>,
}

impl ServerRoute {
    /// Whether the server uses plain HTTP and so no credentials were sent, as in kubectl.
    fn is_plain(&self) -> bool {
        self.server.starts_with("http://")
    }
}

/// Why a credential plugin failed.
#[derive(Debug)]
pub(super) enum PluginFailure {
    NotStarted(io::Error),
    Failed(ExitStatus),
    Unreadable,
    /// Its output is not of the version of the kubeconfig, which is one of those that are supported.
    OtherVersion(String),
    /// It has neither a token nor a certificate.
    NoCredential,
    /// It has a certificate without its key, or a key without its certificate.
    HalfIdentity,
    /// It requires a terminal.
    NoTerminal,
}

/// The arguments are not repeated, because some plugins take secrets there.
const ARGUMENTS: &str = "the arguments that `kubectl config view --minify` shows";

const FOREIGN: &str = "check that the server of the context is a Kubernetes API, and whether a proxy or a login page \
                       responds in its place (HTTPS_PROXY, NO_PROXY)";

const NOT_SENT: &str = "credentials are not sent over plain HTTP (as in kubectl): use an https:// URL";

/// The cluster's certificate authority comes from the kubeconfig, not from the trusted roots.
const UNTRUSTED: &str = "the context's certificate-authority belongs to another cluster, or a proxy \
                         inspects TLS; for EKS, run `aws eks update-kubeconfig --name <cluster>`";

fn install_hint(command: &str) -> String {
    let known = match command.rsplit(['/', '\\']).next().unwrap_or(command) {
        "aws" => "the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
        "aws-iam-authenticator" => {
            "aws-iam-authenticator, or run `aws eks update-kubeconfig`, which does not need it"
        }
        _ => "it",
    };
    format!("the kubeconfig's user gets its credentials from `{command}`: install {known}, or pass --token")
}

/// kubectl's message for 422: the object, and each cause with its field.
fn invalid(status: &Status) -> String {
    let details = status.details.as_ref();
    let subject = details.filter(|details| !details.kind.is_empty()).map_or_else(
        || "The request is invalid".to_owned(),
        |details| format!("The {} \"{}\" is invalid", details.kind, details.name),
    );
    let causes: Vec<String> = details
        .map(|details| &details.causes)
        .into_iter()
        .flatten()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    if causes.is_empty() {
        format!("{subject}: {}", status.message)
    } else {
        format!("{subject}: {}", causes.join("; "))
    }
}

/// A server's or pod's text, safe for a terminal.
pub(super) fn plain(text: &str) -> String {
    one_line(text, MAX_TEXT_LENGTH)
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self { hint: error.hint().map(str::to_owned), ..Self::new(error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, reason).with_code(code).boxed())
    }

    #[test]
    fn server_errors_use_kubectls_words() {
        let cases = [
            (
                status(403, "Forbidden", "pods is forbidden"),
                ErrorKind::Forbidden,
                "Error from server (Forbidden): pods is forbidden",
            ),
            (
                status(404, "NotFound", "pods \"x\" not found"),
                ErrorKind::NotFound,
                "Error from server (NotFound): pods \"x\" not found",
            ),
            (
                status(409, "Conflict", "changed"),
                ErrorKind::Conflict,
                "Error from server (Conflict): changed",
            ),
            (
                status(401, "Unauthorized", "Unauthorized"),
                ErrorKind::Unauthorized,
                "error: You must be logged in to the server (Unauthorized)",
            ),
            (
                status(422, "Invalid", "the server rejected our request due to an error in our request"),
                ErrorKind::Invalid,
                "The request is invalid: the server rejected our request due to an error in our request",
            ),
            (
                status(403, "Forbidden", "admission webhook \"x\" denied the request: no"),
                ErrorKind::Denied,
                "Error from server (Forbidden): admission webhook \"x\" denied the request: no",
            ),
            (status(500, "", "boom\u{1b}[31m\nmore"), ErrorKind::Other, "Error from server: boom [31m more"),
        ];
        for (error, kind, text) in cases {
            let error = Error::from_kube(&error, &ServerRoute::default());
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        }
    }

    #[test]
    fn a_missing_credential_plugin_is_reported_with_an_install_hint() {
        let missing = PluginFailure::NotStarted(io::Error::from(io::ErrorKind::NotFound));
        let error = Error::plugin("aws", None, &missing);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "Unable to connect to the server: getting credentials: exec: executable aws not found"
        );
        assert!(error.hint().unwrap().contains("install the AWS CLI"), "{error:?}");
    }

    #[test]
    fn a_refused_connection_names_the_server_and_is_transient() {
        let refused = kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        let server_route =
            ServerRoute { server: "https://10.0.0.1:6443/".to_owned(), ..ServerRoute::default() };
        let error = Error::from_kube(&refused, &server_route);
        assert_eq!(
            error.to_string(),
            "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"
        );
        assert!(error.is_transient());
        assert_eq!(error.kind(), ErrorKind::Unreachable);
    }
}
