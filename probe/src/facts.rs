//! The facts about hosts: which ones are requested, which were gathered, and why one is missing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dns::Answers;
use crate::endpoint::Endpoint;
use crate::exchange;
use crate::grpc;
use crate::scope::Scope;
use crate::tcp::Attempt;
use crate::timing::timed;
use crate::tls;

/// A host to check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub endpoint: Endpoint,
    /// The last requested fact. Its prerequisites are gathered too.
    pub layer: Layer,
    pub connect: Connect,
}

/// A kind of fact. Each one requires those before it, except that HTTPS and gRPC exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    Dns,
    Tcp,
    Tls,
    Https,
    Grpc,
}

impl Layer {
    /// Whether facts of `other` are gathered if this one is requested.
    pub fn includes(self, other: Self) -> bool {
        match other {
            Self::Https | Self::Grpc => self == other,
            Self::Dns | Self::Tcp | Self::Tls => other <= self,
        }
    }
}

/// The addresses to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Connect {
    Anywhere,
    /// None, if a client may connect to a public address ([`Scope::leads_outside`]).
    PrivateOnly,
}

/// A fact and its duration, or why it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fact<T> {
    Gathered { milliseconds: u64, value: T },
    NotGathered { reason: Reason },
}

impl<T> Fact<T> {
    /// Gathers a fact and measures the time.
    pub(crate) async fn of(value: impl Future<Output = T>) -> Self {
        let (milliseconds, value) = timed(value).await;
        Self::Gathered { milliseconds, value }
    }
}

/// Why a fact was not gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    #[error("not requested")]
    NotWanted,
    /// The system's settings have none, or cannot be read.
    #[error("cannot read this machine's DNS servers: {0}")]
    NoNameServers(String),
    #[error("the name has no address")]
    NoAddress,
    #[error("the name leads to public addresses")]
    PublicAddress,
    #[error("no address accepted a connection")]
    NoConnection,
    #[error("the TLS handshake failed")]
    NoSession,
}

/// The facts about a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostFacts {
    pub target: Target,
    /// From the clock of the machine that ran the probe.
    pub gathered: Timestamp,
    pub dns: Fact<Answers>,
    /// The addresses from the name servers.
    pub scope: Scope,
    pub tcp: Fact<Vec<Attempt>>,
    /// Of the first address that accepted a connection.
    pub tls: Fact<Result<tls::Session, tls::Failure>>,
    /// The status of the response.
    pub https: Fact<Result<u16, exchange::Failure>>,
    pub grpc: Fact<Result<grpc::Reply, grpc::Problem>>,
}

impl HostFacts {
    /// No facts yet.
    pub fn new(target: Target, gathered: Timestamp) -> Self {
        Self {
            target,
            gathered,
            dns: Fact::NotGathered { reason: Reason::NotWanted },
            scope: Scope::default(),
            tcp: Fact::NotGathered { reason: Reason::NotWanted },
            tls: Fact::NotGathered { reason: Reason::NotWanted },
            https: Fact::NotGathered { reason: Reason::NotWanted },
            grpc: Fact::NotGathered { reason: Reason::NotWanted },
        }
    }

    /// Records for the requested facts from `layer` on why they are missing.
    pub(crate) fn stop(&mut self, layer: Layer, because: &Reason) {
        let is_stopped = |other: Layer| other >= layer && self.target.layer.includes(other);
        let [dns, tcp, tls, https, grpc] =
            [Layer::Dns, Layer::Tcp, Layer::Tls, Layer::Https, Layer::Grpc].map(is_stopped);
        stop(&mut self.dns, dns, because);
        stop(&mut self.tcp, tcp, because);
        stop(&mut self.tls, tls, because);
        stop(&mut self.https, https, because);
        stop(&mut self.grpc, grpc, because);
    }
}

fn stop<T>(fact: &mut Fact<T>, is_stopped: bool, because: &Reason) {
    if is_stopped {
        *fact = Fact::NotGathered { reason: because.clone() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_includes_its_prerequisites() {
        let all = [Layer::Dns, Layer::Tcp, Layer::Tls, Layer::Https, Layer::Grpc];
        let cases = [
            (Layer::Dns, [true, false, false, false, false]),
            (Layer::Tls, [true, true, true, false, false]),
            (Layer::Https, [true, true, true, true, false]),
            (Layer::Grpc, [true, true, true, false, true]),
        ];
        for (layer, expected) in cases {
            assert_eq!(all.map(|other| layer.includes(other)), expected, "{layer:?}");
        }
    }
}
