//! Cast AI's endpoints: a server for every host in the table of endpoint services, with faults.

mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::address;
use crate::aws::FILES_HOST;
use crate::pki::Authority;

const ENDPOINT_SERVICES: &str = include_str!("../../../../src/castai/endpoint-services.csv");

/// The protocol of a Cast AI endpoint inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Https,
    Grpc,
}

/// A host name of the endpoint services table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub protocol: Protocol,
}

/// Every known host, in the order of `address::castai_endpoint`: all of the US, then all of the EU, then the host of the
/// files service, which only EC2 knows.
pub fn hosts() -> Vec<Host> {
    let rows = || ENDPOINT_SERVICES.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let of_column = |column: usize| {
        rows().filter_map(move |row| {
            let name = row.get(column).filter(|name| !name.is_empty())?;
            let protocol = if row.get(2) == Some(&"grpc") { Protocol::Grpc } else { Protocol::Https };
            Some(Host { name: (*name).to_owned(), protocol })
        })
    };
    let files = Host { name: FILES_HOST.to_owned(), protocol: Protocol::Https };
    of_column(3).chain(of_column(4)).chain([files]).collect()
}

/// The addresses of all hosts inside the lab, in the order of [`hosts`].
pub fn addresses() -> Vec<SocketAddr> {
    hosts().iter().zip(0..).map(|(_, index)| (address::castai_endpoint(index), 443).into()).collect()
}

/// The fault of a server. Refused and silent TCP connections are created with DNS records that point to
/// `address::REFUSING` and `address::SILENT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The certificate is for `name`.
    OtherName { name: String },
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The certificate is valid for this number of days at most, and for one less at least.
    Expiring { days: i32 },
    /// TLS 1.3 is not offered.
    Tls12Only,
    /// The certificate is signed by an unknown authority, as behind an intercepting proxy.
    UnknownAuthority,
    /// TCP connects, then the connection is reset during the handshake.
    Reset,
    /// TCP connects, then nothing is ever sent.
    Silent,
    /// HTTP/1.1 only: HTTP/2 is not offered.
    Http1Only,
    /// Every request gets this HTTP status, without `grpc-status`.
    Http { status: u16 },
    /// Every gRPC call gets this status.
    Grpc { status: u16 },
}

pub struct Settings {
    pub authority: Arc<Authority>,
    /// The address of each of [`hosts`], in its order ([`addresses`] in the lab); port 0 selects a free one.
    pub addresses: Vec<SocketAddr>,
}

/// A running server and its fault, as `GET /hosts` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub host: String,
    pub address: SocketAddr,
    pub protocol: Protocol,
    #[serde(flatten)]
    pub fault: Option<Fault>,
}

/// The running servers.
pub struct Castai {
    endpoints: Shared,
}

/// By host name. Each server reads its fault again for every connection.
type Shared = Arc<RwLock<BTreeMap<String, Endpoint>>>;

impl Castai {
    /// Starts a server for every host until the lab ends.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let hosts = hosts();
        anyhow::ensure!(
            settings.addresses.len() == hosts.len(),
            "{} addresses for {} Cast AI hosts: give one each",
            settings.addresses.len(),
            hosts.len(),
        );
        let endpoints = Shared::default();
        for (host, address) in hosts.into_iter().zip(settings.addresses) {
            let listener = tokio::net::TcpListener::bind(address)
                .await
                .with_context(|| format!("listening on {address} for {}", host.name))?;
            let endpoint = Endpoint {
                host: host.name.clone(),
                address: listener.local_addr()?,
                protocol: host.protocol,
                fault: None,
            };
            endpoints.write().unwrap_or_else(PoisonError::into_inner).insert(host.name.clone(), endpoint);
            let server = server::Server::new(host, settings.authority.clone())?;
            let fault = {
                let endpoints = endpoints.clone();
                move |host: &str| {
                    let endpoints = endpoints.read().unwrap_or_else(PoisonError::into_inner);
                    endpoints.get(host).and_then(|endpoint| endpoint.fault.clone())
                }
            };
            tokio::spawn(server.run(listener, fault));
        }
        Ok(Self { endpoints })
    }

    /// Every server by host name.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.endpoints.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// `GET /hosts` ([`Endpoint`]s), `PUT|DELETE /faults/{host}` ([`Fault`]), `POST /reset`.
    pub fn control(&self) -> Router {
        Router::new()
            .route("/hosts", get(list))
            .route("/faults/{host}", put(set).delete(clear))
            .route("/reset", post(reset))
            .with_state(self.endpoints.clone())
    }
}

async fn list(State(endpoints): State<Shared>) -> Json<Vec<Endpoint>> {
    Json(endpoints.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect())
}

async fn set(
    State(endpoints): State<Shared>,
    Path(host): Path<String>,
    Json(fault): Json<Fault>,
) -> Result<(), (StatusCode, String)> {
    change(&endpoints, &host, Some(fault))
}

async fn clear(
    State(endpoints): State<Shared>,
    Path(host): Path<String>,
) -> Result<(), (StatusCode, String)> {
    change(&endpoints, &host, None)
}

async fn reset(State(endpoints): State<Shared>) {
    for endpoint in endpoints.write().unwrap_or_else(PoisonError::into_inner).values_mut() {
        endpoint.fault = None;
    }
}

fn change(endpoints: &Shared, host: &str, fault: Option<Fault>) -> Result<(), (StatusCode, String)> {
    let mut endpoints = endpoints.write().unwrap_or_else(PoisonError::into_inner);
    let endpoint = endpoints
        .get_mut(host)
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("no Cast AI server is called {host}")))?;
    endpoint.fault = fault;
    Ok(())
}

#[cfg(test)]
mod tests;
