//! Errors of registries, by what the caller has to do about them.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use probe::proxy;
use serde::Deserialize;

use crate::model::image::Digest;
use crate::model::image::ecr::EcrRegistry;
use crate::printable::one_line;
use crate::registry::retry::{MAX_RETRY_AFTER, requested_delay};
use crate::registry::{Cause, MAX_TEXT_LENGTH, Repository};
use crate::transport::credential::CredentialError;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{object} not found in {repository}: check the name, and whether it was deleted{}",
        archive_advice(.repository)
    )]
    NotFound { repository: Repository, object: String },
    #[error("{repository} does not exist or requires a login{}", login_advice(.repository, .trouble.as_deref()))]
    NeedsLogin {
        repository: Repository,
        /// What happened to our login, if there is one.
        trouble: Option<String>,
    },
    #[error("access denied to {repository}: {message}")]
    Denied { repository: Repository, message: String },
    #[error(
        "tag {tag} of {repository} is immutable and exists with another digest: delete the tag in the \
         registry or make its tags mutable, and run again"
    )]
    Immutable { repository: Repository, tag: String },
    #[error(
        "{repository} {} {object}: {}",
        if *.status < 500 || is_full(*.status, .message) { "rejected" } else { "failed on" },
        answer(*.status, .code, .message, .object)
    )]
    Refused { repository: Repository, object: String, status: u16, code: String, message: String },
    #[error("{host} rate limit exceeded{}", limited(.host, .message, *.wait, *.with_login))]
    RateLimited {
        host: String,
        /// The registry's message.
        message: String,
        /// The delay that the registry requested.
        wait: Option<Duration>,
        /// Whether the request was made with our login.
        with_login: bool,
    },
    #[error("{host} cannot be reached{}: {cause}", through(.proxy.as_ref()))]
    Unreachable {
        host: String,
        /// Host and port of the proxy in use.
        proxy: Option<proxy::Address>,
        cause: Cause,
    },
    #[error("digest mismatch in {repository}: expected {expected}, got {actual}")]
    DigestMismatch { repository: Repository, expected: Digest, actual: Digest },
    /// The registry's whole object has another size than its manifest says.
    #[error("size mismatch in {repository}: {object} has {actual} bytes, its manifest says {expected}")]
    SizeMismatch { repository: Repository, object: String, actual: String, expected: u64 },
    #[error("invalid response from {repository}: {what}")]
    InvalidAnswer { repository: Repository, what: String },
    /// Fetching the credential failed.
    #[error(transparent)]
    NoCredential(#[from] CredentialError),
}

/// ECR answers requests for archived images with 404 (Amazon ECR user guide, "Archiving an image").
fn archive_advice(repository: &Repository) -> &'static str {
    if EcrRegistry::of_host(&repository.host).is_some() {
        " or archived; restore an archived image with `aws ecr update-image-storage-class`"
    } else {
        ""
    }
}

/// How to log in: `docker login` calls Docker Hub by no name.
fn login_advice(repository: &Repository, trouble: Option<&str>) -> String {
    let host = &repository.host;
    let login = match host.as_str() {
        "registry-1.docker.io" => "docker login".to_owned(),
        host => format!("docker login {host}"),
    };
    match trouble {
        Some(trouble) => format!(" ({trouble}): check the name, or log in again with `{login}`"),
        None => format!(": check the name, or log in with `{login}`"),
    }
}

fn through(proxy: Option<&proxy::Address>) -> String {
    proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
}

/// Status, code and text of a response if present, and what to do about it.
fn answer(status: u16, code: &str, message: &str, object: &str) -> String {
    let text = answer_text(status, code, message);
    let is_of_content = !code.ends_with("BLOB_UNKNOWN") && code != "NAME_INVALID";
    let advice = match status {
        _ if is_full(status, message) => ": no space left in the registry; free some and run again",
        // A failing server may recover later.
        500.. => " after all retries: run again later",
        400..=499 if object.starts_with("manifest") && is_of_content => {
            ": ask the publisher for an image that this registry accepts, or exclude it with --exclude"
        }
        _ => "",
    };
    format!("{text}{advice}")
}

/// Status, code and text of a response if present.
fn answer_text(status: u16, code: &str, message: &str) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let text = [code, message].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    let text = if text.is_empty() { reason.unwrap_or_default() } else { &text };
    format!("{status} {text}")
}

/// Whether a registry's disk is full. Distribution reports error number 28 of its driver, which is ENOSPC on every
/// system that it supports.
fn is_full(status: u16, message: &str) -> bool {
    status == 507 || message.contains("no space left") || message.contains("\"Err\":28")
}

fn limited(host: &str, message: &str, wait: Option<Duration>, with_login: bool) -> String {
    let text = if message.is_empty() { String::new() } else { format!(" ({message})") };
    // Docker Hub counts pulls with a login by account and those without by address, over hours (docs.docker.com,
    // "Docker Hub pull usage and limits"), so that neither a short wait nor fewer requests help.
    let is_docker_hub = host == "docker.io" || host.ends_with(".docker.io");
    let minutes = wait.filter(|wait| *wait > MAX_RETRY_AFTER).map(|wait| wait.as_secs().div_ceil(60));
    let when = || minutes.map_or("a few hours".to_owned(), |minutes| format!("{minutes} minutes"));
    match minutes {
        _ if is_docker_hub && with_login => format!(
            "{text}: the pull limit of your account is reached; run again in {}, or read through a pull-through \
             cache with --source-registry docker.io=HOST/PATH",
            when()
        ),
        _ if is_docker_hub => format!(
            "{text}: it limits pulls without a login by IP address; log in with `docker login`, or run again in {}",
            when()
        ),
        Some(minutes) => format!("{text}: retry in {minutes} minutes"),
        None => format!("{text} after all retries: run again later, or with fewer --jobs"),
    }
}

impl Error {
    pub(super) const fn needs_login(repository: Repository) -> Self {
        Self::NeedsLogin { repository, trouble: None }
    }

    /// Whether there was no response from the registry at all.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether this may be the answer to HEAD of a registry that has the object and answers GET.
    pub(super) const fn may_concern_head(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Denied { .. } => true,
            Self::Refused { status, .. } => matches!(status, 400 | 405 | 501),
            _ => false,
        }
    }

    /// Whether a registry refuses the content of a manifest: with 405 (ECR), 400 `MANIFEST_INVALID` (distribution) or
    /// another status of this kind, and not because something that it names is missing. The text is its answer.
    pub fn manifest_refusal(&self) -> Option<String> {
        let Self::Refused { object, status, code, message, .. } = self else { return None };
        let is_other = matches!(
            code.as_str(),
            "BLOB_UNKNOWN"
                | "MANIFEST_BLOB_UNKNOWN"
                | "DIGEST_INVALID"
                | "SIZE_INVALID"
                | "NAME_INVALID"
                | "TAG_INVALID"
        );
        let is_refusal =
            object.starts_with("manifest") && matches!(status, 400 | 405 | 406 | 415 | 422) && !is_other;
        is_refusal.then(|| answer_text(*status, code, message))
    }

    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => !matches!(cause, Cause::Blocked(_) | Cause::Dns),
            Self::Refused { status, message, .. } if is_full(*status, message) => false,
            Self::Refused { status, code, .. } => {
                *status >= 500 || matches!(code.as_str(), "BLOB_UPLOAD_UNKNOWN" | "BLOB_UPLOAD_INVALID")
            }
            Self::RateLimited { wait, .. } => wait.is_none_or(|wait| wait <= MAX_RETRY_AFTER),
            _ => false,
        }
    }
}

/// A registry's error description (OCI distribution specification, "Error Codes").
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Diagnosis {
    pub(super) code: String,
    pub(super) message: String,
}

impl Diagnosis {
    pub(super) fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            errors: Option<Vec<Entry>>,
        }
        #[derive(Deserialize)]
        struct Entry {
            code: Option<String>,
            message: Option<String>,
            /// Any JSON value, and often the only informative part.
            #[serde(default)]
            detail: serde_json::Value,
        }
        let body = serde_json::from_slice::<Body>(body).ok();
        let first = body.and_then(|body| body.errors?.into_iter().next());
        first.map_or_else(Self::default, |entry| {
            let code = entry.code.unwrap_or_default();
            let mut message = entry.message.unwrap_or_default();
            if code == "UNKNOWN" && !entry.detail.is_null() {
                message = format!("{message} {}", entry.detail);
            }
            Self { code: one_line(&code, MAX_TEXT_LENGTH), message: one_line(&message, MAX_TEXT_LENGTH) }
        })
    }
}

/// What was requested, for messages.
pub(super) struct Subject<'s> {
    pub(super) repository: &'s Repository,
    /// Such as `manifest v1`.
    pub(super) object: &'s str,
    /// The tag to write, if any.
    pub(super) tag: Option<&'s str>,
}

/// The error for a response without success.
pub(super) fn refused(subject: &Subject<'_>, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let Diagnosis { code, message } = Diagnosis::read(body);
    let repository = subject.repository.clone();
    let immutable = message.contains("immutable") || code == "IMAGE_TAG_ALREADY_EXISTS";
    if let (Some(tag), true) = (subject.tag, immutable) {
        let tag = tag.to_owned();
        return Error::Immutable { repository, tag };
    }
    match (status, code.as_str()) {
        (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN") => {}
        (StatusCode::NOT_FOUND, "NAME_UNKNOWN") => {
            let object = "repository".to_owned();
            return Error::NotFound { repository, object };
        }
        (StatusCode::NOT_FOUND, _) => {
            let object = subject.object.to_owned();
            return Error::NotFound { repository, object };
        }
        (StatusCode::UNAUTHORIZED, _) => return Error::needs_login(repository),
        (StatusCode::FORBIDDEN, _) => {
            let message = if message.is_empty() { "403 without a reason".to_owned() } else { message };
            return Error::Denied { repository, message };
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            let host = repository.host;
            let wait = requested_delay(headers);
            return Error::RateLimited { host, message, wait, with_login: false };
        }
        _ => {}
    }
    // Gateways respond with HTML or an empty body.
    let message = match status.canonical_reason() {
        Some(reason) if code.is_empty() && message.is_empty() => reason.to_owned(),
        _ => message,
    };
    Error::Refused { repository, object: subject.object.to_owned(), status: status.as_u16(), code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_responses_are_classified() {
        let cases = [
            (404, "MANIFEST_UNKNOWN", "", None, "manifest v1 not found in"),
            (404, "NAME_UNKNOWN", "", None, "repository not found in"),
            (401, "UNAUTHORIZED", "", None, "requires a login"),
            (
                403,
                "DENIED",
                "not authorized to perform",
                None,
                "access denied to ghcr.io/a/b: not authorized",
            ),
            (400, "TAG_INVALID", "the repository is immutable", Some("v1"), "tag v1 of"),
            (429, "TOOMANYREQUESTS", "", None, "rate limit exceeded"),
            (405, "UNSUPPORTED", "Invalid JSON syntax", None, "Invalid JSON syntax: ask the publisher"),
            (429, "TOOMANYREQUESTS", "pull rate limit", None, "rate limit exceeded"),
            (500, "UNKNOWN", "write: no space left on device", None, "no space left"),
            (507, "", "", None, "507 Insufficient Storage: no space left in the registry"),
            (502, "", "", None, "ghcr.io/a/b failed on manifest v1: 502 Bad Gateway after all retries"),
            (
                503,
                "",
                "",
                None,
                "ghcr.io/a/b failed on manifest v1: 503 Service Unavailable after all retries",
            ),
            (400, "MANIFEST_INVALID", "", None, "ghcr.io/a/b rejected manifest v1: 400 MANIFEST_INVALID"),
        ];
        let repository = Repository { host: "ghcr.io".to_owned(), path: "a/b".to_owned() };
        for (status, code, message, tag, expected) in cases {
            let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
            let subject = Subject { repository: &repository, object: "manifest v1", tag };
            let status = StatusCode::from_u16(status).unwrap();
            let text = refused(&subject, status, &HeaderMap::new(), body.as_bytes()).to_string();
            assert!(text.contains(expected), "{text}");
            assert!(text.contains("ghcr.io"), "{text}");
        }
    }

    #[test]
    fn only_the_content_of_a_manifest_concerns_its_publisher() {
        for (code, expected) in [
            ("MANIFEST_INVALID", true),
            ("MANIFEST_BLOB_UNKNOWN", false),
            ("BLOB_UNKNOWN", false),
            ("NAME_INVALID", false),
        ] {
            assert_eq!(answer(400, code, "", "manifest v1").contains("publisher"), expected, "{code}");
        }
    }

    #[test]
    fn the_rate_limit_of_docker_hub_names_the_way_out() {
        let limited = |host: &str, wait: Option<u64>, with_login| {
            let (host, message) = (host.to_owned(), "toomanyrequests".to_owned());
            Error::RateLimited { host, message, wait: wait.map(Duration::from_secs), with_login }.to_string()
        };
        for wait in [None, Some(1), Some(21_600)] {
            for host in ["registry-1.docker.io", "auth.docker.io"] {
                let text = limited(host, wait, false);
                assert!(
                    text.starts_with(&format!("{host} rate limit exceeded (toomanyrequests): ")),
                    "{text}"
                );
                assert!(text.contains("`docker login`"), "{text}");
                let text = limited(host, wait, true);
                assert!(!text.contains("docker login"), "{text}");
                let when = if wait == Some(21_600) { "360 minutes" } else { "a few hours" };
                let advice = format!(
                    "the pull limit of your account is reached; run again in {when}, or read through a \
                     pull-through cache with --source-registry docker.io="
                );
                assert!(text.contains(&advice), "{text}");
            }
            assert!(!limited("ghcr.io", wait, false).contains("docker"), "{wait:?}");
        }
    }

    #[test]
    fn a_full_disk_of_distribution_is_recognised() {
        let body = br#"{"errors":[{"code":"UNKNOWN","message":"unknown error",
            "detail":{"DriverName":"filesystem","Enclosed":{"Op":"mkdir","Path":"/data","Err":28}}}]}"#;
        let repository = Repository { host: "registry.example".to_owned(), path: "a/b".to_owned() };
        let subject = Subject { repository: &repository, object: "an upload", tag: None };
        let error = refused(&subject, StatusCode::INTERNAL_SERVER_ERROR, &HeaderMap::new(), body);
        assert!(error.to_string().contains("no space left"), "{error}");
        assert!(!error.is_transient(), "trying again makes no room");
    }

    #[test]
    fn texts_of_servers_are_truncated_and_cannot_control_a_terminal() {
        let body = format!(r#"{{"errors":[{{"code":"X","message":"\u001b[31m{}"}}]}}"#, "x".repeat(1000));
        let text = Diagnosis::read(body.as_bytes()).message;
        assert!(text.contains("[31mx") && !text.contains('\u{1b}'));
        assert_eq!(text.chars().count(), MAX_TEXT_LENGTH + 1);
        assert_eq!(Diagnosis::read(b"<html>"), Diagnosis::default());
    }

    #[test]
    fn an_image_that_ecr_does_not_serve_may_be_archived() {
        for (host, is_ecr) in [("123456789012.dkr.ecr.eu-west-1.amazonaws.com", true), ("ghcr.io", false)] {
            let repository = Repository { host: host.to_owned(), path: "a/b".to_owned() };
            let text = Error::NotFound { repository, object: "manifest v1".to_owned() }.to_string();
            assert_eq!(
                text.contains("or archived; restore an archived image with `aws ecr"),
                is_ecr,
                "{text}"
            );
        }
    }

    #[test]
    fn null_in_an_error_counts_as_absent() {
        let diagnosis = |code: &str, message: &str| Diagnosis { code: code.into(), message: message.into() };
        let cases = [
            (r#"{"errors":null}"#, diagnosis("", "")),
            (r#"{"errors":[]}"#, diagnosis("", "")),
            (r#"{"errors":[{"code":null,"message":"x","detail":null}]}"#, diagnosis("", "x")),
            (r#"{"errors":[{"code":"UNKNOWN","message":null,"detail":null}]}"#, diagnosis("UNKNOWN", "")),
        ];
        for (body, expected) in cases {
            assert_eq!(Diagnosis::read(body.as_bytes()), expected, "{body}");
        }
    }
}
