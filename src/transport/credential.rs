//! The credential that a server accepts. Sources of credentials create it; clients that send it do not depend on the
//! source.

use std::time::Duration;

use secrecy::SecretString;

/// A login by the `Basic` scheme (RFC 7617). It goes with the first request, before any challenge.
#[derive(Clone, Debug)]
pub struct Credential {
    /// User and password, encoded for the header.
    pub basic: SecretString,
    /// Remaining lifetime.
    pub valid_for: Duration,
}

/// An expected credential could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    pub message: String,
    /// Whether every other request would fail too.
    pub stops_everything: bool,
}
