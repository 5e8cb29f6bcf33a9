//! The VPC resolver and the cluster's DNS service, which forwards to it: a small DNS server over UDP and TCP. The
//! control API changes its responses, also for one of the two servers or for some clients only.

mod view;
mod zone;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

pub use self::view::{Server, View};
pub use self::zone::{Behaviour, EVERY_NAME, TTL, Transport, Zone};

/// A lab may run for days, and its cluster sends queries; only the last ones are kept.
const LOGGED_QUERIES: usize = 10_000;

pub struct Settings {
    /// The address of the VPC resolver, UDP and TCP; port 0 selects a free one.
    pub address: SocketAddr,
    /// The address of the cluster's DNS service.
    pub cluster_address: SocketAddr,
}

/// A query that the resolver received, with the client's upper and lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub name: String,
    #[serde(rename = "type")]
    pub query_type: String,
    pub transport: Transport,
    pub server: Server,
    pub client: IpAddr,
}

/// The running resolver.
pub struct Dns {
    address: SocketAddr,
    shared: Shared,
}

type Shared = Arc<Mutex<Resolver>>;

/// Decides which of Cast AI's hosts have a private name.
#[derive(Clone, Default)]
pub struct PrivateNames(Shared);

impl PrivateNames {
    /// Only `hosts` have a private name; `None`: all except the host of the files service, whose name the lab's VPC does
    /// not know.
    pub fn set(&self, hosts: Option<&BTreeSet<String>>) {
        lock(&self.0).zone.set_private_names(hosts);
    }

    #[cfg(test)]
    pub fn is_public(&self, host: &str) -> bool {
        lock(&self.0).zone.records()[host] == Behaviour::public()
    }
}

#[derive(Default)]
struct Resolver {
    zone: Zone,
    views: Vec<View>,
    queries: VecDeque<Question>,
}

impl Dns {
    /// Listens on the addresses of `settings` until the lab ends.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let shared = Shared::default();
        let address = listen(settings.address, Server::Vpc, &shared).await?;
        listen(settings.cluster_address, Server::Cluster, &shared).await?;
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn private_names(&self) -> PrivateNames {
        PrivateNames(self.shared.clone())
    }

    /// `GET|PUT /records` (a map of names to [`Behaviour`]), `PUT|DELETE /records/{name}`, `PUT /views` ([`View`]s),
    /// `POST /reset`, `GET|DELETE /queries` ([`Question`]s, oldest first).
    pub fn control(&self) -> Router {
        Router::new()
            .route("/records", get(records).put(set_records))
            .route("/records/{name}", put(set_record).delete(restore_record))
            .route("/views", put(set_views))
            .route("/reset", post(async |State(shared): State<Shared>| lock(&shared).reset()))
            .route(
                "/queries",
                get(async |State(shared): State<Shared>| Json(lock(&shared).queries.clone()))
                    .delete(async |State(shared): State<Shared>| lock(&shared).queries.clear()),
            )
            .with_state(self.shared.clone())
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Resolver> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn records(State(shared): State<Shared>) -> Json<BTreeMap<String, Behaviour>> {
    Json(lock(&shared).zone.records())
}

async fn set_records(
    State(shared): State<Shared>,
    Json(records): Json<BTreeMap<String, Behaviour>>,
) -> Result<(), (StatusCode, String)> {
    records.into_iter().try_for_each(|(name, behaviour)| set(&shared, &name, behaviour))
}

async fn set_record(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Json(behaviour): Json<Behaviour>,
) -> Result<(), (StatusCode, String)> {
    set(&shared, &name, behaviour)
}

fn set(shared: &Shared, name: &str, behaviour: Behaviour) -> Result<(), (StatusCode, String)> {
    lock(shared)
        .zone
        .set(name, behaviour)
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("record of {name}: {error}")))
}

async fn restore_record(State(shared): State<Shared>, Path(name): Path<String>) {
    lock(&shared).zone.restore(&name);
}

async fn set_views(
    State(shared): State<Shared>,
    Json(views): Json<Vec<View>>,
) -> Result<(), (StatusCode, String)> {
    let checked = views.iter().try_for_each(View::check);
    checked.map_err(|error| (StatusCode::BAD_REQUEST, format!("a record of a view: {error}")))?;
    lock(&shared).views = views;
    Ok(())
}

impl Resolver {
    fn reset(&mut self) {
        self.zone.reset();
        self.views.clear();
    }
}

/// Serves one address over UDP and TCP, and returns it.
async fn listen(address: SocketAddr, server: Server, shared: &Shared) -> anyhow::Result<SocketAddr> {
    let udp = UdpSocket::bind(address).await.with_context(|| format!("listening on {address} over UDP"))?;
    let address = udp.local_addr()?;
    let tcp = TcpListener::bind(address).await.with_context(|| format!("listening on {address} over TCP"))?;
    tokio::spawn(serve_udp(udp, server, shared.clone()));
    tokio::spawn(serve_tcp(tcp, server, shared.clone()));
    Ok(address)
}

async fn serve_udp(socket: UdpSocket, server: Server, shared: Shared) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let origin = Origin { transport: Transport::Udp, server, client: client.ip() };
        if let Some(answer) = respond(&shared, &buffer[..length], origin) {
            // A client that has closed the connection is not an error of the lab.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, server: Server, shared: Shared) {
    loop {
        let Ok((stream, client)) = listener.accept().await else {
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let origin = Origin { transport: Transport::Tcp, server, client: client.ip() };
            let _ = serve_stream(stream, &shared, origin).await;
        });
    }
}

/// Messages on a stream carry their length in two octets first (RFC 1035, section 4.2.2).
async fn serve_stream(mut stream: TcpStream, shared: &Shared, origin: Origin) -> anyhow::Result<()> {
    loop {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        if let Some(answer) = respond(shared, &message, origin) {
            stream.write_u16(u16::try_from(answer.len())?).await?;
            stream.write_all(&answer).await?;
        }
    }
}

/// How a query arrived, and from where.
#[derive(Clone, Copy)]
struct Origin {
    transport: Transport,
    server: Server,
    client: IpAddr,
}

/// The response on the wire; `None` means no response.
fn respond(shared: &Shared, wire: &[u8], origin: Origin) -> Option<Vec<u8>> {
    let Ok(query) = Message::from_vec(wire) else {
        let id = u16::from_be_bytes([*wire.first()?, *wire.get(1)?]);
        return Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok();
    };
    let answer = {
        let mut resolver = lock(shared);
        if let Some(question) = query.queries.first() {
            if resolver.queries.len() == LOGGED_QUERIES {
                resolver.queries.pop_front();
            }
            resolver.queries.push_back(Question {
                name: question.name().to_ascii().trim_end_matches('.').to_owned(),
                query_type: question.query_type().to_string(),
                transport: origin.transport,
                server: origin.server,
                client: origin.client,
            });
        }
        let Resolver { zone, views, .. } = &mut *resolver;
        let mut views = views.iter().filter(|view| view.applies(origin.server, origin.client));
        let viewed =
            query.queries.first().and_then(|query| views.find_map(|view| view.behaviour(query.name())));
        zone.answer(&query, origin.transport, viewed)?
    };
    let encoded = answer.to_vec().ok()?;
    if origin.transport == Transport::Udp && encoded.len() > usize::from(query.max_payload()) {
        return answer.truncate().to_vec().ok();
    }
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::op::Query;
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    fn question(name: &str) -> Vec<u8> {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        query.to_vec().unwrap()
    }

    async fn over_udp(dns: &Dns, query: &[u8]) -> Message {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.send_to(query, dns.address()).await.unwrap();
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).await.unwrap();
        Message::from_vec(&buffer[..length]).unwrap()
    }

    async fn over_tcp(dns: &Dns, query: &[u8]) -> Message {
        let mut stream = TcpStream::connect(dns.address()).await.unwrap();
        stream.write_u16(query.len().try_into().unwrap()).await.unwrap();
        stream.write_all(query).await.unwrap();
        let mut message = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut message).await.unwrap();
        Message::from_vec(&message).unwrap()
    }

    #[tokio::test]
    async fn it_responds_over_udp_and_tcp_and_logs_queries() {
        // A separate address, so that a port that is free for UDP is free for TCP too.
        let address = (Ipv4Addr::new(127, 0, 53, 1), 0).into();
        let dns = Dns::start(Settings { address, cluster_address: (Ipv4Addr::new(127, 0, 53, 2), 0).into() })
            .await
            .unwrap();
        let many = (0..100).map(|last| Ipv4Addr::new(10, 0, 9, last)).collect::<Vec<_>>();
        lock(&dns.shared).zone.set("many.example", Behaviour::addresses(&many)).unwrap();

        assert_eq!(over_udp(&dns, &question("api.cast.ai.")).await.answers.len(), 1);
        let cut = over_udp(&dns, &question("many.example.")).await;
        assert!(cut.metadata.truncation && cut.answers.is_empty());
        assert_eq!(over_tcp(&dns, &question("many.example.")).await.answers.len(), 100);
        assert_eq!(over_udp(&dns, b"\x01\x02junk").await.metadata.response_code, ResponseCode::FormErr);

        let asked = lock(&dns.shared)
            .queries
            .iter()
            .map(|query| (query.name.clone(), query.transport))
            .collect::<Vec<_>>();
        let expected = [
            ("api.cast.ai", Transport::Udp),
            ("many.example", Transport::Udp),
            ("many.example", Transport::Tcp),
        ];
        assert_eq!(asked, expected.map(|(name, transport)| (name.to_owned(), transport)));
    }
}
