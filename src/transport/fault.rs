//! Certificate and proxy errors, classified in the same way for registries, AWS and clusters.

use std::error::Error as StdError;
use std::io;

use jiff::Timestamp;
use probe::tls::Class;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::printable::one_line;

/// Maximum length of repeated external text, in characters.
const LIMIT: usize = 300;

/// A connection that TLS or a proxy rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("certificate signed by unknown authority")]
    UntrustedIssuer,
    #[error("certificate has expired{0}")]
    Expired(String),
    #[error("certificate is not yet valid{0}")]
    NotYetValid(String),
    #[error("certificate is not valid for this host name")]
    WrongName,
    #[error("it does not speak TLS, but probably plain HTTP")]
    NotTls,
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("proxy authentication required (407)")]
    ProxyLogin,
    #[error("the proxy refused the connection")]
    ProxyRefused,
}

impl Fault {
    /// Classifies `error` and its causes as a TLS or proxy error, if it is one.
    pub fn classify(error: &(dyn StdError + 'static)) -> Option<Self> {
        let chain = causes(error);
        if let Some(tls) = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>()) {
            return Some(Self::of_tls(tls));
        }
        // hyper-util does not export the type (0.21, client::legacy::connect::proxy::TunnelError).
        chain.iter().find_map(|error| match error.to_string().as_str() {
            text if text.contains("proxy authorization required") => Some(Self::ProxyLogin),
            text if text.contains("tunnel error: unsuccessful") => Some(Self::ProxyRefused),
            _ => None,
        })
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match Class::from_rustls(error) {
            Class::UnknownIssuer => Self::UntrustedIssuer,
            Class::WrongName => Self::WrongName,
            Class::Expired => Self::Expired(moments(error)),
            Class::NotYetValid => Self::NotYetValid(moments(error)),
            Class::NotTls => Self::NotTls,
            Class::TimedOut | Class::Reset | Class::Refused(_) | Class::Other(_) => {
                let text = match error {
                    rustls::Error::InvalidCertificate(error) => error.to_string(),
                    error => error.to_string(),
                };
                Self::Tls(one_line(&text, LIMIT))
            }
        }
    }

    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::UntrustedIssuer => {
                "for a private CA or a proxy that inspects TLS, set SSL_CERT_FILE to a PEM file with all \
                 trusted roots"
            }
            Self::Expired(_) => {
                "check this machine's clock; if it is right, the server's certificate must \
                                 be renewed"
            }
            Self::NotYetValid(_) => "set the clock",
            Self::WrongName => "another server responds under this name: check DNS and proxies",
            Self::NotTls => "check the port: plain HTTP is only used on loopback",
            Self::Tls(_) => "look for a proxy or firewall that modifies TLS",
            Self::ProxyLogin => {
                "add the credentials to the variable: \
                                 HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
            }
            Self::ProxyRefused => {
                "allow the host in the proxy, or add it to NO_PROXY if it can be reached directly"
            }
        }
    }
}

/// ` (current time 2026-01-01T00:00:00Z, certificate limit 2025-…)`, if the times are known.
fn moments(error: &rustls::Error) -> String {
    let moment = |time: &UnixTime| Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok();
    let rustls::Error::InvalidCertificate(
        CertificateError::ExpiredContext { time, not_after: limit }
        | CertificateError::NotValidYetContext { time, not_before: limit },
    ) = error
    else {
        return String::new();
    };
    match (moment(time), moment(limit)) {
        (Some(now), Some(limit)) => format!(" (current time {now}, certificate limit {limit})"),
        _ => String::new(),
    }
}

/// The error and its causes, down to the first one. The `source` of an `io::Error` skips the error that it wraps;
/// `get_ref` returns it.
pub fn causes<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut chain = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        chain.push(error);
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_errors_come_with_a_fix() {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let cases = [
            (CertificateError::UnknownIssuer, "signed by unknown authority", "SSL_CERT_FILE"),
            (
                CertificateError::ExpiredContext { time: at(1_800_000_000), not_after: at(1_700_000_000) },
                "has expired (current time 2027-01-15T08:00:00Z, certificate limit 2023-11-14T22:13:20Z)",
                "clock",
            ),
            (
                CertificateError::NotValidYetContext { time: at(0), not_before: at(1_700_000_000) },
                "is not yet valid (current time 1970-01-01T00:00:00Z,",
                "set the clock",
            ),
            (CertificateError::NotValidForName, "not valid for this host name", "check DNS"),
        ];
        for (certificate, text, advice) in cases {
            // As in practice: wrapped in an io::Error.
            let error = io::Error::other(rustls::Error::InvalidCertificate(certificate));
            let fault = Fault::classify(&error).unwrap();
            assert!(fault.to_string().contains(text), "{fault}");
            assert!(fault.advice().contains(advice), "{}", fault.advice());
        }
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let fault = Fault::classify(&io::Error::other(plain)).unwrap();
        let text = format!("{fault}; {}", fault.advice());
        assert_eq!(
            text,
            "it does not speak TLS, but probably plain HTTP; check the port: plain HTTP is only used on loopback"
        );
        assert_eq!(Fault::classify(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
