//! Servers that respond for any name with an invalid certificate. A DNS record directs a name to them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;

use crate::address;
use crate::pki::{self, Authority, Identity};

/// The fault of a certificate.
#[derive(Clone, Copy)]
enum Fault {
    Expired,
    NotYetValid,
    UnknownAuthority,
}

/// Serves each of these addresses until the lab ends.
pub async fn start(authority: &Arc<Authority>) -> anyhow::Result<()> {
    let impostors: [(Ipv4Addr, Fault); 3] = [
        (address::EXPIRED, Fault::Expired),
        (address::NOT_YET_VALID, Fault::NotYetValid),
        (address::UNKNOWN_AUTHORITY, Fault::UnknownAuthority),
    ];
    for (address, fault) in impostors {
        let address = SocketAddr::from((address, 443));
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        let authority = authority.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let authority = authority.clone();
                // A client that verifies certificates closes the connection.
                tokio::spawn(async move { drop(accept_tls(stream, &authority, fault).await) });
            }
        });
    }
    Ok(())
}

async fn accept_tls(stream: TcpStream, authority: &Authority, fault: Fault) -> anyhow::Result<()> {
    let handshake = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = handshake.client_hello().server_name().context("no server name")?.to_owned();
    let tls = identity(authority, fault, &name)?.server()?;
    handshake.into_stream(tls).await?;
    Ok(())
}

fn identity(authority: &Authority, fault: Fault, name: &str) -> anyhow::Result<Identity> {
    match fault {
        Fault::Expired => authority.issue_expired(name),
        Fault::NotYetValid => authority.issue_not_yet_valid(name),
        Fault::UnknownAuthority => pki::issued_by_unknown_authority(name),
    }
}
