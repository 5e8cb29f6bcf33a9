//! VPC endpoints, which moto has without private DNS, conflicts and states: a state machine without I/O.

mod change;
mod create;
mod interfaces;
mod render;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(super) use self::change::Change;
pub(super) use self::render::{done, element, list};
pub(super) use self::tags::change_tags;
use super::error::Refusal;
use super::form::Form;
use super::services::Services;
use super::{CLUSTER_GROUP, ROUTE_TABLE, SUBNETS};
use crate::address;

/// Prefix of identifiers of other teams' endpoints.
const CROWD: &str = "vpce-0c";

/// As EC2 writes states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    PendingAcceptance,
    Pending,
    Available,
    Deleting,
    Rejected,
    Failed,
    Expired,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::PendingAcceptance => "pendingAcceptance",
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Deleting => "deleting",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// What happens to an endpoint after the next `DescribeVpcEndpoints` that lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Become(State),
    Disappear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Kind {
    Interface,
    Gateway,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Interface => "Interface",
            Self::Gateway => "Gateway",
        }
    }
}

/// An endpoint, as the control API shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Endpoint {
    id: String,
    /// The account that created it.
    owner: String,
    vpc: String,
    service: String,
    service_region: Option<String>,
    kind: Kind,
    state: State,
    private_dns: bool,
    /// `ipv4`, `ipv6` or `dualstack`.
    ip_type: String,
    /// The private name of the service.
    host: String,
    subnets: Vec<String>,
    groups: Vec<String>,
    route_tables: Vec<String>,
    tags: BTreeMap<String, String>,
    /// Absent: full access.
    policy: Option<String>,
    /// Created by an AWS service: the account may not change it.
    requester_managed: bool,
    created: String,
    #[serde(skip)]
    next: Option<Next>,
}

/// What the rest of EC2 knows of the VPC and of the objects that a request names.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// The account of the caller.
    pub(super) caller: String,
    pub(super) vpc_exists: bool,
    /// It belongs to another account than the caller.
    pub(super) is_shared: bool,
    /// Both DNS attributes of the VPC.
    pub(super) dns_enabled: bool,
    /// The zones of the subnets of the VPC.
    pub(super) zones: BTreeMap<String, String>,
    pub(super) without_ipv4: BTreeSet<String>,
    pub(super) with_ipv6: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    /// The group of an endpoint that is created without one.
    pub(super) default_group: String,
    pub(super) route_tables: BTreeSet<String>,
    /// Names of private hosted zones with which the VPC resolves.
    pub(super) hosted_zones: Vec<String>,
    pub(super) services: Services,
}

/// All VPC endpoints of the account.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    /// In the order in which they were created.
    list: Vec<Endpoint>,
    created: u64,
    /// Requests with a client token, and their results.
    tokens: BTreeMap<String, (Form, Endpoint)>,
    /// Zones of the subnets that requests have named.
    zones: BTreeMap<String, String>,
    /// By full name of the service: the states that its endpoints reach.
    courses: BTreeMap<String, State>,
}

impl Endpoints {
    pub(super) fn list(&self) -> &[Endpoint] {
        &self.list
    }

    /// The VPC of an endpoint, and the service's answer if there is no such endpoint.
    pub(super) fn vpc_of(&self, id: &str) -> Result<String, Refusal> {
        self.find(id).map(|endpoint| endpoint.vpc.clone())
    }

    fn find(&self, id: &str) -> Result<&Endpoint, Refusal> {
        self.list.iter().find(|endpoint| endpoint.id == id).ok_or_else(|| not_found(id))
    }

    /// The private names that the VPC of the lab resolves privately.
    pub(super) fn private_names(&self) -> BTreeSet<String> {
        let resolves = |endpoint: &&Endpoint| {
            endpoint.private_dns && endpoint.state == State::Available && endpoint.vpc == address::VPC_ID
        };
        let interfaces = self.list.iter().filter(resolves).map(|endpoint| endpoint.host.clone());
        // The bucket has public addresses, which lead to it while the subnets have a route to a gateway.
        let is_routed = |endpoint: &&Endpoint| {
            endpoint.kind == Kind::Gateway
                && endpoint.state == State::Available
                && endpoint.route_tables.iter().any(|table| table == ROUTE_TABLE)
        };
        let gateway = self.list.iter().find(is_routed).map(|_| address::S3_LAYERS.0.to_owned());
        interfaces.chain(gateway).collect()
    }

    /// Private names that services have now.
    pub(super) fn set_hosts(&mut self, host_of: impl Fn(&str) -> Option<String>) {
        for endpoint in &mut self.list {
            endpoint.host = host_of(&endpoint.service).unwrap_or_else(|| std::mem::take(&mut endpoint.host));
        }
    }

    /// Whether an endpoint uses a security group; one that is being deleted still does.
    pub(super) fn uses_group(&self, group: &str) -> bool {
        self.list.iter().any(|endpoint| endpoint.groups.iter().any(|used| used == group))
    }

    /// Whether the owner of a service has to accept its endpoints.
    pub(super) fn requires_acceptance(&self, service: &str) -> bool {
        self.courses.get(service).is_some_and(|state| begins_with_acceptance(*state))
    }

    /// Sets the states that endpoints of services reach, instead of `available`, and those that exist reach them at once.
    /// `deleting` means that a deletion does not end. Without a course, they become available.
    pub(super) fn set_courses(&mut self, courses: BTreeMap<String, State>) {
        let before = std::mem::replace(&mut self.courses, courses);
        for endpoint in &mut self.list {
            let course = self.courses.get(&endpoint.service).copied();
            if endpoint.state == State::Deleting {
                endpoint.next = (course != Some(State::Deleting)).then_some(Next::Disappear);
            } else if let Some(state) = course.filter(|state| *state != State::Deleting) {
                (endpoint.state, endpoint.next) = (state, None);
            } else if before.contains_key(&endpoint.service) {
                (endpoint.state, endpoint.next) = (State::Available, None);
            }
        }
    }

    /// Replaces the endpoints of other teams by `count` available ones, each of a service of its own.
    pub(super) fn set_crowd(&mut self, count: usize) {
        self.list.retain(|endpoint| !endpoint.id.starts_with(CROWD));
        let one = |number| Endpoint {
            id: format!("{CROWD}{number:015x}"),
            owner: address::ACCOUNT.to_owned(),
            vpc: address::VPC_ID.to_owned(),
            service: format!("com.amazonaws.{}.crowd-{number}", address::REGION),
            service_region: None,
            kind: Kind::Interface,
            state: State::Available,
            private_dns: true,
            ip_type: "ipv4".to_owned(),
            host: format!("crowd-{number}.{}.amazonaws.com", address::REGION),
            subnets: SUBNETS.iter().map(|(id, ..)| (*id).to_owned()).collect(),
            groups: vec![CLUSTER_GROUP.to_owned()],
            route_tables: Vec::new(),
            tags: BTreeMap::new(),
            policy: None,
            requester_managed: false,
            created: "2026-01-01T00:00:00.000Z".to_owned(),
            next: None,
        };
        self.list.extend((0..count).map(one));
    }

    /// The first state of a new endpoint, and what follows it.
    fn start(&self, service: &str) -> (State, Option<Next>) {
        match self.courses.get(service) {
            None | Some(State::Deleting) => (State::Pending, Some(Next::Become(State::Available))),
            Some(State::PendingAcceptance) => (State::PendingAcceptance, None),
            Some(state @ (State::Rejected | State::Expired)) => {
                (State::PendingAcceptance, Some(Next::Become(*state)))
            }
            Some(State::Failed) => (State::Pending, Some(Next::Become(State::Failed))),
            Some(state @ (State::Pending | State::Available)) => (*state, None),
        }
    }

    /// `DescribeVpcEndpoints`: the caller's endpoints of the page that the request names, and the token of the next page.
    /// They then proceed to their next states.
    pub(super) fn describe(&mut self, form: &Form, caller: &str) -> Result<String, Refusal> {
        let named = form.list("VpcEndpointId");
        for id in &named {
            self.find(id)?;
        }
        let filters = form.filters();
        let mut found = Vec::new();
        let is_named = |endpoint: &Endpoint| named.is_empty() || named.contains(&endpoint.id);
        for endpoint in self.list.iter().filter(|endpoint| is_named(endpoint)) {
            if endpoint.owner == caller && endpoint.matches(&filters)? {
                found.push(endpoint.clone());
            }
        }
        let number = |name: &str| form.text(name).parse::<usize>().ok();
        let (start, limit) =
            (number("NextToken").unwrap_or_default(), number("MaxResults").unwrap_or(usize::MAX));
        let page: Vec<_> = found.iter().skip(start).take(limit).cloned().collect();
        let end = start + page.len();
        for endpoint in &page {
            self.proceed(&endpoint.id);
        }
        let next = (end < found.len()).then(|| end.to_string());
        Ok(self.described(&page, next))
    }

    fn proceed(&mut self, id: &str) {
        let Some(index) = self.list.iter().position(|endpoint| endpoint.id == id) else { return };
        let endpoint = &mut self.list[index];
        match endpoint.next.take() {
            Some(Next::Become(state)) => endpoint.state = state,
            Some(Next::Disappear) => drop(self.list.remove(index)),
            None => {}
        }
    }

    /// `DeleteVpcEndpoints`: the others are deleted even if one cannot be.
    pub(super) fn delete(&mut self, form: &Form) -> String {
        let mut unsuccessful = Vec::new();
        for id in form.list("VpcEndpointId") {
            if let Err(refusal) = self.delete_one(&id) {
                unsuccessful.push((id, refusal));
            }
        }
        render::deleted(&unsuccessful)
    }

    fn delete_one(&mut self, id: &str) -> Result<(), Refusal> {
        let endpoint = self.list.iter_mut().find(|endpoint| endpoint.id == id);
        let endpoint =
            endpoint.ok_or_else(|| Refusal::new("InvalidVpcEndpoint.NotFound", not_found(id).message))?;
        endpoint.check_changeable()?;
        let ends = self.courses.get(&endpoint.service) != Some(&State::Deleting);
        (endpoint.state, endpoint.next) = (State::Deleting, ends.then_some(Next::Disappear));
        Ok(())
    }
}

impl Endpoint {
    fn check_changeable(&self) -> Result<(), Refusal> {
        if !self.requester_managed {
            return Ok(());
        }
        let message = format!(
            "Operation is not allowed for requester-managed VPC endpoints for the service {}.",
            self.service
        );
        Err(Refusal::new("InvalidParameter", message))
    }

    fn matches(&self, filters: &[(String, Vec<String>)]) -> Result<bool, Refusal> {
        for (name, values) in filters {
            let has = |value: &str| values.iter().any(|wanted| wanted == value);
            let matches = match name.as_str() {
                "vpc-id" => has(&self.vpc),
                "service-name" => has(&self.service),
                "vpc-endpoint-id" => has(&self.id),
                "vpc-endpoint-type" => has(self.kind.name()),
                "vpc-endpoint-state" => has(self.state.name()),
                "tag-key" => self.tags.keys().any(|key| has(key)),
                _ => {
                    let key = name.strip_prefix("tag:").ok_or_else(|| {
                        let message = format!("The filter '{name}' is invalid");
                        Refusal::new("InvalidParameterValue", message)
                    })?;
                    self.tags.get(key).is_some_and(|value| has(value))
                }
            };
            if !matches {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it and another endpoint of the VPC cannot both have private DNS.
    fn has_name(&self, vpc: &str, host: &str) -> bool {
        self.private_dns && self.state != State::Deleting && self.vpc == vpc && self.host == host
    }
}

const fn begins_with_acceptance(state: State) -> bool {
    matches!(state, State::PendingAcceptance | State::Rejected | State::Expired)
}

fn not_found(id: &str) -> Refusal {
    Refusal::new("InvalidVpcEndpointId.NotFound", format!("The Vpc Endpoint Id '{id}' does not exist"))
}

#[cfg(test)]
mod tests;
