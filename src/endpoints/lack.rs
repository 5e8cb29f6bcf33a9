//! What an endpoint that exists lacks, according to the plan that would add it.

use std::fmt;

use crate::endpoints::facts::{Endpoint, VpcFacts};
use crate::endpoints::plan::{Action, EndpointPlan, GroupRef};
use crate::endpoints::settings::{Peer, Provider, RequestedService};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// By the owner of the service.
    Acceptance(Provider),
    /// It is in another state than `available`.
    Availability,
    PrivateDns,
    /// An attribute of the VPC that private DNS needs.
    VpcAttribute {
        name: &'static str,
        vpc: String,
    },
    /// An address in the zone of a subnet, or in the subnet itself if EC2 does not list it.
    Address(String),
    /// A security group that admits its clients.
    AdmittingGroup,
    Rule {
        group: String,
        peers: Vec<Peer>,
    },
    /// Of a gateway.
    Route {
        table: String,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acceptance(provider) => write!(formatter, "acceptance by {}", provider.who()),
            Self::Availability => formatter.write_str("the state available"),
            Self::PrivateDns => formatter.write_str("private DNS"),
            Self::VpcAttribute { name, vpc } => write!(formatter, "{name} of {vpc}"),
            Self::Address(zone) => write!(formatter, "an address in {zone}"),
            Self::AdmittingGroup => formatter.write_str("a security group that admits its clients"),
            Self::Rule { group, peers } => {
                let peers: Vec<_> = peers.iter().map(ToString::to_string).collect();
                write!(formatter, "a rule in {group} for {}", peers.join(", "))
            }
            Self::Route { table } => write!(formatter, "a route in {table}"),
        }
    }
}

/// What `endpoint` lacks. `plan` is decided from the same facts, and may turn on attributes of the VPC.
pub fn lacks(
    facts: &VpcFacts,
    plan: &EndpointPlan,
    service: &RequestedService,
    endpoint: &Endpoint,
) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let is = |state: &str| endpoint.state.eq_ignore_ascii_case(state);
    if is("pendingAcceptance") {
        lacks.push(Lack::Acceptance(service.provider));
    } else if !is("available") {
        lacks.push(Lack::Availability);
    }
    if !endpoint.is_gateway {
        // Without it, the host keeps its public address, also where the service has no private name to turn on.
        let detail = facts.services.iter().find(|detail| detail.name == service.service_name);
        let has_no_name = service.provider == Provider::Aws
            && detail.is_some_and(|detail| detail.private_dns_names.is_empty());
        lacks.extend((!endpoint.private_dns && !has_no_name).then_some(Lack::PrivateDns));
        let off = attributes(facts, Some(false));
        lacks.extend(off.map(|name| Lack::VpcAttribute { name, vpc: facts.vpc.id.clone() }));
    }
    for action in &plan.actions {
        match action {
            Action::ModifyEndpoint { id, add_subnets, add_groups, add_route_tables, .. }
                if *id == endpoint.id =>
            {
                let zone = |id: &String| zone(facts, id).unwrap_or(id).clone();
                lacks.extend(add_subnets.iter().map(|subnet| Lack::Address(zone(subnet))));
                lacks.extend((!add_groups.is_empty()).then_some(Lack::AdmittingGroup));
                lacks.extend(add_route_tables.iter().map(|table| Lack::Route { table: table.clone() }));
            }
            Action::AuthorizeIngress { group: GroupRef::Id(group), peers }
                if endpoint.groups.contains(group) =>
            {
                lacks.push(Lack::Rule { group: group.clone(), peers: peers.clone() });
            }
            _ => {}
        }
    }
    lacks
}

/// The attributes of the VPC that private DNS needs and that are `is_on`; `None` for those that could not be read.
pub fn attributes(facts: &VpcFacts, is_on: Option<bool>) -> impl Iterator<Item = &'static str> {
    let all = [("enableDnsSupport", facts.vpc.dns_support), ("enableDnsHostnames", facts.vpc.dns_hostnames)];
    all.into_iter().filter(move |(_, found)| *found == is_on).map(|(name, _)| name)
}

/// The zone of a subnet that EC2 lists.
pub fn zone<'f>(facts: &'f VpcFacts, id: &str) -> Option<&'f String> {
    facts.subnets.iter().find(|subnet| subnet.id == id).map(|subnet| &subnet.zone)
}
