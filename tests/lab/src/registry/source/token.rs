//! Anonymous bearer tokens: granted per repository, in the format of each registry, with an expiry.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use rand::Rng as _;
use serde_json::{Value, json};

use super::{Desk, Registry};
use crate::registry::route::{refuse, url_pairs};
use crate::registry::upstream::{header, hexadecimal};

/// The valid tokens.
#[derive(Default)]
pub struct Tokens {
    granted: Mutex<HashMap<String, Grant>>,
    lifetime: Mutex<Option<Duration>>,
}

struct Grant {
    registry: Registry,
    repositories: BTreeSet<String>,
    expires: Instant,
}

/// The permissions of a request's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No token, or an unknown one.
    Stranger,
    /// A token that has expired or was revoked.
    Ended,
    /// A valid token for another repository.
    Elsewhere,
    Allowed,
}

impl Tokens {
    pub fn set_lifetime(&self, lifetime: Duration) {
        *self.lifetime.lock().unwrap_or_else(PoisonError::into_inner) = Some(lifetime);
    }

    /// Expires the tokens of the registry with this name, or of all.
    pub fn revoke(&self, host: Option<&str>) {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let ended =
            granted.values_mut().filter(|grant| host.is_none_or(|host| grant.registry.store() == host));
        ended.for_each(|grant| grant.expires = Instant::now());
    }

    /// Docker Hub documents 300 s; tokens of nvcr.io contain 600 s (sapcc/keppel pull request 731).
    fn lifetime(&self, registry: Registry) -> Duration {
        let chosen = *self.lifetime.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.unwrap_or(match registry {
            Registry::DockerHub | Registry::Ghcr => Duration::from_mins(5),
            Registry::Nvidia => Duration::from_mins(10),
            Registry::Artifact | Registry::Kubernetes => Duration::from_hours(1),
        })
    }

    fn grant(&self, registry: Registry, token: String, repositories: BTreeSet<String>) {
        let expires = Instant::now() + self.lifetime(registry);
        let grant = Grant { registry, repositories, expires };
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(token, grant);
    }

    /// The permissions of the bearer for `repository`; without one, whether the token is valid at all.
    pub fn standing(&self, registry: Registry, headers: &HeaderMap, repository: Option<&str>) -> Standing {
        let authorization = header(headers, AUTHORIZATION.as_str());
        let Some(token) = authorization.strip_prefix("Bearer ") else {
            return Standing::Stranger;
        };
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        match granted.get(token) {
            Some(grant) if grant.registry != registry => Standing::Stranger,
            Some(grant) if grant.expires <= Instant::now() => Standing::Ended,
            Some(grant) => match repository {
                Some(repository) if !grant.repositories.contains(repository) => Standing::Elsewhere,
                _ => Standing::Allowed,
            },
            None => Standing::Stranger,
        }
    }
}

/// `GET …/token?service=…&scope=repository:NAME:pull`, any number of scopes.
pub async fn grant(State(desk): State<Desk>, request: Request) -> Response {
    let Desk { registry, world } = desk;
    let mut repositories = BTreeSet::new();
    for (name, value) in url_pairs(request.uri().query().unwrap_or_default()) {
        if name != "scope" {
            continue;
        }
        for scope in value.split(' ') {
            let Some((repository, actions)) =
                scope.strip_prefix("repository:").and_then(|scope| scope.rsplit_once(':'))
            else {
                continue;
            };
            let exists = world.upstream.holds(&format!("{}/{repository}", registry.store())).await;
            if matches!(exists, Ok(true)) && actions.split(',').any(|action| action == "pull") {
                repositories.insert(repository.to_owned());
            } else if registry == Registry::Ghcr {
                // GHCR refuses the token if the package is private or missing.
                return refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
            } else if registry == Registry::Nvidia {
                return refuse(StatusCode::FORBIDDEN, "DENIED", "requested access to the resource is denied");
            }
        }
    }
    let lifetime = world.tokens.lifetime(registry).as_secs();
    let issued = jiff::Timestamp::now();
    let secret = hexadecimal(&rand::rng().random::<[u8; 24]>());
    let (token, mut answer) = match registry {
        Registry::Artifact | Registry::Kubernetes => {
            (format!("ya29.{secret}"), json!({"expires_in": lifetime, "issued_at": issued.to_string()}))
        }
        Registry::Ghcr => (URL_SAFE_NO_PAD.encode(format!("v1:{secret}")), json!({})),
        Registry::Nvidia => {
            let names = ("authn.nvidia.com", "registry");
            (web_token(names, &repositories, issued.as_second(), lifetime, &secret), json!({}))
        }
        Registry::DockerHub => {
            let names = ("auth.docker.io", "registry.docker.io");
            let token = web_token(names, &repositories, issued.as_second(), lifetime, &secret);
            let answer = json!({
                "access_token": token, "expires_in": lifetime, "issued_at": issued.to_string(),
            });
            (token, answer)
        }
    };
    answer["token"] = Value::from(token.as_str());
    world.tokens.grant(registry, token, repositories);
    Json(answer).into_response()
}

/// A token in JWT format, with the names of its issuer and its audience; its signature is random.
fn web_token(
    (issuer, audience): (&str, &str),
    repositories: &BTreeSet<String>,
    issued: i64,
    lifetime: u64,
    secret: &str,
) -> String {
    let access: Vec<Value> = repositories
        .iter()
        .map(|name| json!({"type": "repository", "name": name, "actions": ["pull"]}))
        .collect();
    let claims = json!({
        "iss": issuer, "aud": audience, "sub": "", "jti": secret,
        "iat": issued, "nbf": issued, "exp": issued + i64::try_from(lifetime).unwrap_or(i64::MAX / 2),
        "access": access,
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({"alg": "RS256", "typ": "JWT"});
    format!("{}.{}.{}", encode(&head), encode(&claims), URL_SAFE_NO_PAD.encode(secret))
}
