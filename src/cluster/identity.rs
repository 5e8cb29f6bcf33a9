//! The forms in which we say to the API server who we are: a client certificate, or a header.

use http::HeaderValue;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;

use super::error::Error;
use super::value_source::ValueSource;

/// Certificate and key in PEM.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// `value` as a header, or an error that names its source and never quotes it.
pub(super) fn header_value(value: &[u8], value_source: &ValueSource) -> Result<HeaderValue, Error> {
    let mut header = HeaderValue::from_bytes(value).map_err(|_| {
        let (what, hint) = if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            (
                "a line break",
                "remove the line break; in YAML, `|` and `>` keep the last one, `|-` and `>-` do not",
            )
        } else {
            ("a control character", "remove invisible characters")
        };
        Error::config(format!("{value_source} is invalid: it has {what}"), Some(hint))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// `Authorization` with a token. As in Go, spaces and tabs at its end are not sent.
pub(super) fn bearer(token: &[u8], value_source: &ValueSource) -> Result<HeaderValue, Error> {
    let end = token.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    let token = &token[..end];
    header_value(&[b"Bearer ", token].concat(), value_source)
}

impl Identity {
    /// The parser's own errors would quote what they found.
    pub(super) fn checked(self, certificate: &ValueSource, key: &ValueSource) -> Result<Self, Error> {
        let mut certificates = CertificateDer::pem_slice_iter(&self.certificate).peekable();
        if certificates.peek().is_none() || certificates.any(|certificate| certificate.is_err()) {
            return Err(Error::config(format!("{certificate} holds no valid PEM certificate"), None));
        }
        if PrivateKeyDer::from_pem_slice(&self.key).is_err() {
            return Err(Error::config(
                format!("{key} holds no valid PEM private key"),
                Some("a key with a passphrase is not supported, as in kubectl"),
            ));
        }
        // Go accepts version 1, which `openssl x509 -req` writes without an extension.
        let first = CertificateDer::from_pem_slice(&self.certificate).ok();
        if first.is_none_or(|first| ParsedCertificate::try_from(&first).is_err()) {
            return Err(Error::config(
                format!("{certificate} is not an X.509 certificate of version 3"),
                Some("create it again with an extension, such as basicConstraints=CA:FALSE"),
            ));
        }
        Ok(self)
    }
}
