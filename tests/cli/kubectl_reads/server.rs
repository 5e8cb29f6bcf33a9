//! A small API server that forbids every request, and records by what credentials it was sent.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use lab::pki::Authority;

const FORBIDDEN: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":"Forbidden","code":403}"#;

/// The credentials of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) authorization: Option<String>,
    pub(super) has_certificate: bool,
    pub(super) impersonation: BTreeSet<String>,
}

pub(super) struct Server {
    /// Host and port.
    pub(super) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Over TLS with a certificate of this authority, or else plain HTTP.
    pub(super) fn start(authority: Option<&Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, config) = (Arc::default(), authority.map(config));
        let server = Self { address, seen: Arc::clone(&seen) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, config) = (Arc::clone(&seen), config.clone());
                std::thread::spawn(move || respond(stream, config, &seen));
            }
        });
        server
    }

    /// The credentials of the first request while `run` runs.
    pub(super) fn first(&self, run: impl FnOnce()) -> Option<Seen> {
        self.seen.lock().unwrap().clear();
        run();
        self.seen.lock().unwrap().first().cloned()
    }
}

fn config(authority: &Authority) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let identity = authority.issue("kubernetes", None, &["127.0.0.1"]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let clients = clients.allow_unauthenticated().build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap())
}

fn respond(mut stream: TcpStream, config: Option<Arc<ServerConfig>>, seen: &Mutex<Vec<Seen>>) {
    let Some(config) = config else {
        let Some(credentials) = read(&mut stream) else { return };
        seen.lock().unwrap().push(credentials);
        return write(&mut stream);
    };
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let Some(mut credentials) = read(&mut stream) else { return };
    credentials.has_certificate = stream.conn.peer_certificates().is_some();
    seen.lock().unwrap().push(credentials);
    write(&mut stream);
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

/// The credentials in the head of a request.
fn read(stream: &mut impl Read) -> Option<Seen> {
    let (mut head, mut part) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&part[..length]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut seen = Seen::default();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        let name = name.to_ascii_lowercase();
        if name == "authorization" {
            seen.authorization = Some(value.to_owned());
        } else if name.starts_with("impersonate-") {
            seen.impersonation.insert(format!("{name}: {value}"));
        }
    }
    Some(seen)
}

fn write(stream: &mut impl Write) {
    let length = FORBIDDEN.len();
    let _ = write!(
        stream,
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{FORBIDDEN}"
    );
    let _ = stream.flush();
}
