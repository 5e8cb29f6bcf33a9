//! Behaviours of names for some clients, or at one of the servers only.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_proto::ProtoError;
use hickory_proto::rr::Name;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::zone::{self, Behaviour, EVERY_NAME};

/// One of the addresses on which the lab serves DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Server {
    /// The VPC resolver.
    Vpc,
    /// The cluster's DNS service.
    Cluster,
}

/// Records that come before all others for matching queries.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The server's queries; both servers' if it is missing.
    pub server: Option<Server>,
    /// The clients' addresses; all if it is missing. `GET /kubelet/nodes` has the range of each node's pods.
    pub clients: Option<IpNet>,
    pub records: BTreeMap<String, Behaviour>,
}

impl View {
    pub(super) fn check(&self) -> Result<(), ProtoError> {
        self.records.iter().try_for_each(|(name, behaviour)| {
            Name::from_ascii(name)?;
            zone::check(behaviour)
        })
    }

    pub(super) fn applies(&self, server: Server, client: IpAddr) -> bool {
        self.server.is_none_or(|only| only == server)
            && self.clients.is_none_or(|range| range.contains(&client))
    }

    /// The behaviour of `name`, if this view has one.
    pub(super) fn behaviour(&self, name: &Name) -> Option<Behaviour> {
        let name = zone::key(&name.to_ascii());
        let own = self.records.iter().find(|(other, _)| zone::key(other) == name);
        own.map(|(_, behaviour)| behaviour).or_else(|| self.records.get(EVERY_NAME)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_for_its_server_and_its_clients() {
        let view = |server: Option<Server>, clients: Option<&str>| View {
            server,
            clients: clients.map(|range| range.parse().unwrap()),
            records: BTreeMap::new(),
        };
        let client: IpAddr = "10.0.64.4".parse().unwrap();
        for (view, expected) in [
            (view(None, None), true),
            (view(Some(Server::Cluster), None), false),
            (view(Some(Server::Vpc), Some("10.0.64.0/24")), true),
            (view(None, Some("10.0.65.0/24")), false),
        ] {
            assert_eq!(view.applies(Server::Vpc, client), expected, "{view:?}");
        }
    }

    #[test]
    fn a_name_comes_before_every_name() {
        let records =
            [("API.cast.ai.".to_owned(), Behaviour::NameError), (EVERY_NAME.to_owned(), Behaviour::Silent)];
        let view = View { server: None, clients: None, records: records.into() };
        let behaviour = |name: &str| view.behaviour(&Name::from_ascii(name).unwrap());
        assert_eq!(behaviour("api.cast.ai."), Some(Behaviour::NameError));
        assert_eq!(behaviour("grpc.cast.ai."), Some(Behaviour::Silent));
        let empty = View { records: BTreeMap::new(), ..view };
        assert_eq!(empty.behaviour(&Name::from_ascii("api.cast.ai.").unwrap()), None);
    }
}
