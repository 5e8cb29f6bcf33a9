//! The endpoints of a VPC: what exists for each service, and what is missing. `endpoints list --in-vpc` prints it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::castai::endpoints::services;
use crate::endpoints::decide::{existing, is_gone, shared_vpc, unknown_nodes};
use crate::endpoints::facts::{Endpoint, Tags, VpcFacts};
use crate::endpoints::lack::{attributes, lacks, zone};
use crate::endpoints::plan::{
    EndpointChange, EndpointPlan, MANAGED_BY, PLUGIN, PlannedEndpoint, Problem, TagState,
};
use crate::endpoints::settings::{PlanSettings, Provider, RequestedService};
use crate::model::inventory::API_VERSION;

/// What a VPC has of the endpoints that a cluster needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndpointList {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    pub vpc: String,
    pub services: Vec<ListedService>,
    /// More endpoints of these services, and endpoints of other services of Cast AI.
    pub others: Vec<OtherEndpoint>,
    /// Subnets of nodes without the tag `cast.ai/routable=true`.
    pub untagged_subnets: Vec<String>,
    /// Whether something could not be read, and was not judged: the notes say what.
    pub is_partial: bool,
    /// What prevents an endpoint from working, or was not read, and what to do about it.
    pub problems: Vec<Problem>,
    /// Remarks, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListedService {
    /// Short name of the service.
    pub name: String,
    pub service_name: String,
    pub provider: Provider,
    pub needed_by: String,
    pub status: ServiceStatus,
    /// What is missing, or why the status is what it is; empty if the status is `complete`.
    pub missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<ListedEndpoint>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ServiceStatus {
    /// The endpoint has everything that `endpoints plan` checks. Whether it works, `preflight` shows.
    Complete,
    /// The endpoint exists and lacks something, or is not available yet.
    Incomplete,
    /// There is no endpoint.
    Missing,
    /// The VPC resolves the name in another way, for example through a hub.
    NotNeeded,
    /// A problem prevents the endpoint from working, or from being created.
    Blocked,
    /// Something that decides could not be read.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListedEndpoint {
    pub id: String,
    /// As EC2 writes it: `available`, `pendingAcceptance`.
    pub state: String,
    pub is_gateway: bool,
    pub private_dns: bool,
    pub subnets: Vec<ListedSubnet>,
    pub security_groups: Vec<String>,
    /// Those of a gateway.
    pub route_tables: Vec<String>,
    /// That this plugin created it: `endpoints delete` deletes it.
    pub is_managed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ListedSubnet {
    pub id: String,
    /// Absent if EC2 does not list the subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// An endpoint that none of the services uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OtherEndpoint {
    /// Short name of the service.
    pub name: String,
    pub service_name: String,
    pub endpoint: ListedEndpoint,
    /// Why it is not used.
    pub reason: String,
}

impl EndpointList {
    /// What `plan`, decided from the same facts, says about each service. It must allow attributes of the VPC to be turned
    /// on: what is off is missing.
    pub fn new(facts: &VpcFacts, settings: &PlanSettings, plan: &EndpointPlan) -> Self {
        let services = settings.services.iter().map(|service| listed(facts, settings, plan, service));
        let untagged = plan.subnets.iter().filter(|subnet| subnet.tag == TagState::Add);
        Self {
            api_version: API_VERSION,
            kind: "EndpointList",
            region: plan.region.clone(),
            account: plan.account.clone(),
            cluster: plan.cluster.clone(),
            vpc: plan.vpc.clone(),
            services: services.collect(),
            others: others(facts, settings),
            untagged_subnets: untagged.map(|subnet| subnet.id.clone()).collect(),
            is_partial: plan.is_partial,
            problems: plan.problems.clone(),
            notes: plan.notes.clone(),
        }
    }

    /// The services with this status.
    pub fn count(&self, status: ServiceStatus) -> usize {
        self.services.iter().filter(|service| service.status == status).count()
    }

    /// Whether an endpoint cannot work as it is, or was not judged. What is only missing is a result.
    pub fn needs_attention(&self) -> bool {
        !self.problems.is_empty() || self.count(ServiceStatus::Unknown) > 0
    }
}

fn listed(
    facts: &VpcFacts,
    settings: &PlanSettings,
    plan: &EndpointPlan,
    service: &RequestedService,
) -> ListedService {
    let endpoint = existing(facts, service);
    let planned = plan.endpoints.iter().find(|planned| planned.name == service.name);
    let (status, missing) = judge(facts, settings, plan, service, planned, endpoint);
    ListedService {
        name: service.name.clone(),
        service_name: service.service_name.clone(),
        provider: service.provider,
        needed_by: service.needed_by.clone(),
        status,
        missing,
        endpoint: endpoint.map(|endpoint| listed_endpoint(facts, endpoint)),
    }
}

fn judge(
    facts: &VpcFacts,
    settings: &PlanSettings,
    plan: &EndpointPlan,
    service: &RequestedService,
    planned: Option<&PlannedEndpoint>,
    endpoint: Option<&Endpoint>,
) -> (ServiceStatus, Vec<String>) {
    let Some(planned) = planned else {
        return (ServiceStatus::Unknown, vec!["the subnets of the nodes".to_owned()]);
    };
    if planned.change == EndpointChange::Elsewhere {
        return (ServiceStatus::NotNeeded, planned.reasons.clone());
    }
    let problems = plan.problems.iter().filter(|problem| problem.subject == service.name);
    let problems: Vec<_> = problems.map(|problem| problem.message.clone()).collect();
    let is_blocked = planned.change == EndpointChange::Blocked;
    if is_blocked && !problems.is_empty() {
        return (ServiceStatus::Blocked, problems);
    }
    if shared_vpc(facts).is_some() {
        return (ServiceStatus::Unknown, vec!["the view of the VPC's owner".to_owned()]);
    }
    if is_blocked {
        // Something of the whole VPC prevents it.
        let general = plan
            .problems
            .iter()
            .filter(|problem| settings.services.iter().all(|service| service.name != problem.subject));
        return (ServiceStatus::Blocked, general.map(|problem| problem.message.clone()).collect());
    }
    let Some(endpoint) = endpoint else { return (ServiceStatus::Missing, vec!["the endpoint".to_owned()]) };
    let lacks = lacks(facts, plan, service, endpoint);
    let mut missing: Vec<_> = lacks.iter().map(ToString::to_string).collect();
    if missing.is_empty() {
        missing = problems;
    }
    if !missing.is_empty() {
        return (ServiceStatus::Incomplete, missing);
    }
    missing.extend(unknown_nodes(facts).map(|_| "the subnets of all nodes".to_owned()));
    if !service.is_gateway {
        missing.extend(attributes(facts, None).map(|name| format!("{name} of {}", facts.vpc.id)));
    }
    let status = if missing.is_empty() { ServiceStatus::Complete } else { ServiceStatus::Unknown };
    (status, missing)
}

fn listed_endpoint(facts: &VpcFacts, endpoint: &Endpoint) -> ListedEndpoint {
    let subnets = endpoint.subnets.iter();
    let subnets = subnets.map(|id| ListedSubnet { id: id.clone(), zone: zone(facts, id).cloned() });
    ListedEndpoint {
        id: endpoint.id.clone(),
        state: endpoint.state.clone(),
        is_gateway: endpoint.is_gateway,
        private_dns: endpoint.private_dns,
        subnets: subnets.collect(),
        security_groups: endpoint.groups.clone(),
        route_tables: endpoint.route_tables.clone(),
        is_managed: is_managed(&endpoint.tags),
    }
}

fn is_managed(tags: &Tags) -> bool {
    tags.get(MANAGED_BY).is_some_and(|owner| owner == PLUGIN)
}

/// The endpoints that nothing uses: a second one of a service, or one of a service of Cast AI that is not listed.
fn others(facts: &VpcFacts, settings: &PlanSettings) -> Vec<OtherEndpoint> {
    let used: BTreeSet<_> = settings
        .services
        .iter()
        .filter_map(|service| existing(facts, service))
        .map(|endpoint| endpoint.id.as_str())
        .collect();
    let unused =
        facts.endpoints.iter().filter(|endpoint| !is_gone(endpoint) && !used.contains(endpoint.id.as_str()));
    let other = |endpoint: &Endpoint| {
        let requested =
            settings.services.iter().find(|service| service.service_name == endpoint.service_name);
        let (name, reason) = match requested {
            Some(service) => (service.name.clone(), "another endpoint of this service is used".to_owned()),
            None => (known(&endpoint.service_name)?, "its service is not one of those listed".to_owned()),
        };
        Some(OtherEndpoint {
            name,
            service_name: endpoint.service_name.clone(),
            endpoint: listed_endpoint(facts, endpoint),
            reason,
        })
    };
    unused.filter_map(other).collect()
}

/// The short name of a service of Cast AI in any region.
fn known(service_name: &str) -> Option<String> {
    let known =
        services().iter().find(|service| service.service_names().any(|(_, name)| name == service_name));
    known.map(|service| service.name.to_owned())
}

#[cfg(test)]
mod tests;
