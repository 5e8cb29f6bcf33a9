//! Whole runs against servers on loopback: a name server, instance metadata, and TLS servers that speak HTTP or gRPC.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use hickory_resolver::proto::op::{Message, MessageType, OpCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use lab::pki::Authority;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::finding::Finding;
use super::judgement::Outcome;
use super::machine::{Here, MetadataService};
use super::*;
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::knowledge::Knowledge;
use crate::model::workload::Workload;

fn authority(name: &str) -> Authority {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = std::env::temp_dir().join(format!("preflight-run-{}-{name}", std::process::id()));
    let authority = Authority::load_or_create(&folder).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    authority
}

fn trusting(authority: &Authority) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// Answers A queries from the table; queries for other hosts get no response.
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
            let Some(address) = table.get(&query.name().to_ascii()) else {
                continue;
            };
            let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
            response.queries.push(query.clone());
            if query.query_type() == RecordType::A {
                let record = Record::from_rdata(query.name().clone(), 60, RData::A(A(*address)));
                response.answers.push(record);
            }
            let _ = socket.send_to(&response.to_vec().unwrap(), client).await;
        }
    });
    server
}

/// Instance metadata, version 2, of a machine whose VPC has the loopback range.
async fn metadata(tasks: &mut JoinSet<()>) -> MetadataService {
    let base = http_server::start(tasks, |request| {
        let has_token = request.contains("x-aws-ec2-metadata-token: secret");
        let (status, body) = match request.split(' ').nth(1).unwrap_or_default() {
            "/latest/api/token" if request.starts_with("PUT") => ("200 OK", "secret"),
            _ if !has_token => ("401 Unauthorized", ""),
            "/latest/meta-data/network/interfaces/macs/" => ("200 OK", "0a:00:00:00:00:01/\n"),
            "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:01/vpc-ipv4-cidr-blocks" => {
                ("200 OK", "127.0.0.0/8\n100.64.0.0/16")
            }
            _ => ("404 Not Found", ""),
        };
        (status, body.to_owned())
    })
    .await;
    MetadataService::At(base)
}

#[derive(Clone, Copy)]
enum ServerProtocol {
    Http1(&'static str),
    Grpc(&'static str),
}

/// Starts a TLS server and returns its port.
async fn server(tasks: &mut JoinSet<()>, tls: Arc<ServerConfig>, speaks: ServerProtocol) -> u16 {
    let mut tls = ServerConfig::clone(&tls);
    if matches!(speaks, ServerProtocol::Http1(_)) {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            match speaks {
                ServerProtocol::Http1(status) => {
                    let _ = stream.read(&mut [0; 1024]).await;
                    let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    let _ = stream.write_all(response.as_bytes()).await;
                }
                ServerProtocol::Grpc(status) => answer_grpc(stream, status).await,
            }
        }
    });
    port
}

async fn answer_grpc(stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>, status: &'static str) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        stream.send_trailers(trailers).unwrap();
    }
}

fn inputs(variables: &[(&str, String)]) -> Inputs {
    let env: Vec<_> = variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let workload = Workload {
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
        name: WorkloadName {
            cluster: "prod".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind: WorkloadKind::Deployment,
            name: "castai-agent".to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": {"containers": [{"name": "agent", "env": env}]}}))
            .unwrap(),
    };
    Inputs {
        cluster: Some("prod".to_owned()),
        workloads: vec![workload],
        knowledge: Knowledge::default(),
        maps: Vec::new(),
        unread: Vec::new(),
        client: None,
        nodes: Ok(vec![Ipv4Addr::LOCALHOST.into()]),
        // A region without services, so that only configured hosts are probed.
        region: Some("eu-west-1".to_owned()),
        account: Err("no credentials".to_owned()),
        registry_host: None,
        registry_region: Some("eu-west-1".to_owned()),
        registry_path: None,
        aws: Err("no credentials".to_owned()),
        vpc: Err("no credentials".to_owned()),
        extra: Vec::new(),
        pods: None,
    }
}

fn result<'a>(report: &'a Report, code: &str, subject: &str) -> &'a Finding {
    let mut findings = report
        .findings
        .iter()
        .filter(|finding| finding.check.code == code && finding.subject.name.starts_with(subject));
    let finding = findings.next().unwrap_or_else(|| panic!("no {code} for {subject}"));
    assert!(findings.next().is_none(), "{code} twice for {subject}");
    finding
}

#[tokio::test]
async fn the_complete_check_chain_to_real_servers_is_judged() {
    let authority = authority("way");
    let tls = authority.server(&["api.cast.ai", "grpc.cast.ai", "old.cast.ai"]).unwrap();
    let mut tasks = JoinSet::new();
    let rest = server(&mut tasks, Arc::clone(&tls), ServerProtocol::Http1("401 Unauthorized")).await;
    let grpc = server(&mut tasks, Arc::clone(&tls), ServerProtocol::Grpc("12")).await;
    let old = server(&mut tasks, tls, ServerProtocol::Http1("200 OK")).await;
    let names = name_server(
        &mut tasks,
        &[
            ("api.cast.ai", Ipv4Addr::LOCALHOST),
            ("grpc.cast.ai", Ipv4Addr::LOCALHOST),
            ("old.cast.ai", Ipv4Addr::LOCALHOST),
            ("kvisor.prod-master.cast.ai", Ipv4Addr::new(104, 16, 81, 56)),
        ],
    )
    .await;
    let settings = Settings {
        timeout: Duration::from_millis(1500),
        metadata_timeout: Duration::from_secs(5),
        metadata: metadata(&mut tasks).await,
        name_servers: NameServers::These(vec![names]),
        ..Settings::new(trusting(&authority))
    };
    let report = run(
        &inputs(&[
            ("API_URL", format!("https://api.cast.ai:{rest}")),
            ("API_GRPC_URL", format!("grpc.cast.ai:{grpc}")),
            ("GRPC_URL", format!("old.cast.ai:{old}")),
            ("CASTAI_API_GRPC_ADDR", "kvisor.prod-master.cast.ai:443".to_owned()),
            ("TUNNEL_ADDRESS", "silent.cast.ai:443".to_owned()),
        ]),
        &settings,
        &|_| {},
    )
    .await;

    assert_eq!(result(&report, "CPL110", "this").outcome.name(), "Pass");
    assert_eq!(result(&report, "CPL105", "eu-west-1").outcome.name(), "Unknown");
    for code in ["CPL210", "CPL211", "CPL220", "CPL230", "CPL231"] {
        for host in ["api.cast.ai", "grpc.cast.ai", "old.cast.ai"] {
            let finding = result(&report, code, host);
            assert_eq!(finding.outcome.name(), "Pass", "{finding:?}");
        }
    }
    assert_eq!(result(&report, "CPL240", "api.cast.ai").observed, "HTTP 401");
    assert_eq!(result(&report, "CPL241", "grpc.cast.ai").outcome.name(), "Pass");
    let without_http2 = result(&report, "CPL241", "old.cast.ai");
    assert_eq!(without_http2.outcome.name(), "Fail");
    assert!(without_http2.observed.contains("http/1.1"), "{}", without_http2.observed);

    let public = result(&report, "CPL211", "kvisor");
    assert_eq!(public.outcome.name(), "Fail");
    assert!(public.fixes[0].command.as_deref().unwrap().contains("endpoints create"));
    assert_eq!(result(&report, "CPL220", "kvisor").outcome, Outcome::Skipped { blocked_by: "CPL211" });
    assert!(result(&report, "CPL210", "silent").observed.contains("timed out"));
    assert_eq!(result(&report, "CPL302", "ECR").outcome.name(), "Unknown");
    assert!(report.needs_attention());
}

#[tokio::test]
async fn outside_the_vpc_nothing_is_judged_and_nothing_fails() {
    let authority = authority("outside");
    let settings = Settings {
        metadata: MetadataService::Disabled,
        name_servers: NameServers::These(Vec::new()),
        ..Settings::new(trusting(&authority))
    };
    let mut inputs = inputs(&[("API_URL", "https://api.cast.ai".to_owned())]);
    inputs.region = Some("us-east-1".to_owned());
    inputs.account = Ok("123456789012".to_owned());
    let report = run(&inputs, &settings, &|_| {}).await;
    for code in ["CPL210", "CPL240"] {
        let finding = result(&report, code, "api.cast.ai");
        assert_eq!(finding.outcome.name(), "Unknown");
        assert!(finding.fixes[0].command.as_deref().unwrap().contains("--here=inside"));
    }
    assert_eq!(result(&report, "CPL310", "123456789012").outcome.name(), "Unknown");
    assert_eq!(report.counts().fail, 0);
    assert!(report.needs_attention());
}

/// Responds only after all `expected` queries have arrived, with no records for any: sequential queries would time out.
async fn patient_name_server(tasks: &mut JoinSet<()>, expected: usize) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = socket.local_addr().unwrap();
    tasks.spawn(async move {
        let mut waiting = BTreeMap::new();
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let request = Message::from_vec(&buffer[..length]).unwrap();
            let query = request.queries[0].clone();
            let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
            response.queries.push(query.clone());
            let question = (query.name().to_ascii(), query.query_type());
            waiting.insert(question, (response.to_vec().unwrap(), client));
            if waiting.len() == expected {
                for (response, client) in waiting.values() {
                    let _ = socket.send_to(response, *client).await;
                }
            }
        }
    });
    server
}

/// Tests concurrency without a clock: queries are only answered if all targets are probed at the same time.
#[tokio::test]
async fn endpoints_are_probed_concurrently_so_one_timeout_is_enough() {
    let authority = authority("silent");
    let mut tasks = JoinSet::new();
    // Five hosts of Cast AI and five of AWS, A and AAAA.
    let names = patient_name_server(&mut tasks, 20).await;
    let settings = Settings {
        timeout: Duration::from_secs(30),
        here: Some(Here::Inside),
        metadata: MetadataService::Disabled,
        name_servers: NameServers::These(vec![names]),
        ..Settings::new(trusting(&authority))
    };
    let mut inputs = inputs(&[]);
    inputs.region = Some("us-east-1".to_owned());
    inputs.account = Ok("123456789012".to_owned());
    let report = run(&inputs, &settings, &|_| {}).await;
    let seen: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| ["CPL210", "CPL310"].contains(&finding.check.code))
        .map(|finding| finding.observed.as_str())
        .collect();
    assert_eq!(seen, ["A and AAAA: no records"; 10]);
}

#[tokio::test]
async fn an_unreachable_cluster_is_unknown() {
    let authority = authority("unreachable");
    let settings = Settings { metadata: MetadataService::Disabled, ..Settings::new(trusting(&authority)) };
    let failed = Unread::Failed("Unable to connect to the server: timed out".to_owned(), None);
    let inputs = Inputs { workloads: Vec::new(), unread: vec![failed], ..inputs(&[]) };
    let report = run(&inputs, &settings, &|_| {}).await;
    assert_eq!(result(&report, "CPL101", "prod").outcome.name(), "Unknown");
    assert_eq!(result(&report, "CPL102", "prod").outcome, Outcome::Skipped { blocked_by: "CPL101" });
    assert_eq!(report.counts().fail, 0);
    assert!(report.needs_attention());
}

#[tokio::test]
async fn a_cluster_that_cannot_be_read_is_unknown() {
    let authority = authority("unread");
    let settings = Settings { metadata: MetadataService::Disabled, ..Settings::new(trusting(&authority)) };
    let inputs = Inputs {
        workloads: Vec::new(),
        unread: vec![Unread::Forbidden(
            "Error from server (Forbidden): deployments.apps is forbidden".to_owned(),
        )],
        region: None,
        ..inputs(&[])
    };
    let report = run(&inputs, &settings, &|_| {}).await;
    assert_eq!(result(&report, "CPL101", "prod").outcome.name(), "Unknown");
    for code in ["CPL102", "CPL103"] {
        assert_eq!(result(&report, code, "prod").outcome, Outcome::Skipped { blocked_by: "CPL101" });
    }
    assert_eq!(result(&report, "CPL104", "region").outcome.name(), "Unknown");
    assert_eq!(result(&report, "CPL105", "region").outcome, Outcome::Skipped { blocked_by: "CPL104" });
    assert_eq!(report.counts().fail, 0);
}
