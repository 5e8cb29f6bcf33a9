//! Authorization of a registry: none, basic, or a token by challenge. Both credentials and tokens are renewed before
//! they expire.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, header};
use http_auth::parser::ChallengeParser;
use serde::Deserialize;
use serde_json::Value;

use crate::registry::Error;
use crate::transport::credential::{Credential, Login};

/// The authorization scheme of a registry, from its first response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Open,
    /// Our login, sent with every request: user and password, or a token that needs no token service.
    Login,
    Bearer(Challenge),
}

/// `WWW-Authenticate: Bearer` (distribution specification, token authentication).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) service: Option<String>,
}

/// What is known about a registry host.
#[derive(Debug)]
pub(super) enum Contact {
    /// The first request finds out; the others wait, so that an unreachable host costs its timeouts once.
    Never,
    Reached(Scheme),
    Unreachable(Error),
}

/// A registry host: its scheme, and one token per set of scopes.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) contact: tokio::sync::Mutex<Contact>,
    tokens: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Token>>>>>,
    pub(super) credential: tokio::sync::Mutex<LookedUp>,
    /// Whether the registry accepted our login, so that a rejection means that it has ended.
    pub(super) is_accepted: AtomicBool,
    /// Whether requests are made with our login, or with tokens for it.
    pub(super) uses_login: AtomicBool,
    /// Whether the scheme was looked for at `/v2/`.
    pub(super) is_pinged: AtomicBool,
    /// What happened to our login, if it was not used or not accepted.
    pub(super) trouble: Mutex<Option<String>>,
}

/// Our login for a host.
#[derive(Debug)]
pub(super) enum LookedUp {
    Not,
    None,
    Found(Arc<Credential>),
}

impl Default for Host {
    fn default() -> Self {
        Self {
            contact: tokio::sync::Mutex::new(Contact::Never),
            tokens: Mutex::default(),
            credential: tokio::sync::Mutex::new(LookedUp::Not),
            is_accepted: AtomicBool::new(false),
            uses_login: AtomicBool::new(false),
            is_pinged: AtomicBool::new(false),
            trouble: Mutex::default(),
        }
    }
}

impl Host {
    /// The slot of the token for `scopes` (single-flight): the holder of its lock fetches, the others wait.
    pub(super) fn token(&self, scopes: &[String]) -> Arc<tokio::sync::Mutex<Option<Token>>> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tokens.entry(scopes.join(" ")).or_default())
    }

    /// Looks our login up again after it was rejected, if it was accepted before. Otherwise it is not sent again: some
    /// registries lock accounts after a few failures.
    pub(super) async fn reject_credential(&self) {
        let mut credential = self.credential.lock().await;
        let LookedUp::Found(rejected) = &*credential else { return };
        let may_have_ended = matches!(rejected.login, Login::Immediate { .. })
            || self.is_accepted.swap(false, Ordering::Relaxed);
        if may_have_ended {
            *credential = LookedUp::Not;
            return;
        }
        self.note_trouble(format!("the login from {} was rejected", rejected.origin));
        *credential = LookedUp::None;
    }

    /// Where our login comes from, if it was accepted.
    pub(super) async fn accepted_login(&self) -> Option<String> {
        match &*self.credential.lock().await {
            LookedUp::Found(credential) if self.is_accepted.load(Ordering::Relaxed) => {
                Some(credential.origin.clone())
            }
            _ => None,
        }
    }

    /// Keeps what happened to our login, for the error of a refused request.
    pub(super) fn note_trouble(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    renew_at: Instant,
}

impl Token {
    /// A token that is renewed after three quarters of its lifetime, or an hour before its end if that is later.
    pub(super) fn new(header: HeaderValue, valid_for: Duration) -> Self {
        let margin = (valid_for / 4).min(Duration::from_hours(1));
        Self { header, renew_at: Instant::now() + valid_for.saturating_sub(margin) }
    }

    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.renew_at
    }
}

/// Header value of a secret, excluded from debug output.
pub(super) fn secret_header(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Lifetime of a token whose response does not state it (distribution specification, token authentication).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);

const MAX_LIFETIME: Duration = Duration::from_hours(24);

#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    /// Any JSON value: a token is valid even if its lifetime cannot be read.
    #[serde(default)]
    expires_in: Value,
}

/// Parses the response of a token service.
///
/// # Errors
/// It contains no token. The text describes the response and quotes nothing of it.
pub(super) fn read_token(body: &[u8]) -> Result<Token, &'static str> {
    let response: TokenResponse =
        serde_json::from_slice(body).map_err(|_| match body.trim_ascii().first() {
            Some(b'{') => "invalid JSON",
            Some(b'<') => "a web page instead of a token",
            Some(_) => "a response that is not JSON",
            None => "an empty response",
        })?;
    let mut tokens = [response.token, response.access_token].into_iter().flatten();
    let token = tokens.find(|token| !token.is_empty()).ok_or("JSON without a token")?;
    let header =
        secret_header("Bearer", &token).ok_or("a token with characters that are invalid in a header")?;
    Ok(Token::new(header, lifetime(&response.expires_in)))
}

/// The lifetime that a response states, as a number or as text, within limits.
fn lifetime(expires_in: &Value) -> Duration {
    let seconds = match expires_in {
        Value::String(text) => text.parse().ok(),
        number => number.as_f64(),
    };
    let stated =
        seconds.filter(|seconds| *seconds >= 1.0).map(|seconds| seconds.min(MAX_LIFETIME.as_secs_f64()));
    stated.map_or(DEFAULT_LIFETIME, Duration::from_secs_f64)
}

/// Whether a response asks for user and password.
pub(super) fn asks_for_password(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut challenges = values.flat_map(|text| ChallengeParser::new(text).map_while(Result::ok));
    challenges.any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"))
}

/// Whether a registry's login may be sent to its token service: on the same host, or on one of the same owner, such as
/// `auth.docker.io` for `registry-1.docker.io` and `gitlab.com` for `registry.gitlab.com`. An address is only its own.
pub(super) fn is_of_one_owner(registry: &str, service: &str) -> bool {
    let is_address =
        |host: &str| host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    let owner = |host: &str| Some(psl::domain_str(host)?.to_ascii_lowercase());
    registry.eq_ignore_ascii_case(service)
        || (!is_address(registry)
            && !is_address(service)
            && owner(registry).is_some_and(|registry| owner(service) == Some(registry)))
}

/// The first Bearer challenge of a response.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(read_challenge)
}

/// The first Bearer challenge of a header that may contain several (RFC 9110, section 11.6.1). Text after a syntax
/// error is ignored.
fn read_challenge(text: &str) -> Option<Challenge> {
    ChallengeParser::new(text)
        .map_while(Result::ok)
        .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))
        .find_map(|challenge| {
            let parameter = |name: &str| {
                let mut values = challenge.params.iter().rev();
                let (_, value) = values.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            Some(Challenge { realm: parameter("realm")?, service: parameter("service") })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_challenges_are_found_among_others() {
        let cases = [
            (
                r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull""#,
                Some(("https://ghcr.io/token", Some("ghcr.io"))),
            ),
            (r#"bearer realm="https://a/t""#, Some(("https://a/t", None))),
            (
                r#"Bearer realm="https://a/t?x=1,2", service=plain"#,
                Some(("https://a/t?x=1,2", Some("plain"))),
            ),
            (
                r#"Basic realm="x", Bearer service="s\"q", realm="https://a/t""#,
                Some(("https://a/t", Some("s\"q"))),
            ),
            (r#"Bearer realm="https://a/t", Basic realm="x""#, Some(("https://a/t", None))),
            (r#"Basic realm="https://a/t",service="ecr.amazonaws.com""#, None),
            (r#"Bearer service="s""#, None),
            (r#"Bearer service="s", Bearer realm="https://a/t""#, Some(("https://a/t", None))),
            (r#"Bearer realm="https://a/1",realm="https://a/2""#, Some(("https://a/2", None))),
            // Cut off, so the realm is unknown.
            (r#"Bearer realm="unterminated"#, None),
            (r#"Bearer realm="https://a/t\"#, None),
            ("Bearer realm=", None),
            ("", None),
            ("=,=", None),
            (",,,", None),
        ];
        for (text, expected) in cases {
            let seen = read_challenge(text);
            let seen =
                seen.as_ref().map(|challenge| (challenge.realm.as_str(), challenge.service.as_deref()));
            assert_eq!(seen, expected, "{text}");
        }
    }

    #[test]
    fn a_challenge_of_any_length_and_shape_is_read_in_one_pass() {
        for part in
            ["=", ",", "\"", "\\", "a", " ", "Bearer ", "Bearer realm=\"", "Bearer realm=x,", "x=\"\\\"\","]
        {
            let text = part.repeat(100_000);
            let realm = read_challenge(&text).map(|challenge| challenge.realm);
            assert!(realm.is_none_or(|realm| realm == "x"), "{part}");
        }
    }

    #[test]
    fn tokens_are_renewed_before_they_expire() {
        let lifetime = |body: &str| {
            let token = read_token(body.as_bytes()).ok()?;
            Some(token.renew_at.saturating_duration_since(Instant::now()).as_secs_f64().round())
        };
        assert_eq!(lifetime(r#"{"token":"x"}"#), Some(45.0));
        assert_eq!(lifetime(r#"{"access_token":"x","expires_in":300}"#), Some(225.0));
        assert_eq!(lifetime(r#"{"token":"","expires_in":300}"#), None);
        assert_eq!(lifetime(r#"{"token":"","access_token":"x","expires_in":400}"#), Some(300.0));
        assert_eq!(lifetime(r#"{"token":null,"access_token":"x"}"#), Some(45.0));
        assert_eq!(lifetime(r#"{"token":"x","access_token":null,"expires_in":null}"#), Some(45.0));
        assert_eq!(lifetime(r#"{"token":null,"access_token":null}"#), None);
        assert_eq!(lifetime(r#"{"details":"denied"}"#), None);
        for (stated, expected) in [
            (r#""400""#, 300.0),
            ("400.0", 300.0),
            ("-1", 45.0),
            (r#""""#, 45.0),
            ("[]", 45.0),
            (r#""NaN""#, 45.0),
            ("0", 45.0),
            ("1e20", 23.0 * 3600.0),
        ] {
            let body = format!(r#"{{"token":"x","expires_in":{stated}}}"#);
            assert_eq!(lifetime(&body), Some(expected), "{stated}");
        }
        for (body, expected) in [
            ("<html>", "a web page instead of a token"),
            ("{}", "JSON without a token"),
            ("", "an empty response"),
            ("nothing", "a response that is not JSON"),
            (r#"{"token":"#, "invalid JSON"),
            (r#"{"token":"a\nb"}"#, "a token with characters that are invalid in a header"),
        ] {
            assert_eq!(read_token(body.as_bytes()).err(), Some(expected), "{body}");
        }
        let twelve_hours = Duration::from_hours(12);
        let token = Token::new(HeaderValue::from_static("x"), twelve_hours);
        let left = token.renew_at.saturating_duration_since(Instant::now());
        assert!(left > Duration::from_hours(10) && left < twelve_hours);
    }

    #[test]
    fn a_login_stays_with_its_owner() {
        for (registry, service, expected) in [
            ("ghcr.io", "ghcr.io", true),
            ("registry-1.docker.io", "auth.docker.io", true),
            ("registry.gitlab.com", "gitlab.com", true),
            ("harbor.shop.co.uk", "HARBOR.shop.co.uk", true),
            ("harbor.shop.co.uk", "tokens.other.co.uk", false),
            ("ghcr.io", "evil.io", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.5", "203.7.0.5", false),
            ("[::1]", "[::2]", false),
            ("127.0.0.1", "localhost", false),
            ("registry", "tokens", false),
            ("a.s3.amazonaws.com", "b.s3.amazonaws.com", false),
        ] {
            assert_eq!(is_of_one_owner(registry, service), expected, "{registry} {service}");
        }
    }

    #[test]
    fn tokens_do_not_show_in_debug_output() {
        let token = read_token(br#"{"token":"very-secret"}"#).unwrap();
        assert!(!format!("{token:?}").contains("very-secret"));
    }
}
