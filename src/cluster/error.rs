//! What went wrong with the cluster, in kubectl's words and in one line, since users search for those words.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::process::ExitStatus;

use kube::core::Status;

use crate::error::CommandError;
use crate::parse::cause;
use crate::printable::one_line;
use crate::transport::fault::{Fault, causes};

/// Longest text of a server or pod that is repeated, in characters.
const LONGEST_TEXT: usize = 1000;

/// The cases that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The kubeconfig, a flag or a credential plugin is at fault.
    Config,
    Unreachable,
    Unauthorized,
    Forbidden,
    NotFound,
    /// The object changed meanwhile (409).
    Conflict,
    /// The server has forgotten how far a list was read (410).
    Expired,
    /// The server refuses the content (422), which is also how a failed `test` of a JSON patch answers.
    Invalid,
    /// An admission webhook or policy said no.
    Denied,
    Other,
}

/// One line in kubectl's words, and where we know it one line on what to do.
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

    /// Whether the same request may succeed in a moment.
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    pub(super) fn config(message: impl AsRef<str>, hint: Option<&str>) -> Self {
        Self { hint: hint.map(plain), ..Self::new(ErrorKind::Config, format!("error: {}", message.as_ref())) }
    }

    pub(super) fn other(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::Other, format!("error: {}", message.as_ref()))
    }

    /// An object that is not what its kind is like. Its values may be secret.
    pub(super) fn malformed(name: impl Display, error: &(dyn StdError + 'static)) -> Self {
        let chain = causes(error);
        let json = chain.iter().find_map(|error| error.downcast_ref::<serde_json::Error>());
        let cause = json.map_or_else(|| "it holds an invalid value".to_owned(), cause::json);
        Self::other(format!("{name} cannot be understood: {cause}"))
    }

    /// Reads kube's error of a request that went this `way`.
    pub(super) fn from_kube(error: &kube::Error, way: &Way) -> Self {
        if let kube::Error::Api(status) = error {
            let error = Self::from_status(status);
            let is_refused = matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::Forbidden);
            return if is_refused && way.is_plain() {
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
            let cause = cause::json(error);
            return Self::other(format!("the answer of the server cannot be read: {cause}"));
        }
        if matches!(error, kube::Error::BuildRequest(_) | kube::Error::FromUtf8(_)) {
            return Self::other(format!("the answer of the server cannot be read: {error}"));
        }
        let server = way.server.as_str();
        let through = way.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}"));
        let through = through.unwrap_or_default();
        if let Some(fault) = Fault::of(error) {
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
        match (kind, &way.proxy) {
            (Some(io::ErrorKind::ConnectionRefused), Some(proxy)) => Self {
                hint: Some(format!(
                    "HTTPS_PROXY or the cluster's proxy-url names it; where {server} can be reached without it, add its host to NO_PROXY"
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
            (Some(io::ErrorKind::TimedOut), _) => Self {
                hint: Some(format!(
                    "{server} does not answer: is a VPN or bastion needed? (--request-timeout sets how long we wait)"
                )),
                ..Self::new(
                    ErrorKind::Unreachable,
                    format!("Unable to connect to the server{through}: timed out"),
                )
            },
            _ => Self {
                transient: true,
                ..Self::new(
                    ErrorKind::Unreachable,
                    format!("Unable to connect to the server{through}: {last}"),
                )
            },
        }
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
            ErrorKind::Unauthorized => Some(
                "the credentials of this context have expired or belong to nobody that the cluster knows",
            ),
            ErrorKind::Forbidden if message.contains("\"system:anonymous\"") => Some(
                "nobody is logged in: the context's user gave no credentials; `kubectl config view --minify` shows it",
            ),
            ErrorKind::Forbidden => Some(
                "`kubectl auth can-i --list` shows what this user may do, `kubectl castai-privatelink permissions rbac` prints what is needed; -n looks at one namespace alone",
            ),
            _ => None,
        };
        let hint = hint.map(str::to_owned);
        Self { hint, transient: matches!(status.code, 429 | 500 | 502 | 503 | 504), ..Self::new(kind, text) }
    }

    /// A credential plugin that gives no credentials. What it printed is not repeated.
    pub(super) fn plugin(command: &str, hint: Option<&str>, failure: &PluginFailure) -> Self {
        let prefix = "Unable to connect to the server: getting credentials: exec: executable";
        let (message, hint) = match failure {
            PluginFailure::NotStarted(start) if start.kind() == io::ErrorKind::NotFound => (
                format!("{prefix} {command} not found"),
                Some(hint.map_or_else(|| install_hint(command), str::to_owned)),
            ),
            PluginFailure::NotStarted(start) => {
                (format!("{prefix} {command} cannot be started: {start}"), None)
            }
            PluginFailure::Failed(status) => (
                format!("{prefix} {command} failed with {status}"),
                Some(format!("its own words are above; try it alone, with {ARGUMENTS}")),
            ),
            PluginFailure::Unreadable => (
                format!("{prefix} {command} printed no ExecCredential, which is JSON with a status"),
                Some(format!("see what it prints, with {ARGUMENTS}")),
            ),
        };
        Self { hint: hint.as_deref().map(plain), ..Self::new(ErrorKind::Config, message) }
    }

    fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: plain(message.as_ref()), hint: None, transient: false }
    }
}

/// How requests get to the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The server's URL.
    pub(super) server: String,
    /// Host and port of the proxy, without a login.
    pub(super) proxy: Option<String>,
}

impl Way {
    /// Whether no credentials were sent, as in kubectl.
    fn is_plain(&self) -> bool {
        self.server.starts_with("http://")
    }
}

/// Why a credential plugin gave no credentials.
#[derive(Debug)]
pub(super) enum PluginFailure {
    NotStarted(io::Error),
    Failed(ExitStatus),
    Unreadable,
}

/// The arguments themselves are not repeated: some plugins take secrets there.
const ARGUMENTS: &str = "the arguments that `kubectl config view --minify` shows";

const NOT_SENT: &str =
    "as in kubectl, credentials are not sent to a server with plain HTTP: use its https:// URL";

/// A cluster's authority stands in the kubeconfig, and not among the trusted roots.
const UNTRUSTED: &str = "the context's certificate-authority is another cluster's, or something inspects TLS on the \
                         way; for EKS, `aws eks update-kubeconfig --name <cluster>` writes it anew";

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

/// kubectl's wording for 422: what it is, and each cause with its field.
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

/// A server's or pod's text, fit for a terminal.
pub(super) fn plain(text: &str) -> String {
    one_line(text, LONGEST_TEXT)
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, reason).with_code(code).boxed())
    }

    #[test]
    fn answers_of_the_server_are_told_in_kubectls_words() {
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
            let error = Error::from_kube(&error, &Way::default());
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        }
    }

    #[test]
    fn a_missing_credential_plugin_is_named_with_the_way_to_get_it() {
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
    fn a_refused_connection_names_the_server_and_may_be_tried_again() {
        let refused = kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        let way = Way { server: "https://10.0.0.1:6443/".to_owned(), ..Way::default() };
        let error = Error::from_kube(&refused, &way);
        assert_eq!(
            error.to_string(),
            "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?"
        );
        assert!(error.is_transient());
        assert_eq!(error.kind(), ErrorKind::Unreachable);
    }
}
