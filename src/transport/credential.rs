//! What proves to a server who we are. A source of credentials makes it, and the client that sends it need not know which.

use std::time::Duration;

use secrecy::SecretString;

/// A login by the `Basic` scheme (RFC 7617). It goes with the first request, before any challenge.
#[derive(Clone, Debug)]
pub struct Credential {
    /// User and password, encoded as the header wants them.
    pub basic: SecretString,
    /// How long it is valid from now on.
    pub valid_for: Duration,
}

/// A credential that should be there could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    pub message: String,
    /// Whether no other request would fare better.
    pub stops_everything: bool,
}
