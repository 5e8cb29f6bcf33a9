//! A forward proxy as in companies: it accepts CONNECT, can require a login or refuse, and counts connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::extract::State;
use axum::routing::{get, put};
use axum::{Json, Router};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Most bytes of a request's head.
const LONGEST_HEAD: usize = 16 * 1024;

/// How the proxy behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// 403 for everything.
    #[serde(default)]
    pub refuses: bool,
    /// The required login, `user:password`: 407 without it.
    #[serde(default)]
    pub login: Option<String>,
}

#[derive(Default)]
struct World {
    settings: Settings,
    /// Accepted connections, by requested host and port.
    connections: BTreeMap<String, u64>,
}

/// The running proxy.
pub struct Proxy {
    world: Arc<Mutex<World>>,
}

impl Proxy {
    /// Serves until the lab ends.
    pub async fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        let world = Arc::<Mutex<World>>::default();
        let shared = world.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let world = shared.clone();
                // A client that closes the connection is not an error of the lab.
                tokio::spawn(async move { drop(connection(stream, &world).await) });
            }
        });
        Ok(Self { world })
    }

    /// `PUT /settings` ([`Settings`]), `GET|DELETE /connections`.
    pub fn control(&self) -> Router {
        Router::new()
            .route(
                "/settings",
                put(async |State(world): State<Arc<Mutex<World>>>, Json(settings): Json<Settings>| {
                    lock(&world).settings = settings;
                }),
            )
            .route(
                "/connections",
                get(async |State(world): State<Arc<Mutex<World>>>| Json(lock(&world).connections.clone()))
                    .delete(async |State(world): State<Arc<Mutex<World>>>| lock(&world).connections.clear()),
            )
            .with_state(self.world.clone())
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connection(mut client: TcpStream, world: &Mutex<World>) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let settings = lock(world).settings.clone();
    if settings.login.is_some_and(|login| !has_login(&head, &login)) {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\n\
                      Content-Length: 0\r\n\r\n";
        return Ok(client.write_all(answer.as_bytes()).await?);
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(target) = target.filter(|_| !settings.refuses) else {
        return Ok(client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await?);
    };
    let Ok(mut server) = TcpStream::connect(target).await else {
        return Ok(client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await?);
    };
    *lock(world).connections.entry(target.to_owned()).or_default() += 1;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn has_login(head: &str, login: &str) -> bool {
    let encoded = base64::engine::general_purpose::STANDARD.encode(login);
    head.lines().filter_map(|line| line.split_once(": ")).any(|(name, value)| {
        name.eq_ignore_ascii_case("proxy-authorization") && value == format!("Basic {encoded}")
    })
}
