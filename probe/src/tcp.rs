//! TCP: does every address of a host accept a connection, and if not, how does it fail?

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::timing::timed;

/// Why a connection failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// Packets are dropped, as security groups and network ACLs do.
    TimedOut,
    /// The host responds, but nothing listens on the port.
    Refused,
    Reset,
    /// This machine has no route.
    Unreachable,
    Other(String),
}

impl Failure {
    pub fn classify(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Reset,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
            _ => Self::Other(error.to_string()),
        }
    }

    /// The class in words.
    pub fn describe(&self) -> &str {
        match self {
            Self::TimedOut => "timed out",
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
            Self::Unreachable => "no route",
            Self::Other(text) => text,
        }
    }
}

/// One attempt at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub address: SocketAddr,
    pub milliseconds: u64,
    /// Why there is no connection, if there is none.
    pub failure: Option<Failure>,
}

/// Connects to every address concurrently.
pub async fn open(addresses: &[IpAddr], port: u16, timeout: Duration) -> Vec<(Attempt, Option<TcpStream>)> {
    join_all(addresses.iter().map(|address| async move {
        let address = SocketAddr::new(*address, port);
        let connect = tokio::time::timeout(timeout, TcpStream::connect(address));
        let (milliseconds, connection) = timed(connect).await;
        let (failure, stream) = match connection {
            Err(_) => (Some(Failure::TimedOut), None),
            Ok(Err(error)) => (Some(Failure::classify(&error)), None),
            Ok(Ok(stream)) => (None, Some(stream)),
        };
        (Attempt { address, milliseconds, failure }, stream)
    }))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_classified() {
        let cases = [
            (io::ErrorKind::TimedOut, Failure::TimedOut),
            (io::ErrorKind::ConnectionRefused, Failure::Refused),
            (io::ErrorKind::ConnectionReset, Failure::Reset),
            (io::ErrorKind::UnexpectedEof, Failure::Reset),
            (io::ErrorKind::NetworkUnreachable, Failure::Unreachable),
            (io::ErrorKind::HostUnreachable, Failure::Unreachable),
        ];
        for (kind, expected) in cases {
            assert_eq!(Failure::classify(&io::Error::from(kind)), expected);
        }
    }

    #[tokio::test]
    async fn a_closed_port_refuses_and_an_open_one_connects() {
        let open_port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let localhost = [IpAddr::from([127, 0, 0, 1])];
        let timeout = Duration::from_secs(5);
        let attempts = open(&localhost, open_port.local_addr().unwrap().port(), timeout).await;
        assert_eq!(attempts[0].0.failure, None);
        assert!(attempts[0].1.is_some());
        // The discard service does not run here; a port that was free could be in use again.
        let attempts = open(&[IpAddr::from([127, 9, 9, 1])], 9, timeout).await;
        assert_eq!(attempts[0].0.failure, Some(Failure::Refused));
    }
}
