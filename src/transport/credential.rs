//! The credential that a server accepts. Sources of credentials create it; clients that send it do not depend on the
//! source.

use std::time::Duration;

use secrecy::SecretString;

/// How to log in, and who says so.
#[derive(Clone, Debug)]
pub struct Credential {
    pub login: Login,
    /// For messages, such as `~/.docker/config.json`.
    pub origin: String,
}

#[derive(Clone, Debug)]
pub enum Login {
    /// A login by the `Basic` scheme (RFC 7617) that goes with the first request, before any challenge.
    Immediate {
        /// User and password, encoded for the header.
        basic: SecretString,
        /// Remaining lifetime.
        valid_for: Duration,
    },
    /// User and password, encoded for the header: for a `Basic` challenge, or to get a token.
    Password(SecretString),
    /// To get a token with an `OAuth2` request (distribution specification, `OAuth2` token authentication).
    IdentityToken(SecretString),
    /// A token that the registry itself accepts.
    RegistryToken(SecretString),
}

/// An expected credential could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    pub message: String,
    /// What that means for requests.
    pub consequence: Consequence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Every other request would fail too.
    EverythingFails,
    /// Requests to this host would fail.
    HostFails,
    /// Public content can be read anyway.
    Anonymous,
}
