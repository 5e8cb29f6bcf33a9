//! Names that the VPC already resolves: by a private hosted zone, as with endpoints in a hub VPC, or by another endpoint.

use crate::endpoints::facts::{Endpoint, HostedZone, VpcFacts};

/// What already answers for a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<'f> {
    Zone(&'f HostedZone),
    Endpoint(&'f Endpoint),
}

/// What answers for one of `hosts`, other than endpoints of the service itself. The private name of an endpoint wins over a
/// zone of a parent domain, because it is more specific (Route 53 developer guide, "Considerations when working with a private
/// hosted zone").
pub(super) fn taken<'f>(facts: &'f VpcFacts, service_name: &str, hosts: &[String]) -> Option<Taken<'f>> {
    let mut zones = zones(facts);
    if let Some(zone) = zones.find(|zone| hosts.iter().any(|host| without_wildcard(host) == zone.name)) {
        return Some(Taken::Zone(zone));
    }
    let mut others = facts.endpoints.iter().filter(|endpoint| {
        endpoint.private_dns && endpoint.service_name != service_name && !is_gone(endpoint)
    });
    let answers = |endpoint: &Endpoint| endpoint.dns_names.iter().any(|name| hosts.contains(name));
    others.find(|endpoint| answers(endpoint)).map(Taken::Endpoint)
}

/// A zone of a parent domain of one of `hosts`, and that host.
pub(super) fn parent<'f, 'h>(facts: &'f VpcFacts, hosts: &'h [String]) -> Option<(&'f HostedZone, &'h str)> {
    let is_below =
        |host: &str, zone: &HostedZone| host.strip_suffix(&zone.name).is_some_and(|rest| rest.ends_with('.'));
    zones(facts).find_map(|zone| {
        let mut hosts = hosts.iter().map(|host| without_wildcard(host));
        Some((zone, hosts.find(|host| is_below(host, zone))?))
    })
}

/// The hosts of a service that no zone has the name of, although one has that of another host.
pub(super) fn unanswered<'h>(facts: &VpcFacts, hosts: &'h [String]) -> Vec<&'h str> {
    let is_answered = |host: &&str| zones(facts).any(|zone| without_wildcard(host) == zone.name);
    hosts.iter().map(String::as_str).filter(|host| !is_answered(host)).collect()
}

/// Zones without those that Route 53 lists for AWS services: they are the endpoints' own.
fn zones(facts: &VpcFacts) -> impl Iterator<Item = &HostedZone> {
    facts.hosted_zones.iter().filter(|zone| !zone.owner.ends_with(".amazonaws.com"))
}

fn without_wildcard(host: &str) -> &str {
    host.trim_start_matches("*.")
}

/// Whether it is deleted or about to be.
pub fn is_gone(endpoint: &Endpoint) -> bool {
    ["deleting", "deleted"].iter().any(|state| endpoint.state.eq_ignore_ascii_case(state))
}
