//! Every fault, as clients observe it.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;

async fn start() -> (Castai, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = std::env::temp_dir().join(format!("lab-castai-{:x}", rand::random::<u64>()));
    let authority = Arc::new(Authority::load_or_create(&folder).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let certificate = authority.certificate.clone();
    let addresses = vec![SocketAddr::from(([127, 0, 0, 1], 0)); hosts().len()];
    (Castai::start(Settings { authority, addresses }).await.unwrap(), certificate)
}

/// The result of a client's request for `path`: `status body`, with `grpc-status` if there is one, or the error.
async fn ask(castai: &Castai, certificate: &str, host: &str, path: &str) -> Result<String, String> {
    let endpoint = castai.endpoints().into_iter().find(|endpoint| endpoint.host == host).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(endpoint.address).await.map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(Arc::new(tls))
        .connect(ServerName::try_from(host.to_owned()).unwrap(), stream)
        .await
        .map_err(|error| error.to_string())?;
    let (mut send, connection) = h2::client::handshake(stream).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = http::Request::post(format!("https://{host}{path}")).body(()).unwrap();
    let (response, _) = send.send_request(request, true).map_err(|error| error.to_string())?;
    let (head, mut body) = response.await.map_err(|error| error.to_string())?.into_parts();
    let ended_with_headers = body.is_end_stream();
    let mut text = head.status.as_u16().to_string();
    if let Some(status) = head.headers.get("grpc-status") {
        assert!(ended_with_headers, "a status among the headers belongs to a response of trailers only");
        text.push_str(" grpc-status ");
        text.push_str(status.to_str().unwrap());
    }
    while let Some(chunk) = body.data().await {
        text.push(' ');
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    Ok(text)
}

#[test]
fn every_host_has_a_server() {
    let names = hosts().into_iter().map(|host| host.name).collect::<Vec<_>>();
    assert_eq!(names.len(), 11);
    assert_eq!(names[10], FILES_HOST);
    assert_eq!(names[..2], ["api.cast.ai", "grpc.cast.ai"]);
    assert_eq!(names[5], "api.eu.cast.ai");
    assert!(!names.iter().any(String::is_empty));
    assert_eq!(addresses()[9], SocketAddr::from(([10, 0, 1, 109], 443)));
}

#[tokio::test]
async fn healthy_servers_respond_like_cast_ai() {
    let (castai, certificate) = start().await;
    let method = "/grpc.health.v1.Health/Check";
    let cases = [
        ("api.cast.ai", "/v1/kubernetes", r#"401 {"message":"Unauthorized","fieldViolations":[]}"#),
        ("kvisor.prod-master.cast.ai", method, "200 grpc-status 12"),
        ("telemetry.prod-eu.cast.ai", method, "200 grpc-status 12"),
    ];
    for (host, path, expected) in cases {
        assert_eq!(ask(&castai, &certificate, host, path).await.as_deref(), Ok(expected), "{host}");
    }
}

#[tokio::test]
async fn faults_take_effect_and_can_be_removed() {
    let (castai, certificate) = start().await;
    let host = "grpc.cast.ai";
    let cases = [
        (r#"{"fault": "other-name", "name": "proxy.example"}"#, Err("not valid for name")),
        (r#"{"fault": "expired"}"#, Err("certificate expired")),
        (r#"{"fault": "expiring", "days": 0}"#, Err("certificate expired")),
        (r#"{"fault": "expiring", "days": 2}"#, Ok("200 grpc-status 12")),
        (r#"{"fault": "tls12-only"}"#, Ok("200 grpc-status 12")),
        (r#"{"fault": "unknown-authority"}"#, Err("UnknownIssuer")),
        (r#"{"fault": "reset"}"#, Err("reset")),
        (r#"{"fault": "http1-only"}"#, Err("NoApplicationProtocol")),
        (r#"{"fault": "http", "status": 503}"#, Ok("503")),
        (r#"{"fault": "http", "status": 464}"#, Ok("464")),
        (r#"{"fault": "http", "status": 200}"#, Ok("200")),
        (r#"{"fault": "grpc", "status": 16}"#, Ok("200 grpc-status 16")),
    ];
    for (fault, expected) in cases {
        change(&castai.endpoints, host, Some(serde_json::from_str(fault).unwrap())).unwrap();
        match (ask(&castai, &certificate, host, "/a.B/C").await, expected) {
            (Ok(seen), Ok(expected)) => assert_eq!(seen, expected, "{fault}"),
            (Err(seen), Err(expected)) => assert!(seen.contains(expected), "{fault}: {seen}"),
            (seen, _) => panic!("{fault}: {seen:?}"),
        }
    }
    change(&castai.endpoints, host, None).unwrap();
    assert_eq!(ask(&castai, &certificate, host, "/a.B/C").await.as_deref(), Ok("200 grpc-status 12"));
    assert!(change(&castai.endpoints, "files.cast.ai", None).is_err());
}

#[tokio::test]
async fn a_silent_server_keeps_the_connection_open_without_a_response() {
    let (castai, _) = start().await;
    change(&castai.endpoints, "api.cast.ai", Some(Fault::Silent)).unwrap();
    let endpoint = castai.endpoints().into_iter().find(|endpoint| endpoint.host == "api.cast.ai").unwrap();
    let mut stream = TcpStream::connect(endpoint.address).await.unwrap();
    let read = tokio::time::timeout(std::time::Duration::from_millis(100), stream.read_u8());
    assert!(read.await.is_err(), "the server said something or hung up");
}
