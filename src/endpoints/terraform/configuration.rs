//! From facts and plan to the arguments of the module, and to what is imported.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::castai::endpoints::services;
use crate::endpoints::decide::{group_names, our_group};
use crate::endpoints::facts::{Endpoint, IdentifiedRule, RuleSource, Tags, VpcFacts};
use crate::endpoints::plan::{
    Action, EndpointChange, EndpointPlan, GroupRef, MANAGED_BY, PLUGIN, PlannedEndpoint, ROUTABLE, TAGGED_BY,
    TagState,
};
use crate::endpoints::settings::{Peer, PlanSettings, Provider, RequestedService};

/// The value of our tags on what the generated code owns: `endpoints delete` leaves it alone.
const TERRAFORM: &str = "terraform";

/// The module's call for one VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    pub region: String,
    pub account: Option<String>,
    pub cluster: Option<String>,
    pub vpc: String,
    /// Those of most interface endpoints.
    pub subnets: Vec<String>,
    pub routable_subnets: Vec<String>,
    pub client_groups: Vec<String>,
    pub client_cidrs: Vec<String>,
    pub service_region: Option<String>,
    /// Those of Cast AI that the module does not know under this name.
    pub castai_services: BTreeMap<String, String>,
    pub aws_services: BTreeMap<String, String>,
    pub vpc_cidrs: Vec<String>,
    /// Security groups that may connect to the endpoints of AWS from outside the VPC's blocks.
    pub vpc_groups: Vec<String>,
    pub gateway_services: BTreeMap<String, String>,
    pub route_tables: Vec<String>,
    /// Services that get no endpoint, and why.
    pub excluded: BTreeMap<String, String>,
    /// The excluded ones that the module would create.
    pub excluded_castai: Vec<String>,
    pub differences: BTreeMap<String, Difference>,
    pub existing: BTreeMap<String, Addition>,
    pub repositories: Vec<String>,
    pub tags: Tags,
    pub imports: Vec<Import>,
    /// Whose security groups the module has.
    needed_groups: BTreeSet<Provider>,
}

/// What is different for one endpoint of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub subnets: Vec<String>,
    pub route_tables: Vec<String>,
    /// Besides the module's.
    pub groups: Vec<String>,
    pub is_without_private_dns: bool,
    pub ip_type: Option<&'static str>,
    pub tags: Tags,
}

/// What an endpoint of others gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    pub id: String,
    pub subnets: Vec<String>,
    pub route_tables: Vec<String>,
    /// The purpose of our security group that is attached.
    pub group: Option<&'static str>,
    pub private_dns: bool,
}

/// A resource that exists: its address in the module, and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub resource: &'static str,
    pub key: String,
    pub id: String,
}

/// ECR repositories for the images of Cast AI's components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repositories {
    pub names: BTreeSet<String>,
    /// Those of them that exist.
    pub existing: BTreeSet<String>,
}

const fn purpose(provider: Provider) -> &'static str {
    group_names(provider).purpose
}

fn is_managed(tags: &Tags) -> bool {
    tags.get(MANAGED_BY).is_some_and(|owner| owner == PLUGIN || owner == TERRAFORM)
}

impl Configuration {
    /// Everything that `plan` wants, as it is and as it will be. `rules` are those of our security groups.
    pub fn new(
        facts: &VpcFacts,
        settings: &PlanSettings,
        plan: &EndpointPlan,
        rules: &[IdentifiedRule],
        repositories: &Repositories,
    ) -> Self {
        let mut configuration = Self {
            region: facts.region.clone(),
            account: facts.account.clone(),
            cluster: plan.cluster.clone(),
            vpc: plan.vpc.clone(),
            service_region: settings.services.iter().find_map(|service| service.region.clone()),
            repositories: repositories.names.iter().cloned().collect(),
            tags: settings.tags.clone(),
            ..Self::default()
        };
        for planned in &plan.endpoints {
            if let Some(service) = settings.services.iter().find(|service| service.name == planned.name) {
                configuration.endpoint(facts, plan, service, planned);
            }
        }
        configuration.share_placement();
        configuration.admit(facts, plan, rules);
        configuration.tag_subnets(facts, plan);
        let existing = repositories.existing.iter();
        configuration.imports.extend(existing.map(|name| Import {
            resource: "aws_ecr_repository.images",
            key: name.clone(),
            id: name.clone(),
        }));
        configuration
    }

    fn endpoint(
        &mut self,
        facts: &VpcFacts,
        plan: &EndpointPlan,
        service: &RequestedService,
        planned: &PlannedEndpoint,
    ) {
        let name = service.name.clone();
        let found = planned.id.as_ref().and_then(|id| facts.endpoints.iter().find(|found| found.id == *id));
        let action = plan.actions.iter().find(|action| is_about(action, &name));
        match (planned.change, found) {
            (EndpointChange::Elsewhere | EndpointChange::Blocked | EndpointChange::Delete, _) => {
                return self.exclude(service, planned.reasons.join(", "));
            }
            (_, Some(found)) if !is_managed(&found.tags) => {
                return self.of_others(facts, service, found, action);
            }
            (_, Some(found)) => {
                let resource = if service.is_gateway {
                    "aws_vpc_endpoint.gateway"
                } else {
                    "aws_vpc_endpoint.interface"
                };
                self.imports.push(Import { resource, key: name.clone(), id: found.id.clone() });
            }
            (_, None) => {}
        }
        if !service.is_gateway {
            self.needed_groups.insert(service.provider);
        }
        self.differences.insert(name.clone(), difference(facts, planned, service, found, action));
        let services = if service.is_gateway {
            &mut self.gateway_services
        } else if service.provider == Provider::Aws {
            &mut self.aws_services
        } else {
            let home = service.region.as_deref().unwrap_or(&facts.region);
            if known_name(&service.name, home).as_ref() == Some(&service.service_name) {
                return;
            }
            &mut self.castai_services
        };
        services.insert(name, service.service_name.clone());
    }

    /// An endpoint of others gets what it lacks, and keeps our security group.
    fn of_others(
        &mut self,
        facts: &VpcFacts,
        service: &RequestedService,
        found: &Endpoint,
        action: Option<&Action>,
    ) {
        let mut addition = addition(service, found, action);
        if let Some(ours) = our_group(facts, service.provider).filter(|ours| found.groups.contains(&ours.id))
        {
            addition.group = Some(purpose(service.provider));
            self.imports.push(Import {
                resource: "aws_vpc_endpoint_security_group_association.existing",
                key: service.name.clone(),
                id: format!("{}/{}", found.id, ours.id),
            });
        }
        if addition == (Addition { id: found.id.clone(), ..Addition::default() }) {
            return self.exclude(service, format!("{} exists and lacks nothing", found.id));
        }
        self.needed_groups.extend(addition.group.map(|_| service.provider));
        self.existing.insert(service.name.clone(), addition);
    }

    fn exclude(&mut self, service: &RequestedService, why: String) {
        let home = service.region.as_deref().unwrap_or(&self.region);
        if service.provider == Provider::CastAi && known_name(&service.name, home).is_some() {
            self.excluded_castai.push(service.name.clone());
        }
        self.excluded.insert(service.name.clone(), why);
    }

    /// Subnets and route tables that most endpoints have become the module's, and are no difference then.
    fn share_placement(&mut self) {
        self.subnets = most_frequent(self.differences.values().map(|difference| &difference.subnets));
        self.route_tables =
            most_frequent(self.differences.values().map(|difference| &difference.route_tables));
        for difference in self.differences.values_mut() {
            for (own, shared) in
                [(&mut difference.subnets, &self.subnets), (&mut difference.route_tables, &self.route_tables)]
            {
                if own == shared {
                    own.clear();
                }
            }
        }
        self.differences.retain(|_, difference| *difference != Difference::default());
    }

    /// Who may connect: everything that our groups admit, and will admit.
    fn admit(&mut self, facts: &VpcFacts, plan: &EndpointPlan, rules: &[IdentifiedRule]) {
        for provider in self.needed_groups.clone() {
            let mut peers = BTreeSet::new();
            let ours = our_group(facts, provider);
            for rule in ours.iter().flat_map(|group| rules.iter().filter(|rule| rule.group == group.id)) {
                let Some(peer) = peer(&rule.source) else { continue };
                self.imports.push(Import {
                    resource: "aws_vpc_security_group_ingress_rule.https",
                    key: format!("{}/{}", purpose(provider), text(&peer)),
                    id: rule.id.clone(),
                });
                peers.insert(peer);
            }
            if let Some(group) = ours {
                self.imports.push(Import {
                    resource: "aws_security_group.endpoints",
                    key: purpose(provider).to_owned(),
                    id: group.id.clone(),
                });
            }
            peers.extend(plan.actions.iter().flat_map(|action| admitted(facts, action, provider)).cloned());
            let (groups, cidrs): (Vec<_>, Vec<_>) =
                peers.iter().partition(|peer| matches!(peer, Peer::Group(_)));
            let texts = |peers: Vec<&Peer>| peers.into_iter().map(text).collect::<Vec<_>>();
            match provider {
                Provider::CastAi => (self.client_groups, self.client_cidrs) = (texts(groups), texts(cidrs)),
                Provider::Aws => (self.vpc_groups, self.vpc_cidrs) = (texts(groups), texts(cidrs)),
            }
        }
    }

    /// The subnets that get the tag, and those that got it from us.
    fn tag_subnets(&mut self, facts: &VpcFacts, plan: &EndpointPlan) {
        let is_added = |id: &String| {
            plan.subnets.iter().any(|planned| planned.id == *id && planned.tag == TagState::Add)
        };
        for subnet in &facts.subnets {
            let is_routable = subnet.tags.get(ROUTABLE).is_some_and(|value| value == "true");
            let is_ours = is_routable && subnet.tags.contains_key(TAGGED_BY);
            if !is_ours && !is_added(&subnet.id) {
                continue;
            }
            self.routable_subnets.push(subnet.id.clone());
            for (resource, tag) in
                [("aws_ec2_tag.routable", ROUTABLE), ("aws_ec2_tag.routable_owner", TAGGED_BY)]
            {
                if subnet.tags.contains_key(tag) {
                    let id = format!("{},{tag}", subnet.id);
                    self.imports.push(Import { resource, key: subnet.id.clone(), id });
                }
            }
        }
    }
}

/// The name that the module knows a service of Cast AI under.
fn known_name(name: &str, region: &str) -> Option<String> {
    services().iter().find(|known| known.name == name)?.service_name(region)
}

fn is_about(action: &Action, name: &str) -> bool {
    match action {
        Action::CreateEndpoint { service, .. } | Action::ModifyEndpoint { service, .. } => service == name,
        _ => false,
    }
}

fn addition(service: &RequestedService, found: &Endpoint, action: Option<&Action>) -> Addition {
    let mut addition = Addition { id: found.id.clone(), ..Addition::default() };
    if let Some(Action::ModifyEndpoint {
        add_subnets,
        add_groups,
        add_route_tables,
        enable_private_dns,
        ..
    }) = action
    {
        addition.subnets.clone_from(add_subnets);
        addition.route_tables.clone_from(add_route_tables);
        addition.group = (!add_groups.is_empty()).then(|| purpose(service.provider));
        addition.private_dns = *enable_private_dns;
    }
    addition
}

/// All that an endpoint of the module will have and that the module does not give it by default.
fn difference(
    facts: &VpcFacts,
    planned: &PlannedEndpoint,
    service: &RequestedService,
    found: Option<&Endpoint>,
    action: Option<&Action>,
) -> Difference {
    let mut difference = Difference::default();
    if service.is_gateway {
        difference.route_tables.clone_from(&planned.placement);
    } else {
        difference.subnets.clone_from(&planned.placement);
    }
    if let Some(Action::CreateEndpoint { ip_type, private_dns, .. }) = action {
        difference.ip_type = *ip_type;
        difference.is_without_private_dns = !private_dns && !service.is_gateway;
    }
    let Some(found) = found else { return difference };
    let is_enabled = matches!(action, Some(Action::ModifyEndpoint { enable_private_dns: true, .. }));
    difference.is_without_private_dns = !service.is_gateway && !found.private_dns && !is_enabled;
    let ours = our_group(facts, service.provider);
    let is_ours = |id: &&String| ours.is_some_and(|group| group.id == **id);
    difference.groups = found.groups.iter().filter(|id| !is_ours(id)).cloned().collect();
    let is_others = |key: &str| key != MANAGED_BY && key != "Name" && !key.starts_with("aws:");
    let tags = found.tags.iter().filter(|(key, _)| is_others(key));
    difference.tags = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
    difference
}

/// Whom an action admits to the group of ours for `provider`.
fn admitted<'a>(facts: &VpcFacts, action: &'a Action, provider: Provider) -> &'a [Peer] {
    let Action::AuthorizeIngress { group, peers } = action else { return &[] };
    let is_meant = match group {
        GroupRef::Id(id) => our_group(facts, provider).is_some_and(|ours| ours.id == *id),
        GroupRef::Name(name) => name == group_names(provider).name,
    };
    if is_meant { peers } else { &[] }
}

fn peer(source: &RuleSource) -> Option<Peer> {
    match source {
        RuleSource::Cidr(cidr) => Some(Peer::Cidr(*cidr)),
        RuleSource::Group(group) => Some(Peer::Group(group.clone())),
        RuleSource::Other => None,
    }
}

fn text(peer: &Peer) -> String {
    match peer {
        Peer::Group(id) => id.clone(),
        Peer::Cidr(cidr) => IpNet::to_string(cidr),
    }
}

fn most_frequent<'p>(placements: impl Iterator<Item = &'p Vec<String>>) -> Vec<String> {
    let mut counts: BTreeMap<&Vec<String>, usize> = BTreeMap::new();
    for placement in placements.filter(|placement| !placement.is_empty()) {
        *counts.entry(placement).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(placement, _)| placement.clone())
        .unwrap_or_default()
}
