//! TLS: is the certificate trusted, is it for this name, and if not, whose is it?

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, InvalidMessage, SignatureScheme,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::tcp::Failure as TcpFailure;

/// What a server shows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    pub names: Vec<String>,
    pub not_after: Timestamp,
}

/// A handshake that went well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub address: SocketAddr,
    /// Such as `TLS 1.3`.
    pub version: String,
    /// The protocol agreed on, such as `h2`.
    pub alpn: Option<String>,
    /// Absent if the certificate cannot be parsed, though it was verified.
    pub certificate: Option<Certificate>,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    TimedOut,
    /// The connection ended in the middle: firewalls that filter by server name do that.
    Reset,
    /// The certificate's issuer is none that we trust.
    UnknownIssuer,
    WrongName,
    Expired,
    NotYetValid,
    /// What answers speaks something else.
    NotTls,
    /// The server ended the handshake with an alert.
    Refused(String),
    Other(String),
}

impl Class {
    /// The class of an error of rustls, for everything that shakes hands.
    pub fn from_rustls(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => Self::UnknownIssuer,
            // A CA certificate used as the server certificate is a self-signed one.
            TlsError::InvalidCertificate(CertificateError::Other(other))
                if other.to_string().contains("CaUsedAsEndEntity") =>
            {
                Self::UnknownIssuer
            }
            TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::WrongName,
            TlsError::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => Self::Expired,
            TlsError::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => Self::NotYetValid,
            TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            TlsError::AlertReceived(alert) => Self::Refused(format!("{alert:?}")),
            other => Self::Other(other.to_string()),
        }
    }
}

/// A handshake that failed, with the certificate that was shown, where one was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub address: SocketAddr,
    pub class: Class,
    pub certificate: Option<Certificate>,
}

/// Shakes hands on an open connection. HTTP/2 and HTTP/1.1 are both offered.
///
/// # Errors
/// The handshake fails; if the certificate was rejected, a second connection reads it.
pub async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    host: &str,
    tls: &ClientConfig,
    timeout: Duration,
) -> Result<(TlsStream<TcpStream>, Session), Failure> {
    let failure = |class| Failure { address, class, certificate: None };
    let name =
        ServerName::try_from(host.to_owned()).map_err(|error| failure(Class::Other(error.to_string())))?;
    let mut config = tls.clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let error = match tokio::time::timeout(timeout, connector.connect(name.clone(), stream)).await {
        Err(_) => return Err(failure(Class::TimedOut)),
        Ok(Err(error)) => error,
        Ok(Ok(stream)) => {
            let session = describe(&stream, address);
            return Ok((stream, session));
        }
    };
    let class = classify(&error);
    let shown =
        matches!(class, Class::UnknownIssuer | Class::WrongName | Class::Expired | Class::NotYetValid);
    let certificate = if shown {
        tokio::time::timeout(timeout, look_at_certificate(address, name, tls)).await.ok().flatten()
    } else {
        None
    };
    Err(Failure { address, class, certificate })
}

fn describe(stream: &TlsStream<TcpStream>, address: SocketAddr) -> Session {
    let (_, connection) = stream.get_ref();
    Session {
        address,
        version: connection
            .protocol_version()
            .and_then(|version| version.as_str())
            .map_or_else(|| "unknown".to_owned(), |name| name.replace("TLSv1_", "TLS 1.")),
        alpn: connection.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
        certificate: connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .and_then(|certificate| read_certificate(certificate)),
    }
}

/// The certificate's contents, untrusted as they are.
fn read_certificate(encoded: &[u8]) -> Option<Certificate> {
    let (_, certificate) = parse_x509_certificate(encoded).ok()?;
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| {
            let names = extension.value.general_names.iter();
            names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                })
                .collect()
        })
        .unwrap_or_default();
    Some(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names,
        not_after: Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?,
    })
}

fn classify(error: &std::io::Error) -> Class {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        return Class::from_rustls(tls);
    }
    match TcpFailure::classify(error) {
        TcpFailure::Reset => Class::Reset,
        TcpFailure::TimedOut => Class::TimedOut,
        other => Class::Other(other.describe().to_owned()),
    }
}

/// Connects once more to see the certificate that was refused. Nothing is sent over this connection: the verifier
/// refuses whatever it is shown.
async fn look_at_certificate(
    address: SocketAddr,
    name: ServerName<'static>,
    tls: &ClientConfig,
) -> Option<Certificate> {
    let onlooker = Arc::new(Onlooker {
        algorithms: tls.crypto_provider().signature_verification_algorithms,
        shown: Mutex::new(None),
    });
    let mut config = tls.clone();
    config.dangerous().set_certificate_verifier(Arc::clone(&onlooker) as Arc<dyn ServerCertVerifier>);
    let stream = TcpStream::connect(address).await.ok()?;
    let refused = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    drop(refused);
    onlooker.shown.lock().ok()?.take()
}

/// A verifier that looks and always refuses.
#[derive(Debug)]
struct Onlooker {
    algorithms: WebPkiSupportedAlgorithms,
    shown: Mutex<Option<Certificate>>,
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Ok(mut shown) = self.shown.lock() {
            *shown = read_certificate(end_entity);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
