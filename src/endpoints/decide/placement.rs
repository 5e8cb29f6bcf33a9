//! Where an interface endpoint gets its addresses: one subnet per zone.

use std::collections::BTreeMap;

use super::subnets::Used;
use crate::endpoints::facts::{Service, Subnet, VpcFacts};
use crate::endpoints::settings::{PlanSettings, RequestedService};

/// The subnets of an endpoint and its kind of addresses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placement<'f> {
    /// One per zone, sorted by zone.
    pub(super) subnets: Vec<&'f Subnet>,
    /// As EC2 writes it; `None` for EC2's default, which is IPv4.
    pub(super) ip_type: Option<&'static str>,
    /// Zones of nodes in which the service does not exist.
    pub(super) unsupported: Vec<&'f str>,
    /// Zones of nodes with only IPv6 addresses, in which the endpoint gets none.
    pub(super) only_ipv6: Vec<&'f str>,
}

pub(super) fn place<'f>(
    facts: &'f VpcFacts,
    wanted: &PlanSettings,
    used: &Used<'f>,
    service: &RequestedService,
    detail: Option<&Service>,
) -> Placement<'f> {
    let named = |subnet: &&Subnet| wanted.endpoint_subnets.contains(&subnet.id);
    let candidates: Vec<&Subnet> = if wanted.endpoint_subnets.is_empty() {
        used.nodes.clone()
    } else {
        facts.subnets.iter().filter(named).collect()
    };
    // Endpoints for a service in another region do not depend on the zones of that region.
    let zones = detail.filter(|_| service.region.is_none()).map(|detail| &detail.zones);
    let is_supported =
        |subnet: &Subnet| zones.is_none_or(|zones| zones.is_empty() || zones.contains(&subnet.zone));
    let allows =
        |kind: &str| detail.is_some_and(|detail| detail.ip_types.iter().any(|allowed| allowed == kind));
    let is_addressable = |subnet: &Subnet| subnet.has_ipv4() || allows("ipv6");
    let mut by_zone: BTreeMap<&str, Vec<&Subnet>> = BTreeMap::new();
    let (mut unsupported, mut only_ipv6) = (Vec::new(), Vec::new());
    for subnet in candidates.into_iter().filter(|subnet| subnet.is_in_availability_zone(&facts.region)) {
        if !is_supported(subnet) {
            unsupported.push(subnet.zone.as_str());
        } else if !is_addressable(subnet) {
            only_ipv6.push(subnet.zone.as_str());
        } else {
            by_zone.entry(&subnet.zone).or_default().push(subnet);
        }
    }
    for zones in [&mut unsupported, &mut only_ipv6] {
        zones.retain(|zone| !by_zone.contains_key(zone));
    }
    // IPv4 addresses serve most clients; then the subnet with most room, and the id so that the choice is stable.
    let best = |subnets: Vec<&'f Subnet>| {
        subnets
            .into_iter()
            .min_by_key(|subnet| (!subnet.has_ipv4(), std::cmp::Reverse(subnet.free_addresses), &subnet.id))
    };
    let mut subnets: Vec<_> = by_zone.into_values().filter_map(best).collect();
    // An endpoint has the same kinds of addresses in all its subnets.
    if subnets.iter().any(|subnet| subnet.has_ipv4()) {
        only_ipv6
            .extend(subnets.iter().filter(|subnet| !subnet.has_ipv4()).map(|subnet| subnet.zone.as_str()));
        subnets.retain(|subnet| subnet.has_ipv4());
    }
    let all = |has: fn(&Subnet) -> bool| !subnets.is_empty() && subnets.iter().all(|subnet| has(subnet));
    let is_ipv6 = facts.cluster.as_ref().is_some_and(|cluster| cluster.is_ipv6) || !only_ipv6.is_empty();
    let ip_type = if !all(Subnet::has_ipv4) {
        all(Subnet::has_ipv6).then_some("ipv6")
    } else if is_ipv6 && all(Subnet::has_ipv6) && allows("ipv4") && allows("ipv6") {
        Some("dualstack")
    } else {
        None
    };
    for zones in [&mut unsupported, &mut only_ipv6] {
        zones.sort_unstable();
        zones.dedup();
    }
    Placement { subnets, ip_type, unsupported, only_ipv6 }
}
