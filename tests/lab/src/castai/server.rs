//! One server of Cast AI: TLS with the certificate that its fault defines, then REST or gRPC.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rustls::ServerConfig;
use rustls::version::TLS12;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Fault, Host, Protocol};
use crate::pki::{Authority, issued_by_unknown_authority};

/// The gRPC status code for a method that the server does not implement.
const UNIMPLEMENTED: u16 = 12;
/// The response of an AWS load balancer if the client's protocol version is not that of the target group.
const INCOMPATIBLE_PROTOCOL: u16 = 464;

pub(super) struct Server {
    host: Host,
    authority: Arc<Authority>,
    tls: Arc<ServerConfig>,
}

impl Server {
    pub(super) fn new(host: Host, authority: Arc<Authority>) -> anyhow::Result<Self> {
        let tls = authority.server(&[&host.name])?;
        Ok(Self { host, authority, tls })
    }

    /// Serves `listener` until the lab ends, with the fault that `fault` returns for the host at each connection.
    pub(super) async fn run(self, listener: TcpListener, fault: impl Fn(&str) -> Option<Fault>) {
        let server = Arc::new(self);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let (server, fault) = (server.clone(), fault(&server.host.name));
            tokio::spawn(async move {
                // A client that closes the connection is not an error of the lab.
                let _ = server.connection(stream, fault).await;
            });
        }
    }

    async fn connection(&self, mut stream: TcpStream, fault: Option<Fault>) -> anyhow::Result<()> {
        match fault {
            Some(Fault::Reset) => {
                // If the reset came immediately, some clients would get it while they still connect.
                let _ = stream.read(&mut [0; 1024]).await?;
                stream.set_zero_linger()?;
            }
            Some(Fault::Silent) => {
                let mut ignored = [0; 1024];
                while stream.read(&mut ignored).await? > 0 {}
            }
            _ => {
                let stream = TlsAcceptor::from(self.tls(fault.as_ref())?).accept(stream).await?;
                let router = self.router(fault.as_ref());
                // The error type is not `Sync`, and it is not used.
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
                    .await;
            }
        }
        Ok(())
    }

    fn tls(&self, fault: Option<&Fault>) -> anyhow::Result<Arc<ServerConfig>> {
        match fault {
            Some(Fault::OtherName { name }) => self.authority.server(&[name]),
            Some(Fault::Expired) => self.authority.issue_expired(&self.host.name)?.server(),
            Some(Fault::NotYetValid) => self.authority.issue_not_yet_valid(&self.host.name)?.server(),
            Some(Fault::Expiring { days }) => {
                let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
                let end = today.checked_add(Span::new().try_days(*days)?)?;
                self.authority.issue_until(&self.host.name, end)?.server()
            }
            Some(Fault::Tls12Only) => {
                self.authority.issue(&self.host.name, None, &[&self.host.name])?.server_with(&[&TLS12])
            }
            Some(Fault::UnknownAuthority) => issued_by_unknown_authority(&self.host.name)?.server(),
            Some(Fault::Http1Only) => {
                let mut tls = ServerConfig::clone(&self.tls);
                tls.alpn_protocols = vec![b"http/1.1".to_vec()];
                Ok(Arc::new(tls))
            }
            _ => Ok(self.tls.clone()),
        }
    }

    fn router(&self, fault: Option<&Fault>) -> Router {
        let grpc_status = match fault {
            Some(Fault::Http { status }) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Router::new().fallback(any(async move || status));
            }
            Some(Fault::Grpc { status }) => *status,
            _ => UNIMPLEMENTED,
        };
        match self.host.protocol {
            Protocol::Https => Router::new()
                .route("/healthz", get(async || ([(header::CONTENT_TYPE, "application/json")], "{}")))
                .fallback(any(unauthorized)),
            Protocol::Grpc => {
                Router::new().fallback(any(async move |version: Version| grpc(version, grpc_status)))
            }
        }
    }
}

/// The API's response to a request without a valid key.
async fn unauthorized() -> Response {
    let body = r#"{"message":"Unauthorized","fieldViolations":[]}"#;
    (StatusCode::UNAUTHORIZED, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A response that consists only of trailers: the status is in its single header block.
fn grpc(version: Version, status: u16) -> Response {
    if version != Version::HTTP_2 {
        return StatusCode::from_u16(INCOMPATIBLE_PROTOCOL)
            .unwrap_or(StatusCode::BAD_REQUEST)
            .into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "application/grpc".to_owned()),
        (header::HeaderName::from_static("grpc-status"), status.to_string()),
        (header::HeaderName::from_static("grpc-message"), "unknown service".to_owned()),
    ];
    (headers, ()).into_response()
}
