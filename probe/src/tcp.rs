//! TCP: does every address of a host take a connection, and if not, how does it refuse?

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

/// Why a connection did not come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// Packets are dropped on the way: security groups and network ACLs do that.
    TimedOut,
    /// Something is there, but nothing listens.
    Refused,
    Reset,
    /// This machine has no route.
    Unreachable,
    Other(String),
}

impl Failure {
    pub fn of(error: &io::Error) -> Self {
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
#[derive(Debug)]
pub struct Attempt {
    pub address: SocketAddr,
    pub result: Result<TcpStream, Failure>,
}

/// Connects to every address at once.
pub async fn open(addresses: &[IpAddr], port: u16, timeout: Duration) -> Vec<Attempt> {
    join_all(addresses.iter().map(|address| async move {
        let address = SocketAddr::new(*address, port);
        let result = match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
            Err(_) => Err(Failure::TimedOut),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Ok(Ok(stream)) => Ok(stream),
        };
        Attempt { address, result }
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
            assert_eq!(Failure::of(&io::Error::from(kind)), expected);
        }
    }

    #[tokio::test]
    async fn a_closed_port_refuses_and_an_open_one_connects() {
        let open_port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let localhost = [IpAddr::from([127, 0, 0, 1])];
        let timeout = Duration::from_secs(5);
        let attempts = open(&localhost, open_port.local_addr().unwrap().port(), timeout).await;
        assert!(attempts[0].result.is_ok());
        // Nobody listens at the discard service of an address of our own; a port that was free may be taken again.
        let attempts = open(&[IpAddr::from([127, 9, 9, 1])], 9, timeout).await;
        assert_eq!(attempts[0].result.as_ref().err(), Some(&Failure::Refused));
    }
}
