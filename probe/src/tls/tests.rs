use lab::pki::Authority;
use rustls::pki_types::pem::PemObject as _;
use rustls::{AlertDescription, OtherError, PeerIncompatible, RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn authority(name: &str) -> Authority {
    let folder = Folder(std::env::temp_dir().join(format!("preflight-tls-{}-{name}", std::process::id())));
    Authority::load_or_create(&folder.0).unwrap()
}

fn trusting(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// What a loopback server does with each connection.
enum Behaviour {
    Tls(Arc<ServerConfig>),
    Says(&'static [u8]),
    Silence,
}

async fn server(tasks: &mut JoinSet<()>, behaviour: Behaviour) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match &behaviour {
                Behaviour::Tls(config) => {
                    if let Ok(stream) = TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                        open.push(stream.into_inner().0);
                    }
                }
                Behaviour::Says(text) => {
                    let _ = stream.write_all(text).await;
                }
                Behaviour::Silence => open.push(stream),
            }
        }
    });
    address
}

fn server_config(authority: &Authority, name: &str) -> Arc<ServerConfig> {
    // The certificate authority's maker takes the process's provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    authority.server(&[name]).unwrap()
}

async fn probe(address: SocketAddr, tls: &ClientConfig, timeout: Duration) -> Result<Session, Failure> {
    let stream = TcpStream::connect(address).await.unwrap();
    shake_hands(stream, address, "api.cast.ai", tls, timeout).await.map(|(_, session)| session)
}

#[tokio::test]
async fn a_trusted_server_is_described() {
    let authority = authority("trusted");
    let mut tasks = JoinSet::new();
    let address = server(&mut tasks, Behaviour::Tls(server_config(&authority, "api.cast.ai"))).await;
    let session = probe(address, &trusting(&authority), TIMEOUT).await.unwrap();
    assert_eq!(session.alpn.as_deref(), Some("h2"));
    assert_eq!(session.version, "TLS 1.3");
    let certificate = session.certificate.clone().unwrap();
    assert_eq!(certificate.names, ["api.cast.ai"]);
    assert_eq!(certificate.issuer, "CN=lab CA");
}

#[tokio::test]
async fn an_intercepting_proxy_is_named_by_its_issuer() {
    let (trusted, stranger) = (authority("ours"), authority("stranger"));
    let mut tasks = JoinSet::new();
    let address = server(&mut tasks, Behaviour::Tls(server_config(&stranger, "api.cast.ai"))).await;
    let failure = probe(address, &trusting(&trusted), TIMEOUT).await.unwrap_err();
    assert_eq!(failure.class, Class::UnknownIssuer);
    assert_eq!(failure.certificate.as_ref().unwrap().issuer, "CN=lab CA");
}

#[tokio::test]
async fn another_services_certificate_is_named() {
    let authority = authority("name");
    let mut tasks = JoinSet::new();
    let address = server(&mut tasks, Behaviour::Tls(server_config(&authority, "grpc.cast.ai"))).await;
    let failure = probe(address, &trusting(&authority), TIMEOUT).await.unwrap_err();
    assert_eq!(failure.class, Class::WrongName);
    assert_eq!(failure.certificate.unwrap().names, ["grpc.cast.ai"]);
}

#[tokio::test]
async fn servers_without_tls_are_distinguished() {
    let tls = trusting(&authority("other"));
    let mut tasks = JoinSet::new();
    let cases = [
        (Behaviour::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Class::NotTls, TIMEOUT),
        (Behaviour::Says(b""), Class::Reset, TIMEOUT),
        (Behaviour::Silence, Class::TimedOut, Duration::from_millis(200)),
    ];
    for (behaviour, expected, timeout) in cases {
        let address = server(&mut tasks, behaviour).await;
        let failure = probe(address, &tls, timeout).await.unwrap_err();
        assert_eq!(failure.class, expected);
    }
}

#[test]
fn errors_of_rustls_are_classified() {
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let self_signed = std::io::Error::other("CaUsedAsEndEntity");
    let certificates = [
        (CertificateError::UnknownIssuer, Class::UnknownIssuer),
        (CertificateError::BadSignature, Class::UnknownIssuer),
        (CertificateError::Other(OtherError(Arc::new(self_signed))), Class::UnknownIssuer),
        (CertificateError::NotValidForName, Class::WrongName),
        (CertificateError::Expired, Class::Expired),
        (CertificateError::ExpiredContext { time: at(2), not_after: at(1) }, Class::Expired),
        (CertificateError::NotValidYet, Class::NotYetValid),
        (CertificateError::NotValidYetContext { time: at(1), not_before: at(2) }, Class::NotYetValid),
        (
            CertificateError::Revoked,
            Class::Other(TlsError::InvalidCertificate(CertificateError::Revoked).to_string()),
        ),
    ];
    let certificates = certificates.map(|(error, expected)| (TlsError::InvalidCertificate(error), expected));
    let incompatible = TlsError::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon);
    let others = [
        (TlsError::InvalidMessage(InvalidMessage::InvalidContentType), Class::NotTls),
        (
            TlsError::AlertReceived(AlertDescription::UnrecognisedName),
            Class::Refused("UnrecognisedName".to_owned()),
        ),
        (incompatible.clone(), Class::Other(incompatible.to_string())),
    ];
    for (error, expected) in certificates.into_iter().chain(others) {
        assert_eq!(Class::from_rustls(&error), expected, "{error}");
    }
}
