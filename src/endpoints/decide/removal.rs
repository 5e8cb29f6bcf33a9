//! What `endpoints delete` removes: only what this plugin created or tagged.

use std::collections::BTreeMap;

use super::hub::is_gone;
use crate::endpoints::facts::{Endpoint, SecurityGroup, Subnet, Tags, VpcFacts};
use crate::endpoints::plan::{
    Action, EndpointChange, EndpointPlan, MANAGED_BY, PLUGIN, PlannedEndpoint, PlannedSubnet, Problem,
    ROUTABLE, TAGGED_BY, TagState,
};
use crate::endpoints::settings::{PlanSettings, Provider};

/// The plan that removes everything of ours from the VPC. Attributes of the VPC stay on: others may rely on them.
pub fn decide_removal(facts: &VpcFacts, settings: &PlanSettings) -> EndpointPlan {
    let mut plan = EndpointPlan::new(facts.region.clone(), facts.vpc.id.clone());
    plan.is_removal = true;
    plan.account.clone_from(&facts.account);
    plan.cluster = facts.cluster.as_ref().map(|cluster| cluster.name.clone());
    let ours = facts.endpoints.iter().filter(|endpoint| is_ours(&endpoint.tags));
    for endpoint in ours.filter(|endpoint| !endpoint.state.eq_ignore_ascii_case("deleted")) {
        let planned = planned(endpoint, settings);
        if !is_gone(endpoint) {
            plan.actions
                .push(Action::DeleteEndpoint { service: planned.name.clone(), id: endpoint.id.clone() });
        }
        plan.endpoints.push(planned);
    }
    if !plan.endpoints.is_empty() {
        plan.notes.push(format!("every cluster in {} loses these endpoints", facts.vpc.id));
    }
    for group in facts.security_groups.iter().filter(|group| is_ours(&group.tags)) {
        remove_group(facts, settings, group, &mut plan);
    }
    let tagged = facts.subnets.iter().filter(|subnet| has(&subnet.tags, TAGGED_BY, PLUGIN));
    let tagged: Vec<_> = tagged.collect();
    plan.subnets = tagged.iter().map(|subnet| tagged_subnet(subnet)).collect();
    if !tagged.is_empty() {
        let tags = [(ROUTABLE, "true"), (TAGGED_BY, PLUGIN)];
        plan.actions.push(Action::UntagSubnets {
            subnets: tagged.iter().map(|subnet| subnet.id.clone()).collect(),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        });
    }
    plan
}

/// A group can only be deleted if no endpoint uses it: those that stay lose it, unless they have only groups of ours.
fn remove_group(facts: &VpcFacts, settings: &PlanSettings, group: &SecurityGroup, plan: &mut EndpointPlan) {
    let stays = |endpoint: &&Endpoint| {
        endpoint.groups.contains(&group.id) && !is_ours(&endpoint.tags) && !is_gone(endpoint)
    };
    let of_ours =
        |id: &String| facts.security_groups.iter().any(|group| group.id == *id && is_ours(&group.tags));
    let mut is_needed = false;
    for endpoint in facts.endpoints.iter().filter(stays) {
        let service = name(endpoint, settings).0;
        if !endpoint.groups.iter().all(of_ours) {
            plan.actions.push(Action::DetachGroup {
                service,
                id: endpoint.id.clone(),
                group: group.id.clone(),
            });
        } else {
            is_needed = true;
            plan.problems.push(Problem {
                subject: service,
                message: format!(
                    "{}, which this plugin did not create, has no security group but {}",
                    endpoint.id, group.id
                ),
                hint: format!("attach another security group to {}, and run again", endpoint.id),
            });
        }
    }
    if !is_needed {
        plan.actions.push(Action::DeleteSecurityGroup { id: group.id.clone(), name: group.name.clone() });
    }
}

fn planned(endpoint: &Endpoint, settings: &PlanSettings) -> PlannedEndpoint {
    let (name, provider) = name(endpoint, settings);
    PlannedEndpoint {
        name,
        service_name: endpoint.service_name.clone(),
        provider,
        change: EndpointChange::Delete,
        id: Some(endpoint.id.clone()),
        state: Some(endpoint.state.clone()),
        hosts: Vec::new(),
        placement: endpoint.subnets.iter().chain(&endpoint.route_tables).cloned().collect(),
        reasons: vec!["created by this plugin".to_owned()],
    }
}

/// Our short name of its service.
fn name(endpoint: &Endpoint, settings: &PlanSettings) -> (String, Provider) {
    let known = settings.services.iter().find(|service| service.service_name == endpoint.service_name);
    known.map_or_else(
        || {
            let is_castai = endpoint.service_name.contains(".vpce-svc-");
            let provider = if is_castai { Provider::CastAi } else { Provider::Aws };
            (endpoint.service_name.clone(), provider)
        },
        |service| (service.name.clone(), service.provider),
    )
}

fn tagged_subnet(subnet: &Subnet) -> PlannedSubnet {
    PlannedSubnet {
        id: subnet.id.clone(),
        zone: subnet.zone.clone(),
        cidrs: subnet.cidrs.iter().map(ToString::to_string).collect(),
        reasons: vec!["tagged by this plugin".to_owned()],
        tag: TagState::Remove,
    }
}

fn is_ours(tags: &Tags) -> bool {
    has(tags, MANAGED_BY, PLUGIN)
}

fn has(tags: &BTreeMap<String, String>, key: &str, value: &str) -> bool {
    tags.get(key).is_some_and(|tag| tag == value)
}
