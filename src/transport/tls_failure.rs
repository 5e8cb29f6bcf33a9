//! Classifies TLS failures by what the user can do about them. It depends only on rustls, so that all code with TLS
//! connections can use it.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The issuer of the certificate is not trusted here.
    UntrustedIssuer,
    WrongName,
    Expired(Option<Limit>),
    NotYetValid(Option<Limit>),
    /// Another problem with the certificate, in rustls' words.
    Certificate(String),
    /// The server does not speak TLS.
    NotTls,
    /// The server aborted the handshake.
    Alert(AlertDescription),
    /// In rustls' words.
    Other(String),
}

/// A certificate's validity limit, and the time that it was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub now: UnixTime,
    pub limit: UnixTime,
}

impl TlsFailure {
    pub fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            Error::AlertReceived(alert) => Self::Alert(*alert),
            other => Self::Other(other.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UntrustedIssuer,
            // A CA certificate used as the server certificate is a self-signed one.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::UntrustedIssuer
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Expired => Self::Expired(None),
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Expired(Some(Limit { now: *time, limit: *not_after }))
            }
            CertificateError::NotValidYet => Self::NotYetValid(None),
            CertificateError::NotValidYetContext { time, not_before } => {
                Self::NotYetValid(Some(Limit { now: *time, limit: *not_before }))
            }
            other => Self::Certificate(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::{OtherError, PeerIncompatible};

    use super::*;

    #[test]
    fn errors_of_rustls_are_classified() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let limit = Limit { now: at(2), limit: at(1) };
        let self_signed = std::io::Error::other("CaUsedAsEndEntity");
        let certificates = [
            (CertificateError::UnknownIssuer, TlsFailure::UntrustedIssuer),
            (CertificateError::BadSignature, TlsFailure::UntrustedIssuer),
            (CertificateError::Other(OtherError(Arc::new(self_signed))), TlsFailure::UntrustedIssuer),
            (CertificateError::NotValidForName, TlsFailure::WrongName),
            (CertificateError::Expired, TlsFailure::Expired(None)),
            (
                CertificateError::ExpiredContext { time: at(2), not_after: at(1) },
                TlsFailure::Expired(Some(limit)),
            ),
            (CertificateError::NotValidYet, TlsFailure::NotYetValid(None)),
            (
                CertificateError::NotValidYetContext { time: at(2), not_before: at(1) },
                TlsFailure::NotYetValid(Some(limit)),
            ),
            (CertificateError::Revoked, TlsFailure::Certificate(CertificateError::Revoked.to_string())),
        ];
        let certificates = certificates.map(|(error, expected)| (Error::InvalidCertificate(error), expected));
        let incompatible = Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon);
        let others = [
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), TlsFailure::NotTls),
            (
                Error::AlertReceived(AlertDescription::UnrecognisedName),
                TlsFailure::Alert(AlertDescription::UnrecognisedName),
            ),
            (incompatible.clone(), TlsFailure::Other(incompatible.to_string())),
        ];
        for (error, expected) in certificates.into_iter().chain(others) {
            assert_eq!(TlsFailure::of(&error), expected, "{error}");
        }
    }
}
