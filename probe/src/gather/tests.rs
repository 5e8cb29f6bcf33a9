use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, MessageType, OpCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use lab::pki::Authority;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::dns::Reply;
use crate::endpoint::Endpoint;
use crate::exchange;

/// Responds to A with an address by host name; other names have no records.
async fn name_server(tasks: &mut JoinSet<()>, table: &[(&str, Ipv4Addr)]) -> SocketAddr {
    let table: BTreeMap<String, Ipv4Addr> =
        table.iter().map(|(host, address)| (format!("{host}."), *address)).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = socket.local_addr().unwrap();
    tasks.spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let request = Message::from_vec(&buffer[..length]).unwrap();
            let query = request.queries[0].clone();
            let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
            response.queries.push(query.clone());
            if let (RecordType::A, Some(address)) = (query.query_type(), table.get(&query.name().to_ascii()))
            {
                let record = Record::from_rdata(query.name().clone(), 60, RData::A(A(*address)));
                response.answers.push(record);
            }
            let _ = socket.send_to(&response.to_vec().unwrap(), client).await;
        }
    });
    server
}

fn authority() -> Authority {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = std::env::temp_dir().join(format!("probe-gather-{}", std::process::id()));
    let authority = Authority::load_or_create(&folder).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    authority
}

/// Responds to any request with a status, over HTTP/1.1.
async fn server(tasks: &mut JoinSet<()>, tls: &ServerConfig) -> u16 {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    port
}

/// Every way in which gathering can end, in one request.
#[tokio::test]
async fn gathering_stops_at_a_missing_fact_with_a_reason() {
    let authority = authority();
    let mut tasks = JoinSet::new();
    let tls = authority.server(&["good.test"]).unwrap();
    let port = server(&mut tasks, &tls).await;
    let (near, public) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 99, 0, 1));
    let names = [("good.test", near), ("refusing.test", near), ("other.test", near), ("public.test", public)];
    let names = name_server(&mut tasks, &names).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let target = |host: &str, port, layer| Target {
        endpoint: Endpoint { host: host.to_owned(), port },
        layer,
        connect: Connect::PrivateOnly,
    };
    let request = Request {
        targets: vec![
            target("good.test", port, Layer::Https),
            target("good.test", port, Layer::Dns),
            target("gone.test", port, Layer::Grpc),
            target("public.test", port, Layer::Tls),
            // The discard service, which does not run here.
            target("refusing.test", 9, Layer::Https),
            target("other.test", port, Layer::Grpc),
        ],
        name_servers: NameServers::These(vec![names]),
        private: vec!["127.0.0.0/16".parse().unwrap()],
        timeout: Duration::from_secs(5),
        user_agent: "test".to_owned(),
    };
    let facts = gather(&request, &tls).await;
    let [good, shallow, gone, public, refusing, other] = facts.as_slice() else { panic!("{facts:#?}") };
    let not_wanted = Reason::NotWanted;

    assert!(matches!(good.tls, Fact::Gathered { value: Ok(_), .. }), "{good:#?}");
    assert!(matches!(good.https, Fact::Gathered { value: Ok(401), .. }), "{good:#?}");
    assert_eq!(good.grpc, Fact::NotGathered { reason: not_wanted.clone() });

    assert!(matches!(shallow.dns, Fact::Gathered { .. }), "{shallow:#?}");
    assert_eq!(shallow.tcp, Fact::NotGathered { reason: not_wanted.clone() });

    let Fact::Gathered { value: answers, .. } = &gone.dns else { panic!("{gone:#?}") };
    assert_eq!(answers.a.reply, Reply::NoRecords);
    assert_eq!(gone.tcp, Fact::NotGathered { reason: Reason::NoAddress });
    assert_eq!(gone.grpc, Fact::NotGathered { reason: Reason::NoAddress });
    assert_eq!(gone.https, Fact::NotGathered { reason: not_wanted.clone() });

    assert_eq!(public.scope.public.len(), 1);
    assert_eq!(public.tls, Fact::NotGathered { reason: Reason::PublicAddress });
    assert_eq!(public.https, Fact::NotGathered { reason: not_wanted });

    let Fact::Gathered { value: attempts, .. } = &refusing.tcp else { panic!("{refusing:#?}") };
    assert_eq!(attempts[0].failure, Some(tcp::Failure::Refused));
    assert_eq!(refusing.https, Fact::NotGathered { reason: Reason::NoConnection });

    assert!(matches!(other.tls, Fact::Gathered { value: Err(_), .. }), "{other:#?}");
    assert_eq!(other.grpc, Fact::NotGathered { reason: Reason::NoSession });

    // The output of a probe on another machine is read back unchanged.
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Vec<HostFacts>>(&text).unwrap(), facts);
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
}

#[test]
fn failures_can_be_serialised_and_read_back() {
    let facts: Fact<Result<grpc::Reply, grpc::Problem>> = Fact::Gathered {
        milliseconds: 7,
        value: Err(grpc::Problem::Failed(exchange::Failure::Broken("reset".to_owned()))),
    };
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(text, r#"{"gathered":{"milliseconds":7,"value":{"Err":{"failed":{"broken":"reset"}}}}}"#);
    assert_eq!(serde_json::from_str::<Fact<Result<grpc::Reply, grpc::Problem>>>(&text).unwrap(), facts);
}
