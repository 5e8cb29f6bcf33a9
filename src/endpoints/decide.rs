//! Decides what to do: from facts and flags to a plan, without any I/O.

mod endpoint;
mod gateway;
mod groups;
mod hub;
mod placement;
mod problems;
mod removal;
mod subnets;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;

pub use self::endpoint::existing;
use self::groups::Groups;
pub use self::groups::{group_names, our_group};
pub use self::hub::is_gone;
pub use self::removal::decide_removal;
use crate::endpoints::facts::{SubnetReason, VpcFacts};
use crate::endpoints::plan::{
    Action, Cost, EndpointChange, EndpointPlan, MANAGED_BY, PLUGIN, PlannedEndpoint, Problem, Redirection,
};
use crate::endpoints::settings::{PlanSettings, Provider, RequestedService};

/// The plan for `settings`, which is the same for the same facts.
pub fn decide(facts: &VpcFacts, settings: &PlanSettings) -> EndpointPlan {
    let mut plan = EndpointPlan::new(facts.region.clone(), facts.vpc.id.clone());
    plan.account.clone_from(&facts.account);
    plan.cluster = facts.cluster.as_ref().map(|cluster| cluster.name.clone());
    plan.notes = [facts.notes.clone(), facts.unread.clone()].concat();
    plan.is_partial = facts.is_partial() || !settings.unnamed.is_empty();
    let used = subnets::Used::new(facts);
    plan.notes.extend(used.notes(facts));
    plan.notes.extend(groups::notes(facts));
    plan.notes.extend(unnamed(settings));
    plan.subnets = used.planned(facts, settings);
    if used.is_empty() && settings.endpoint_subnets.is_empty() {
        plan.problems.push(Problem {
            subject: facts.vpc.id.clone(),
            message: "no subnet of a node found".to_owned(),
            hint: "name the subnets of the nodes with --subnet".to_owned(),
        });
        return plan;
    }
    if let Some(problem) = unknown_nodes(facts) {
        plan.problems.push(problem);
        // Nodes may be elsewhere than the control plane: a tag or an address there may be wrong.
        if used.is_of_control_plane() {
            plan.subnets.iter_mut().for_each(|subnet| subnet.tag = subnet.tag.without_plan());
            return plan;
        }
    }
    plan.problems.extend(nodes_elsewhere(facts));
    let shared = shared_vpc(facts);
    let attributes = vpc_attributes(facts, settings);
    let mut groups = Groups::new(facts, settings, &used);
    // A gateway needs neither private DNS nor a security group.
    let is_blocked = |service: &RequestedService, has_no_group: bool| {
        shared.is_some() || !service.is_gateway && (attributes.is_err() || has_no_group)
    };
    let taken: Vec<_> = [Provider::CastAi, Provider::Aws]
        .into_iter()
        .filter(|provider| settings.services.iter().any(|service| service.provider == *provider))
        .filter_map(|provider| Some((provider, groups::taken_name(facts, provider)?)))
        .collect();
    let mut endpoint_actions = Vec::new();
    let mut undescribed = Vec::new();
    for service in &settings.services {
        let has_no_group = taken.iter().any(|(provider, _)| *provider == service.provider);
        let context =
            endpoint::Context { facts, settings, used: &used, is_blocked: is_blocked(service, has_no_group) };
        let decision = context.decide(service, &mut groups);
        plan.cost.endpoint_zones += decision.added_zones;
        plan.problems.extend(decision.problems);
        plan.notes.extend(decision.notes);
        undescribed.extend(decision.is_undescribed.then_some(service));
        endpoint_actions.extend(decision.action);
        plan.endpoints.push(decision.planned);
    }
    let notes =
        [Provider::CastAi, Provider::Aws].map(|provider| not_described(provider, &undescribed, facts));
    plan.notes.extend(notes.into_iter().flatten());
    plan.problems.extend(taken.into_iter().map(|(_, problem)| problem));
    plan.problems.extend(shared);
    match attributes {
        // Without an endpoint that needs them, attributes stay as they are.
        Ok(actions) if plan.endpoints.iter().any(|endpoint| needs_private_dns(endpoint, settings)) => {
            plan.actions.extend(actions);
        }
        Ok(_) => {}
        Err(problem) => plan.problems.push(problem),
    }
    plan.actions.extend(groups.actions());
    plan.actions.extend(endpoint_actions);
    plan.actions.extend(used.tag_action(facts, settings));
    plan.redirection = redirection(&plan, facts);
    plan.cost = cost(&facts.region, plan.cost.endpoint_zones);
    plan
}

/// That subnets of nodes may be missing, unless the user names them.
pub fn unknown_nodes(facts: &VpcFacts) -> Option<Problem> {
    let why = facts.nodes_unread.as_ref()?;
    let is_named = facts.uses.iter().any(|used| used.reason == SubnetReason::Flag);
    (!is_named).then(|| Problem {
        subject: facts.vpc.id.clone(),
        message: format!("the subnets of the nodes are not known: {why}"),
        hint: "let an administrator apply the output of `kubectl castai-privatelink permissions rbac`, or name the \
               subnets with --subnet"
            .to_owned(),
    })
}

/// Services without an endpoint, because nothing names them.
fn unnamed(settings: &PlanSettings) -> Option<String> {
    (!settings.unnamed.is_empty()).then(|| {
        format!(
            "no endpoint service is known for {} in this region: ask Cast AI for them, and pass them with --service",
            settings.unnamed.join(", ")
        )
    })
}

/// Services that EC2 describes only to accounts that may use them.
fn not_described(provider: Provider, services: &[&RequestedService], facts: &VpcFacts) -> Option<String> {
    let services = services.iter().filter(|service| service.provider == provider);
    let names = services.map(|service| format!("{} ({})", service.name, service.service_name));
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| {
        format!(
            "EC2 does not describe {} to this account; if creating an endpoint fails, ask {} to allow account {}",
            names.join(", "),
            provider.who(),
            problems::account(facts)
        )
    })
}

/// Nodes that this VPC cannot serve, unless the user names the subnets.
fn nodes_elsewhere(facts: &VpcFacts) -> Option<Problem> {
    let is_named = facts.uses.iter().any(|used| used.reason == SubnetReason::Flag);
    let nodes = &facts.nodes_elsewhere;
    (!nodes.is_empty() && !is_named).then(|| Problem {
        subject: facts.vpc.id.clone(),
        message: format!("these nodes are in none of its subnets: {}", some(nodes)),
        hint: "plan their VPC too, with --vpc and --subnet; or name with --subnet the subnets that count"
            .to_owned(),
    })
}

/// The first names of a list, and how many more there are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let first = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The tags of what we create.
fn our_tags(settings: &PlanSettings) -> BTreeMap<String, String> {
    let mut tags = settings.tags.clone();
    tags.insert(MANAGED_BY.to_owned(), PLUGIN.to_owned());
    tags
}

/// A participant of a shared VPC cannot create endpoints: EC2 refuses with "This operation does not support shared VPCs"
/// (AWS re:Post, "errors when I create interface endpoints"). It does not see those of the owner either (Amazon VPC User
/// Guide, "Share your VPC with other accounts"), so that they may exist.
pub fn shared_vpc(facts: &VpcFacts) -> Option<Problem> {
    let (owner, account) = (facts.vpc.owner.as_ref()?, facts.account.as_ref()?);
    (owner != account).then(|| {
        let used = subnets::Used::new(facts);
        let mut flags: Vec<_> = used.nodes.iter().map(|subnet| format!("--subnet {}", subnet.id)).collect();
        let of_pods = used.pods.iter().flat_map(|subnet| &subnet.cidrs);
        flags.extend(of_pods.map(|cidr| format!("--admit {cidr}")));
        Problem {
            subject: facts.vpc.id.clone(),
            message: format!(
                "it belongs to account {owner}, which shares it with {account}: only the owner can create and list its \
                 endpoints"
            ),
            hint: format!(
                "with credentials of {owner}, run: kubectl castai-privatelink endpoints create --no-subnet-tags --region {} --vpc {} {}",
                facts.region,
                facts.vpc.id,
                flags.join(" ")
            ),
        }
    })
}

/// Also an endpoint that exists: an attribute may have been turned off afterwards.
fn needs_private_dns(endpoint: &PlannedEndpoint, settings: &PlanSettings) -> bool {
    let is_used = !matches!(endpoint.change, EndpointChange::Elsewhere | EndpointChange::Blocked);
    is_used && settings.services.iter().any(|service| service.name == endpoint.name && !service.is_gateway)
}

/// The attributes that private DNS needs and that are off: the actions that turn them on, if the user allows it.
fn vpc_attributes(facts: &VpcFacts, settings: &PlanSettings) -> Result<Vec<Action>, Problem> {
    let vpc = &facts.vpc;
    let all = [("enableDnsSupport", vpc.dns_support), ("enableDnsHostnames", vpc.dns_hostnames)];
    let off: Vec<_> = all.iter().filter(|(_, is_on)| *is_on == Some(false)).map(|(name, _)| *name).collect();
    if off.is_empty() || settings.enable_vpc_dns {
        let enable = |attribute| Action::EnableVpcAttribute { vpc: vpc.id.clone(), attribute };
        return Ok(off.into_iter().map(enable).collect());
    }
    Err(Problem {
        subject: vpc.id.clone(),
        message: format!("private DNS needs {}, off now", off.join(" and ")),
        hint:
            "allow it with --enable-vpc-dns; it also gives instances with public addresses public DNS names"
                .to_owned(),
    })
}

/// AWS' private names are redirected in the whole VPC, also for what is not a node.
fn redirection(plan: &EndpointPlan, facts: &VpcFacts) -> Option<Redirection> {
    let is_redirected = |name: &str| {
        plan.actions.iter().any(|action| match action {
            Action::CreateEndpoint { service, private_dns: true, .. }
            | Action::ModifyEndpoint { service, enable_private_dns: true, .. } => service == name,
            _ => false,
        })
    };
    let of_aws = plan.endpoints.iter().filter(|endpoint| endpoint.provider == Provider::Aws);
    let changing = of_aws
        .filter(|endpoint| matches!(endpoint.change, EndpointChange::Create | EndpointChange::Modify))
        .filter(|endpoint| is_redirected(&endpoint.name));
    let services: Vec<_> = changing.map(|endpoint| endpoint.name.clone()).collect();
    (!services.is_empty()).then(|| Redirection {
        services,
        subnets: facts.subnets.iter().map(|subnet| subnet.id.clone()).collect(),
    })
}

/// US dollars for one interface endpoint in one zone and hour, in thousandths (aws.amazon.com/privatelink/pricing).
const PRICES: [(&str, u32); 3] = [("us-east-1", 10), ("us-east-2", 10), ("us-west-2", 10)];

fn cost(region: &str, endpoint_zones: usize) -> Cost {
    let price =
        PRICES.iter().find(|(known, _)| *known == region).map(|(_, price)| f64::from(*price) / 1000.0);
    let zones = u32::try_from(endpoint_zones).unwrap_or(u32::MAX);
    Cost { endpoint_zones, hourly_usd: price.map(|price| price * f64::from(zones)) }
}
