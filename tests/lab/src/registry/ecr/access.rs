//! Authentication and permissions: access keys for the API, passwords for the registry, and denied actions.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::api::ApiError;
use super::policy::Policy;
use crate::address::{ACCOUNT, REGION};
use crate::registry::upstream::{header, hexadecimal};

/// How long a password of `GetAuthorizationToken` is valid (API reference).
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);
const NODE: &str = "assumed-role/demo-node/i-0a1b2c3d4e5f60718";
/// The permissions of nodes with `AmazonEC2ContainerRegistryReadOnly` or the pull-only policy.
const NODE_ACTIONS: [&str; 4] =
    ["BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer", "ListImages"];

/// The state of the caller's access keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    #[default]
    Valid,
    /// Like an expired session.
    Expired,
    /// Like deleted keys.
    Unrecognized,
}

/// The client of a request to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Caller,
    Node,
}

/// Why a password is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Missing,
    Unknown,
    Expired,
}

pub struct Access {
    keys: BTreeSet<String>,
    caller: String,
    node_token: String,
    changing: Mutex<Changing>,
}

struct Changing {
    credentials: Credentials,
    denied: BTreeSet<String>,
    /// Without a policy, the caller may do everything that is not denied.
    policy: Option<Policy>,
    lifetime: Duration,
    passwords: HashMap<String, Instant>,
}

impl Access {
    pub fn new(keys: Vec<String>, caller: String) -> Self {
        let changing = Changing {
            credentials: Credentials::Valid,
            denied: BTreeSet::new(),
            policy: None,
            lifetime: TOKEN_LIFETIME,
            passwords: HashMap::new(),
        };
        Self {
            keys: keys.into_iter().collect(),
            caller,
            node_token: password(),
            changing: Mutex::new(changing),
        }
    }

    pub fn node_token(&self) -> String {
        self.node_token.clone()
    }

    pub fn set_credentials(
        &self,
        credentials: Credentials,
        denied: BTreeSet<String>,
        policy: Option<Policy>,
    ) {
        let mut changing = self.changing();
        changing.credentials = credentials;
        changing.denied = denied;
        changing.policy = policy;
    }

    pub fn set_lifetime(&self, lifetime: Duration) {
        self.changing().lifetime = lifetime;
    }

    /// Expires all issued passwords.
    pub fn expire_passwords(&self) {
        let now = Instant::now();
        self.changing().passwords.values_mut().for_each(|expires| *expires = now);
    }

    /// A new password for the caller, and its lifetime.
    pub fn issue(&self) -> (String, Duration) {
        let mut changing = self.changing();
        let (password, lifetime) = (password(), changing.lifetime);
        changing.passwords.insert(password.clone(), Instant::now() + lifetime);
        (password, lifetime)
    }

    /// Checks the access key id of a signed request, and not its signature.
    pub fn signed(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let authorization = header(headers, AUTHORIZATION.as_str());
        let Some(credential) = authorization.strip_prefix("AWS4-HMAC-SHA256 ").and_then(|fields| {
            fields
                .split(", ")
                .flat_map(|field| field.split(','))
                .find_map(|field| field.trim().strip_prefix("Credential="))
        }) else {
            return Err(ApiError::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
        };
        let mut scope = credential.split('/');
        let known = scope.next().is_some_and(|key| self.keys.contains(key));
        let region = scope.nth(1).unwrap_or_default();
        match self.changing().credentials {
            Credentials::Expired => Err(ApiError::new(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            )),
            Credentials::Valid if known && region == REGION => Ok(()),
            Credentials::Valid if known => Err(ApiError::new(
                "InvalidSignatureException",
                &format!("Credential should be scoped to a valid region, not '{region}'."),
            )),
            Credentials::Valid | Credentials::Unrecognized => Err(ApiError::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )),
        }
    }

    /// Checks the password of a request to the registry.
    pub fn login(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let authorization = header(headers, AUTHORIZATION.as_str());
        let encoded = authorization.strip_prefix("Basic ").ok_or(Refusal::Missing)?;
        let decoded = STANDARD.decode(encoded).map_err(|_| Refusal::Unknown)?;
        let decoded = String::from_utf8(decoded).map_err(|_| Refusal::Unknown)?;
        let password = decoded.strip_prefix("AWS:").ok_or(Refusal::Unknown)?;
        if password == self.node_token {
            return Ok(Principal::Node);
        }
        match self.changing().passwords.get(password) {
            Some(expires) if *expires > Instant::now() => Ok(Principal::Caller),
            Some(_) => Err(Refusal::Expired),
            None => Err(Refusal::Unknown),
        }
    }

    /// Checks that an action on a resource is allowed; the error has IAM's wording.
    pub fn allow(&self, principal: Principal, action: &str, resource: &str) -> Result<(), String> {
        let (arn, denied) = match principal {
            Principal::Caller => {
                let changing = self.changing();
                let is_allowed =
                    changing.policy.as_ref().is_none_or(|policy| policy.allows(action, resource));
                (self.caller.clone(), changing.denied.contains(action) || !is_allowed)
            }
            Principal::Node => (format!("arn:aws:sts::{ACCOUNT}:{NODE}"), !NODE_ACTIONS.contains(&action)),
        };
        if !denied {
            return Ok(());
        }
        Err(format!(
            "User: {arn} is not authorized to perform: ecr:{action} on resource: {resource} because no \
             identity-based policy allows the ecr:{action} action"
        ))
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn password() -> String {
    STANDARD.encode(hexadecimal(&rand::rng().random::<[u8; 48]>()))
}
