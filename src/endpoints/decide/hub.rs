//! Names that the VPC already resolves: by a private hosted zone, as with endpoints in a hub VPC, or by another endpoint.

use crate::endpoints::facts::{Endpoint, HostedZone, VpcFacts};

/// What already answers for a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<'f> {
    Zone(&'f HostedZone),
    Endpoint(&'f Endpoint),
}

/// What answers for one of `hosts`, other than endpoints of the service itself.
pub(super) fn taken<'f>(facts: &'f VpcFacts, service_name: &str, hosts: &[String]) -> Option<Taken<'f>> {
    let covers = |zone: &HostedZone| {
        hosts.iter().any(|host| {
            let host = host.trim_start_matches("*.");
            host == zone.name || host.strip_suffix(&zone.name).is_some_and(|rest| rest.ends_with('.'))
        })
    };
    // Those that Route 53 lists for AWS services are the endpoints' own.
    let mut zones = facts.hosted_zones.iter().filter(|zone| !zone.owner.ends_with(".amazonaws.com"));
    if let Some(zone) = zones.find(|zone| covers(zone)) {
        return Some(Taken::Zone(zone));
    }
    let mut others = facts.endpoints.iter().filter(|endpoint| {
        endpoint.private_dns && endpoint.service_name != service_name && !is_gone(endpoint)
    });
    let answers = |endpoint: &Endpoint| endpoint.dns_names.iter().any(|name| hosts.contains(name));
    others.find(|endpoint| answers(endpoint)).map(Taken::Endpoint)
}

/// Whether it is deleted or about to be.
pub fn is_gone(endpoint: &Endpoint) -> bool {
    ["deleting", "deleted"].iter().any(|state| endpoint.state.eq_ignore_ascii_case(state))
}
