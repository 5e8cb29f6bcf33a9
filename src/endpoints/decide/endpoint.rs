//! What happens to the endpoint of one service.

use std::collections::BTreeSet;

use super::groups::Groups;
use super::hub::{Taken, is_gone, taken};
use super::our_tags;
use super::placement::{Placement, place};
use super::subnets::Used;
use crate::endpoints::facts::{Endpoint, Service, VpcFacts};
use crate::endpoints::plan::{Action, EndpointChange, MANAGED_BY, PlannedEndpoint, Problem};
use crate::endpoints::settings::{PlanSettings, Provider, RequestedService};

pub(super) struct Context<'f> {
    pub(super) facts: &'f VpcFacts,
    pub(super) wanted: &'f PlanSettings,
    pub(super) used: &'f Used<'f>,
    /// Nothing can be created or modified in this VPC.
    pub(super) is_blocked: bool,
}

pub(super) struct Decision {
    pub(super) planned: PlannedEndpoint,
    pub(super) action: Option<Action>,
    pub(super) problem: Option<Problem>,
    pub(super) notes: Vec<String>,
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
        let existing = self.existing(service);
        if let Some(endpoint) = existing {
            decision.planned.id = Some(endpoint.id.clone());
            decision.planned.state = Some(endpoint.state.clone());
            if let Some(problem) = self.stuck(service, endpoint) {
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
                    return decision.elsewhere(why);
                }
                Some(Taken::Endpoint(other)) => {
                    let problem = conflict(service, other, &decision.planned.hosts);
                    return decision.blocked(problem);
                }
                None => {}
            }
        }
        if detail.is_none() && existing.is_none() && !service.is_gateway {
            decision.notes.push(format!(
                "{}: EC2 does not describe {} to this account; if creating its endpoint fails, ask {} to allow \
                 account {}",
                service.name,
                service.service_name,
                service.provider.who(),
                self.account()
            ));
        }
        if let Some(problem) = self.unreachable_from_here(service, detail) {
            return decision.blocked(problem);
        }
        if service.is_gateway {
            return self.gateway(service, existing, decision);
        }
        let placement = place(self.facts, self.wanted, self.used, service, detail);
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
        match existing {
            Some(endpoint) => self.adopt(service, endpoint, &placement, groups, decision),
            None => self.create(service, detail, &placement, groups, decision),
        }
    }

    /// The endpoint of a service that counts: with private DNS, ours, available, in this order.
    fn existing(&self, service: &RequestedService) -> Option<&Endpoint> {
        let of_service = |endpoint: &&Endpoint| {
            endpoint.service_name == service.service_name && !is_gone(endpoint)
                // S3 has both kinds, and either of them will do for nodes if its name leads there.
                && (endpoint.is_gateway == service.is_gateway || endpoint.private_dns)
        };
        self.facts.endpoints.iter().filter(of_service).min_by_key(|endpoint| {
            let is_available = endpoint.state.eq_ignore_ascii_case("available");
            (!endpoint.private_dns, !endpoint.tags.contains_key(MANAGED_BY), !is_available, &endpoint.id)
        })
    }

    fn account(&self) -> &str {
        self.facts.account.as_deref().unwrap_or("of the VPC")
    }

    /// Why an endpoint will never work as it is.
    fn stuck(&self, service: &RequestedService, endpoint: &Endpoint) -> Option<Problem> {
        let is = |state: &str| endpoint.state.eq_ignore_ascii_case(state);
        let why = endpoint.failure.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        let (message, first) = if is("rejected") {
            let first =
                format!("ask {} to accept endpoints of account {}", service.provider.who(), self.account());
            (format!("{} rejected {}", service.provider.who(), endpoint.id), first)
        } else if is("failed") {
            (format!("{} failed{why}", endpoint.id), "remove the cause".to_owned())
        } else if is("expired") {
            let first = format!("ask {} to accept the next one in time", service.provider.who());
            (format!("{} expired, because it was not accepted", endpoint.id), first)
        } else {
            return None;
        };
        Some(Problem {
            subject: service.name.clone(),
            message,
            hint: format!(
                "{first}, delete it (aws ec2 delete-vpc-endpoints --region {} --vpc-endpoint-ids {}), and run again",
                self.facts.region, endpoint.id
            ),
        })
    }

    /// Why a service of another region cannot be used from here.
    fn unreachable_from_here(&self, service: &RequestedService, detail: Option<&Service>) -> Option<Problem> {
        let (home, detail) = (service.region.as_ref()?, detail?);
        (!detail.remote_regions.contains(&self.facts.region)).then(|| Problem {
            subject: service.name.clone(),
            message: format!("{} of {home} does not allow endpoints in {}", service.name, self.facts.region),
            hint: format!("ask {} to allow them", service.provider.who()),
        })
    }

    fn create(
        &self,
        service: &RequestedService,
        detail: Option<&Service>,
        placement: &Placement<'_>,
        groups: &mut Groups<'_>,
        mut decision: Decision,
    ) -> Decision {
        if placement.subnets.is_empty() && !placement.only_ipv6.is_empty() {
            return decision.blocked(Problem {
                subject: service.name.clone(),
                message: format!(
                    "nodes have only IPv6 addresses in {}, and {} supports only IPv4",
                    placement.only_ipv6.join(", "),
                    service.name
                ),
                hint: format!(
                    "use subnets with IPv4 addresses for the nodes, or ask {} to support IPv6",
                    service.provider.who()
                ),
            });
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
            decision.notes.extend(name_note(service, detail));
            if detail.acceptance_required {
                let who = service.provider.who();
                decision.planned.reasons.push(format!("{who} has to accept it"));
            }
        }
        if self.is_blocked {
            decision.planned.change = EndpointChange::Blocked;
            return decision;
        }
        let mut tags = our_tags(self.wanted);
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
        let zone_of = |id: &String| {
            self.facts.subnets.iter().find(|subnet| subnet.id == *id).map(|subnet| &subnet.zone)
        };
        let covered: BTreeSet<_> = endpoint.subnets.iter().filter_map(zone_of).collect();
        let added: Vec<_> =
            placement.subnets.iter().filter(|subnet| !covered.contains(&subnet.zone)).collect();
        let detail = self.facts.services.iter().find(|detail| detail.name == service.service_name);
        let enable_private_dns = !endpoint.private_dns && has_private_name(detail);
        if !endpoint.private_dns
            && let Some(detail) = detail
        {
            decision.notes.extend(name_note(service, detail));
        }
        let add_subnets: Vec<_> = added.iter().map(|subnet| subnet.id.clone()).collect();
        decision.planned.placement = [endpoint.subnets.as_slice(), &add_subnets].concat();
        if endpoint.state.eq_ignore_ascii_case("pendingAcceptance") {
            decision.problem = Some(Problem {
                subject: service.name.clone(),
                message: format!("{} waits for acceptance by {}", endpoint.id, service.provider.who()),
                hint: format!(
                    "ask {} to accept {} of account {}",
                    service.provider.who(),
                    endpoint.id,
                    self.account()
                ),
            });
        }
        let reasons = &mut decision.planned.reasons;
        if enable_private_dns {
            reasons.push("private DNS is off".to_owned());
        }
        for subnet in &added {
            reasons.push(format!("no address in {}", subnet.zone));
        }
        if self.is_blocked {
            let is_lacking = enable_private_dns || !added.is_empty();
            decision.planned.change =
                if is_lacking { EndpointChange::Blocked } else { EndpointChange::Unchanged };
            return decision;
        }
        let is_for_vpc = service.provider == Provider::Aws && enable_private_dns;
        let add_groups: Vec<_> =
            groups.missing(service.provider, &endpoint.groups, is_for_vpc).into_iter().collect();
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

/// What keeps the private name of a service from working.
fn name_note(service: &RequestedService, detail: &Service) -> Option<String> {
    let who = service.provider.who();
    if detail.private_dns_names.is_empty() {
        return Some(format!(
            "{}: the service has no private DNS name, so its host keeps its public address: tell {who}",
            service.name
        ));
    }
    (detail.is_name_verified == Some(false)).then(|| {
        format!(
            "{}: {who} has not verified its private DNS name yet; EC2 may refuse private DNS",
            service.name
        )
    })
}

/// Whether private DNS can be on. A service that EC2 does not describe may have a name.
fn has_private_name(detail: Option<&Service>) -> bool {
    detail.is_none_or(|detail| !detail.private_dns_names.is_empty())
}

fn conflict(service: &RequestedService, other: &Endpoint, hosts: &[String]) -> Problem {
    Problem {
        subject: service.name.clone(),
        message: format!(
            "{} of {} already answers for {}",
            other.id,
            other.service_name,
            hosts
                .iter()
                .filter(|host| other.dns_names.contains(host))
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ),
        hint: format!(
            "if it leads to the right service, pass --service {}={}; else turn off its private DNS",
            service.name, other.service_name
        ),
    }
}

impl Provider {
    /// Who accepts its endpoints.
    pub(super) const fn who(self) -> &'static str {
        match self {
            Self::CastAi => "Cast AI",
            Self::Aws => "AWS",
        }
    }
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
            problem: None,
            notes: Vec::new(),
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

    fn blocked(mut self, problem: Problem) -> Self {
        self.planned.change = EndpointChange::Blocked;
        self.planned.reasons.push(problem.message.clone());
        self.problem = Some(problem);
        self
    }

    fn elsewhere(mut self, why: String) -> Self {
        self.planned.change = EndpointChange::Elsewhere;
        self.planned.reasons.push(why);
        self
    }
}
