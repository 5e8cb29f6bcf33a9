//! TCP: does every address of the host take a connection, and if not, how does it refuse?

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpStream;

use super::check::{Judgement, Remedy};

/// Why a connection did not come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// Whether clients get a connection, whichever address they take. IPv6 addresses that this machine has no route to
/// do no harm where IPv4 works, because clients then do not try them.
pub fn judge(attempts: &[(SocketAddr, Option<Failure>)]) -> Judgement {
    let evidence: Vec<_> =
        attempts.iter().map(|(address, failure)| json!({ "address": address, "failure": failure })).collect();
    let seen: Vec<_> = attempts
        .iter()
        .map(|(address, failure)| {
            let what = failure.as_ref().map_or("connected", Failure::describe);
            format!("{address} {what}")
        })
        .collect();
    let seen = seen.join(", ");
    let connected = attempts.iter().any(|(_, failure)| failure.is_none());
    let worst = attempts.iter().find_map(|(address, failure)| {
        failure
            .as_ref()
            .filter(|failure| !(connected && address.is_ipv6() && **failure == Failure::Unreachable))
    });
    let judgement = match (connected, worst) {
        (true, None) => Judgement::pass(seen),
        (true, Some(failure)) => Judgement::warn(seen).remedy(remedy(failure)),
        (false, Some(failure)) => Judgement::fail(seen).remedy(remedy(failure)),
        (false, None) => Judgement::fail("no address to connect to"),
    };
    judgement.expected("a connection to every address").evidence(json!(evidence))
}

fn remedy(failure: &Failure) -> Remedy {
    match failure {
        Failure::TimedOut => Remedy::command(
            "let port 443 in on the endpoint's security group from this machine's, the nodes' and the pods' addresses, and check the subnets' network ACLs",
            "aws ec2 authorize-security-group-ingress --group-id SECURITY_GROUP_ID --protocol tcp --port 443 --cidr VPC_CIDR",
        ),
        Failure::Refused => Remedy::text(
            "nothing listens on this address: the name may point to a machine that is no endpoint, or the endpoint service has no healthy target",
        ),
        Failure::Reset => Remedy::text(
            "something on the way ends connections: look for a firewall between here and the endpoint",
        ),
        Failure::Unreachable => Remedy::text(
            "there is no route to this address: check the route tables of this subnet and of the endpoint's",
        ),
        Failure::Other(_) => Remedy::text("try again; if it stays, look at this machine's network settings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mix_of_attempts_has_its_result() {
        let four = || "10.0.0.1:443".parse().unwrap();
        let six = || "[fd00::1]:443".parse().unwrap();
        let cases = [
            (vec![(four(), None)], "Pass"),
            (vec![(four(), None), (four(), Some(Failure::TimedOut))], "Warn"),
            (vec![(four(), None), (six(), Some(Failure::Unreachable))], "Pass"),
            (vec![(four(), None), (six(), Some(Failure::Refused))], "Warn"),
            (vec![(four(), Some(Failure::TimedOut))], "Fail"),
            (vec![(four(), Some(Failure::Refused))], "Fail"),
            (vec![(four(), Some(Failure::Reset))], "Fail"),
            (vec![(six(), Some(Failure::Unreachable))], "Fail"),
            (vec![], "Fail"),
        ];
        for (attempts, expected) in cases {
            assert_eq!(judge(&attempts).outcome.name(), expected, "{attempts:?}");
        }
    }

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
