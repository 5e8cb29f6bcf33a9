//! What happens to the endpoint of one service.

use std::collections::BTreeSet;

use super::groups::Groups;
use super::hub::{Taken, is_gone, parent, taken, unanswered};
use super::our_tags;
use super::placement::{Placement, place};
use super::problems::{
    NameDefect, account, conflict, is_stuck, name_defect, no_address, only_ipv6, stuck,
    unreachable_from_here, wrong_service,
};
use super::subnets::Used;
use crate::endpoints::facts::{Endpoint, Service, Subnet, VpcFacts};
use crate::endpoints::plan::{Action, EndpointChange, MANAGED_BY, PlannedEndpoint, Problem};
use crate::endpoints::settings::{PlanSettings, Provider, RequestedService};

pub(super) struct Context<'f> {
    pub(super) facts: &'f VpcFacts,
    pub(super) settings: &'f PlanSettings,
    pub(super) used: &'f Used<'f>,
    /// Nothing can be created or modified in this VPC.
    pub(super) is_blocked: bool,
}

pub(super) struct Decision {
    pub(super) planned: PlannedEndpoint,
    pub(super) action: Option<Action>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
    /// Whether EC2 says nothing about the service.
    pub(super) is_undescribed: bool,
    /// Zones in which an interface endpoint is added.
    pub(super) added_zones: usize,
}

impl Context<'_> {
    pub(super) fn decide(&self, service: &RequestedService, groups: &mut Groups<'_>) -> Decision {
        let detail = self.facts.services.iter().find(|detail| detail.name == service.service_name);
        let hosts = match detail.map(|detail| detail.private_dns_names.clone()) {
            Some(names) if !names.is_empty() => names,
            _ => service.hosts.clone(),
        };
        let mut decision = Decision::new(service, hosts);
        if let Some(problem) = detail.and_then(|detail| wrong_service(service, detail)) {
            return decision.blocked(problem);
        }
        let existing = existing(self.facts, service);
        if let Some(endpoint) = existing {
            decision.planned.id = Some(endpoint.id.clone());
            decision.planned.state = Some(endpoint.state.clone());
            if let Some(problem) = stuck(self.facts, service, endpoint) {
                return decision.blocked(problem);
            }
        }
        if !existing.is_some_and(|endpoint| endpoint.private_dns) && !service.is_gateway {
            match taken(self.facts, &service.service_name, &decision.planned.hosts) {
                Some(Taken::Zone(zone)) => {
                    let why = format!(
                        "the private hosted zone {} ({}, owned by {}) answers for its name",
                        zone.name, zone.id, zone.owner
                    );
                    return decision.elsewhere(self.facts, service, why);
                }
                Some(Taken::Endpoint(other)) => {
                    let problem = conflict(service, other, &decision.planned.hosts);
                    return decision.blocked(problem);
                }
                None => {}
            }
            if let Some((zone, host)) = parent(self.facts, &decision.planned.hosts) {
                decision.notes.push(format!(
                    "the private hosted zone {} ({}, owned by {}) covers {host} too; the name of the endpoint of {} is more \
                     specific and wins",
                    zone.name, zone.id, zone.owner, service.name
                ));
            }
        }
        decision.is_undescribed = detail.is_none() && existing.is_none() && !service.is_gateway;
        if let Some(problem) = unreachable_from_here(self.facts, service, detail) {
            return decision.blocked(problem);
        }
        if service.is_gateway && existing.is_none_or(|endpoint| endpoint.is_gateway) {
            return self.gateway(service, existing, decision);
        }
        let placement = place(self.facts, self.settings, self.used, service, detail);
        if !placement.unsupported.is_empty() {
            let zones = placement.unsupported.join(", ");
            decision.planned.reasons.push(format!("not offered in {zones}: reached in another zone"));
        }
        if !placement.only_ipv6.is_empty() && !placement.subnets.is_empty() {
            let zones = placement.only_ipv6.join(", ");
            let reach =
                if placement.ip_type == Some("dualstack") { "in another zone" } else { "by IPv4 only" };
            decision
                .planned
                .reasons
                .push(format!("nodes have only IPv6 addresses in {zones}: reached {reach}"));
        }
        let covered = |subnet: &Subnet| existing.is_some_and(|endpoint| self.covers(endpoint, &subnet.zone));
        decision.problems.extend(
            placement.full.iter().filter(|subnet| !covered(subnet)).map(|subnet| no_address(service, subnet)),
        );
        match existing {
            Some(endpoint) => self.adopt(service, endpoint, &placement, groups, decision),
            None => self.create(service, detail, &placement, groups, decision),
        }
    }

    /// Whether an endpoint has an address in a zone.
    fn covers(&self, endpoint: &Endpoint, zone: &str) -> bool {
        let mut subnets = self.facts.subnets.iter().filter(|subnet| endpoint.subnets.contains(&subnet.id));
        subnets.any(|subnet| subnet.zone == zone)
    }

    fn create(
        &self,
        service: &RequestedService,
        detail: Option<&Service>,
        placement: &Placement<'_>,
        groups: &mut Groups<'_>,
        mut decision: Decision,
    ) -> Decision {
        if placement.subnets.is_empty() && !placement.full.is_empty() {
            decision.planned.change = EndpointChange::Blocked;
            return decision;
        }
        if placement.subnets.is_empty() && !placement.only_ipv6.is_empty() {
            return decision.blocked(only_ipv6(service, &placement.only_ipv6));
        }
        if placement.subnets.is_empty() {
            let offered = detail.map(|detail| detail.zones.join(", ")).filter(|zones| !zones.is_empty());
            return decision.blocked(Problem {
                subject: service.name.clone(),
                message: format!(
                    "no node subnet is in a zone that {} supports ({})",
                    service.name,
                    offered.unwrap_or_else(|| "availability zones only".to_owned())
                ),
                hint: "choose subnets of the VPC in these zones with --endpoint-subnet".to_owned(),
            });
        }
        if let Some(detail) = detail {
            decision.check_name(service, detail);
            if detail.acceptance_required {
                let who = service.provider.who();
                decision.planned.reasons.push(format!("{who} has to accept it"));
            }
        }
        if self.is_blocked {
            decision.planned.change = EndpointChange::Blocked;
            return decision;
        }
        let mut tags = our_tags(self.settings);
        tags.insert("Name".to_owned(), format!("castai-privatelink-{}", service.name));
        let subnets: Vec<_> = placement.subnets.iter().map(|subnet| subnet.id.clone()).collect();
        decision.added_zones = subnets.len();
        decision.planned.placement.clone_from(&subnets);
        decision.planned.change = EndpointChange::Create;
        decision.explain(service);
        decision.action = Some(Action::CreateEndpoint {
            service: service.name.clone(),
            service_name: service.service_name.clone(),
            service_region: service.region.clone(),
            is_gateway: false,
            subnets,
            groups: vec![groups.ours(service.provider)],
            route_tables: Vec::new(),
            private_dns: has_private_name(detail),
            ip_type: placement.ip_type,
            tags,
        });
        decision
    }

    /// Adds what an endpoint lacks, and removes nothing.
    fn adopt(
        &self,
        service: &RequestedService,
        endpoint: &Endpoint,
        placement: &Placement<'_>,
        groups: &mut Groups<'_>,
        mut decision: Decision,
    ) -> Decision {
        let added = placement.subnets.iter().filter(|subnet| !self.covers(endpoint, &subnet.zone));
        // An endpoint has the same kinds of addresses in all its subnets.
        let added: Vec<_> = added.filter(|subnet| endpoint.has_ipv6 || subnet.has_ipv4()).collect();
        let detail = self.facts.services.iter().find(|detail| detail.name == service.service_name);
        let enable_private_dns = !endpoint.private_dns && has_private_name(detail);
        if !endpoint.private_dns
            && let Some(detail) = detail
        {
            decision.check_name(service, detail);
        }
        let add_subnets: Vec<_> = added.iter().map(|subnet| subnet.id.clone()).collect();
        decision.planned.placement = [endpoint.subnets.as_slice(), &add_subnets].concat();
        if endpoint.state.eq_ignore_ascii_case("pendingAcceptance") {
            decision.problems.push(Problem {
                subject: service.name.clone(),
                message: format!("{} waits for acceptance by {}", endpoint.id, service.provider.who()),
                hint: format!(
                    "ask {} to accept {} of account {}",
                    service.provider.who(),
                    endpoint.id,
                    account(self.facts)
                ),
            });
        }
        if !endpoint.has_ipv6 && self.used.nodes.iter().all(|subnet| !subnet.has_ipv4()) {
            let zones: BTreeSet<_> = self.used.nodes.iter().map(|subnet| subnet.zone.as_str()).collect();
            let zones: Vec<_> = zones.into_iter().collect();
            decision.problems.extend((!zones.is_empty()).then(|| only_ipv6(service, &zones)));
        }
        if endpoint.own_policy.is_some() {
            decision.notes.push(format!(
                "{} has a policy of its own, which was not looked at: it may refuse what {} needs",
                endpoint.id, service.name
            ));
        }
        let reasons = &mut decision.planned.reasons;
        if enable_private_dns {
            reasons.push("private DNS is off".to_owned());
        }
        for subnet in &added {
            reasons.push(format!("no address in {}", subnet.zone));
        }
        let is_for_vpc = service.provider == Provider::Aws && enable_private_dns;
        if self.is_blocked {
            let is_lacking = enable_private_dns || !added.is_empty() || !groups.is_open(endpoint, is_for_vpc);
            decision.planned.change =
                if is_lacking { EndpointChange::Blocked } else { EndpointChange::Unchanged };
            return decision;
        }
        let add_groups: Vec<_> = groups.missing(service.provider, endpoint, is_for_vpc).into_iter().collect();
        if !add_groups.is_empty() {
            let who = if is_for_vpc { "the VPC" } else { "all nodes and pods" };
            reasons.push(format!("its security groups do not admit {who} on 443"));
        }
        if add_subnets.is_empty() && add_groups.is_empty() && !enable_private_dns {
            return decision;
        }
        decision.added_zones = add_subnets.len();
        decision.planned.change = EndpointChange::Modify;
        decision.action = Some(Action::ModifyEndpoint {
            service: service.name.clone(),
            id: endpoint.id.clone(),
            add_subnets,
            add_groups,
            add_route_tables: Vec::new(),
            enable_private_dns,
        });
        decision
    }
}

/// The endpoint of a service that counts: one that may work, with private DNS, ours, available, in this order.
pub fn existing<'f>(facts: &'f VpcFacts, service: &RequestedService) -> Option<&'f Endpoint> {
    let of_service = |endpoint: &&Endpoint| {
        endpoint.service_name == service.service_name && !is_gone(endpoint)
            // S3 has both kinds: an interface takes the name over.
            && (endpoint.is_gateway == service.is_gateway
                || endpoint.private_dns && !endpoint.is_name_for_outside)
    };
    facts.endpoints.iter().filter(of_service).min_by_key(|endpoint| {
        let is_available = endpoint.state.eq_ignore_ascii_case("available");
        (
            is_stuck(endpoint),
            !endpoint.private_dns,
            !endpoint.tags.contains_key(MANAGED_BY),
            !is_available,
            &endpoint.id,
        )
    })
}

/// Whether private DNS can be on. A service that EC2 does not describe may have a name.
fn has_private_name(detail: Option<&Service>) -> bool {
    detail.is_none_or(|detail| !detail.private_dns_names.is_empty())
}

impl Decision {
    fn new(service: &RequestedService, hosts: Vec<String>) -> Self {
        Self {
            planned: PlannedEndpoint {
                name: service.name.clone(),
                service_name: service.service_name.clone(),
                provider: service.provider,
                change: EndpointChange::Unchanged,
                id: None,
                state: None,
                hosts,
                placement: Vec::new(),
                reasons: Vec::new(),
            },
            action: None,
            problems: Vec::new(),
            notes: Vec::new(),
            is_undescribed: false,
            added_zones: 0,
        }
    }

    /// Why an endpoint is created, if nothing special is to be said.
    pub(super) fn explain(&mut self, service: &RequestedService) {
        let reasons = &mut self.planned.reasons;
        if reasons.is_empty() {
            reasons.push(format!("needed by {}", service.needed_by));
        }
    }

    fn check_name(&mut self, service: &RequestedService, detail: &Service) {
        match name_defect(service, detail) {
            Some(NameDefect::Missing(problem)) => {
                self.planned.hosts.clear();
                self.problems.push(problem);
            }
            Some(NameDefect::Note(note)) => self.notes.push(note),
            None => {}
        }
    }

    fn blocked(mut self, problem: Problem) -> Self {
        self.planned.change = EndpointChange::Blocked;
        self.planned.reasons.push(problem.message.clone());
        self.problems.push(problem);
        self
    }

    fn elsewhere(mut self, facts: &VpcFacts, service: &RequestedService, why: String) -> Self {
        let unanswered = unanswered(facts, &self.planned.hosts);
        let but = match unanswered.as_slice() {
            [] => String::new(),
            hosts => format!(", and none for {}", hosts.join(", ")),
        };
        self.notes.push(format!(
            "{}: no endpoint is planned, because {why}{but}; `preflight` proves whether it leads to {}",
            service.name,
            service.provider.who()
        ));
        self.planned.change = EndpointChange::Elsewhere;
        self.planned.reasons.push(why);
        self
    }
}
