//! The VPC resolver: a small DNS server over UDP and TCP. The control API changes its responses.

mod zone;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
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

pub use self::zone::{Behaviour, EVERY_NAME, TTL, Transport, Zone};

/// A lab may run for days, and its cluster sends queries; only the last ones are kept.
const LOGGED_QUERIES: usize = 10_000;

pub struct Settings {
    /// The address to listen on, UDP and TCP; port 0 selects a free one.
    pub address: SocketAddr,
}

/// A query that the resolver received, with the client's upper and lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub name: String,
    #[serde(rename = "type")]
    pub query_type: String,
    pub transport: Transport,
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
    queries: VecDeque<Question>,
}

impl Dns {
    /// Listens on the address of `settings` until the lab ends.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let udp = UdpSocket::bind(settings.address)
            .await
            .with_context(|| format!("listening on {} over UDP", settings.address))?;
        let address = udp.local_addr()?;
        let tcp =
            TcpListener::bind(address).await.with_context(|| format!("listening on {address} over TCP"))?;
        let shared = Shared::default();
        tokio::spawn(serve_udp(udp, shared.clone()));
        tokio::spawn(serve_tcp(tcp, shared.clone()));
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn private_names(&self) -> PrivateNames {
        PrivateNames(self.shared.clone())
    }

    /// `GET|PUT /records` (a map of names to [`Behaviour`]), `PUT|DELETE /records/{name}`, `POST /reset`,
    /// `GET|DELETE /queries` ([`Question`]s, oldest first).
    pub fn control(&self) -> Router {
        Router::new()
            .route("/records", get(records).put(set_records))
            .route("/records/{name}", put(set_record).delete(restore_record))
            .route("/reset", post(async |State(shared): State<Shared>| lock(&shared).zone.reset()))
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

async fn serve_udp(socket: UdpSocket, shared: Shared) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if let Some(answer) = respond(&shared, &buffer[..length], Transport::Udp) {
            // A client that has closed the connection is not an error of the lab.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, shared: Shared) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let _ = serve_stream(stream, &shared).await;
        });
    }
}

/// Messages on a stream carry their length in two octets first (RFC 1035, section 4.2.2).
async fn serve_stream(mut stream: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    loop {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        if let Some(answer) = respond(shared, &message, Transport::Tcp) {
            stream.write_u16(u16::try_from(answer.len())?).await?;
            stream.write_all(&answer).await?;
        }
    }
}

/// The response on the wire; `None` means no response.
fn respond(shared: &Shared, wire: &[u8], transport: Transport) -> Option<Vec<u8>> {
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
                transport,
            });
        }
        resolver.zone.answer(&query, transport)?
    };
    let encoded = answer.to_vec().ok()?;
    if transport == Transport::Udp && encoded.len() > usize::from(query.max_payload()) {
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
        let dns = Dns::start(Settings { address }).await.unwrap();
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
