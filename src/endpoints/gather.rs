//! Gathers the facts: cluster, EKS, EC2, Route 53. What cannot be read and is not essential becomes a note.

mod eks;
mod kubernetes;
pub(super) mod parse;
mod zones;

use std::collections::BTreeMap;

use aws_config::SdkConfig;

use crate::aws::ec2::{Ec2, Parameters, filter, indexed};
use crate::aws::error::Error;
use crate::aws::identity;
use crate::aws::signed::Client;
use crate::aws::xml::Element;
use crate::cluster::Connection;
use crate::cluster::environment::Environment;
use crate::endpoints::decide::our_group;
use crate::endpoints::facts::{Cluster, IdentifiedRule, Service, SubnetReason, SubnetUse, Vpc, VpcFacts};
use crate::endpoints::settings::{PlanSettings, Provider};
use crate::error::CommandError;
use crate::transport::Settings;

/// What the user says about where the endpoints belong.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub region: Option<String>,
    pub vpc: Option<String>,
    /// The subnets of the nodes.
    pub subnets: Vec<String>,
}

impl Selection {
    /// Whether the cluster has nothing to add.
    pub const fn is_complete(&self) -> bool {
        self.vpc.is_some() && !self.subnets.is_empty() && self.region.is_some()
    }
}

/// Instances in one request: each takes about 5 KB of the response.
const INSTANCES: usize = 200;

/// Where the endpoints belong, and the clients that read it.
pub struct Ports {
    pub region: String,
    account: Option<String>,
    environment: Option<Environment>,
    selection: Selection,
    client: Client,
    pub ec2: Ec2,
    pub aws: SdkConfig,
}

/// Connects to AWS in the region of the cluster, or in the one that the user names.
///
/// # Errors
/// The region is unknown, the cluster does not answer, or AWS accepts no credentials.
pub async fn connect(
    connection: Option<&Connection>,
    network: &Settings,
    selection: Selection,
) -> Result<Ports, CommandError> {
    let environment = match connection {
        Some(connection) => Some(Environment::read(connection).await?),
        None => None,
    };
    let of_cluster = environment.as_ref().and_then(|environment| environment.region(None));
    let region = selection.region.clone().or(of_cluster);
    let region = region.ok_or_else(|| {
        CommandError::with_hint("error: the region of the cluster is unknown", "name it with --region")
    })?;
    let aws: SdkConfig = identity::configuration(&region, network).await?;
    let caller = identity::identity(&aws).await;
    let account = match caller {
        Ok(identity) => Some(identity.account),
        Err(error) if error.stops_everything() => return Err(error.into()),
        Err(_) => None,
    };
    let client = Client::new(&aws, network)?;
    Ok(Ports { region, account, environment, selection, ec2: Ec2::new(&client), client, aws })
}

/// Reads everything that the plan for `wanted` depends on.
///
/// # Errors
/// The VPC is unknown or cannot be read.
pub async fn facts(ports: &Ports, wanted: &PlanSettings) -> Result<VpcFacts, CommandError> {
    let mut facts =
        VpcFacts { region: ports.region.clone(), account: ports.account.clone(), ..VpcFacts::default() };
    let mut vpc = ports.selection.vpc.clone();
    if let Some(environment) = &ports.environment {
        let connection = &environment.connection;
        if let Some(name) = connection.eks.as_ref().and_then(|eks| eks.name.clone()) {
            facts.cluster = Some(Cluster { name: name.clone(), ..Cluster::default() });
            match eks::read(&ports.client, &name, &mut facts).await {
                Ok(found) => vpc = vpc.or(found),
                Err(error) => facts.unread.push(format!("the cluster in EKS could not be read: {error}")),
            }
        }
        kubernetes::read(connection, &mut facts).await;
        facts.nodes_unread.clone_from(&environment.nodes.forbidden);
        let found = instances(ports, environment, &mut facts).await;
        vpc = vpc.or(found);
    }
    let vpc = vpc.ok_or_else(|| {
        let why = facts.unread.first().map(|why| format!(" ({why})")).unwrap_or_default();
        CommandError::with_hint(
            format!("error: the VPC of the cluster is unknown{why}"),
            "name it with --vpc",
        )
    })?;
    facts.vpc = read_vpc(&ports.ec2, &vpc).await?;
    let ec2 = &ports.ec2;
    let of_vpc = || filter("vpc-id", &[&vpc]);
    let (subnets, tables, groups, endpoints, services, zones) = futures::join!(
        ec2.list("DescribeSubnets", "subnetSet", of_vpc()),
        ec2.list("DescribeRouteTables", "routeTableSet", of_vpc()),
        ec2.list("DescribeSecurityGroups", "securityGroupInfo", of_vpc()),
        ec2.list("DescribeVpcEndpoints", "vpcEndpointSet", of_vpc()),
        services(ec2, wanted),
        zones::read(&ports.client, &vpc),
    );
    facts.subnets = subnets?.iter().map(parse::subnet).collect();
    facts.route_tables = tables?.iter().map(parse::route_table).collect();
    facts.security_groups = groups?.iter().map(parse::security_group).collect();
    facts.endpoints = endpoints?.iter().map(parse::endpoint).collect();
    facts.services = services?;
    match zones {
        Ok(zones) => facts.hosted_zones = zones,
        Err(error) => {
            let why = format!(
                "private hosted zones of {vpc} could not be read, so a conflict may show late: {error}"
            );
            facts.unread.push(why);
        }
    }
    nodes_by_address(ports, &mut facts);
    tagged(&mut facts);
    let named = ports.selection.subnets.iter();
    facts.uses.extend(named.map(|subnet| SubnetUse { subnet: subnet.clone(), reason: SubnetReason::Flag }));
    let unknown = facts.uses.iter().find(|used| {
        used.reason == SubnetReason::Flag && !facts.subnets.iter().any(|subnet| subnet.id == used.subnet)
    });
    if let Some(unknown) = unknown {
        let message = format!("error: {} is no subnet of {vpc}", unknown.subnet);
        return Err(CommandError::with_hint(message, "choose the VPC with --vpc, or another subnet"));
    }
    Ok(facts)
}

/// The rules of our security groups that admit TCP on port 443 and nothing else.
///
/// # Errors
/// EC2 refuses or cannot be reached.
pub async fn rules_of_ours(ports: &Ports, facts: &VpcFacts) -> Result<Vec<IdentifiedRule>, CommandError> {
    let ours =
        [Provider::CastAi, Provider::Aws].into_iter().filter_map(|provider| our_group(facts, provider));
    let ours: Vec<_> = ours.map(|group| group.id.as_str()).collect();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let of_ours = filter("group-id", &ours);
    let rules = ports.ec2.list("DescribeSecurityGroupRules", "securityGroupRuleSet", of_ours).await?;
    Ok(rules.iter().filter_map(parse::https_rule).collect())
}

async fn read_vpc(ec2: &Ec2, id: &str) -> Result<Vpc, CommandError> {
    let (vpcs, support, hostnames) = futures::join!(
        ec2.list("DescribeVpcs", "vpcSet", indexed("VpcId", &[id])),
        attribute(ec2, id, "enableDnsSupport"),
        attribute(ec2, id, "enableDnsHostnames"),
    );
    let vpcs = vpcs?;
    let vpc = vpcs.first().ok_or_else(|| CommandError::new(format!("error: {id} not found")))?;
    Ok(Vpc { dns_support: support, dns_hostnames: hostnames, ..parse::vpc(vpc) })
}

/// A participant of a shared VPC may not read it.
async fn attribute(ec2: &Ec2, id: &str, name: &str) -> Option<bool> {
    let parameters = vec![("VpcId".to_owned(), id.to_owned()), ("Attribute".to_owned(), name.to_owned())];
    let read = ec2.call("DescribeVpcAttribute", Some(id), &parameters).await.ok()?;
    read.child(name).map(|value| value.is_true("value"))
}

/// The services that EC2 describes to this account. One unknown name fails the whole request, so that they are then read
/// one by one.
async fn services(ec2: &Ec2, wanted: &PlanSettings) -> Result<Vec<Service>, Error> {
    let mut found = Vec::new();
    let mut by_region: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for service in &wanted.services {
        by_region.entry(service.region.as_deref()).or_default().push(&service.service_name);
    }
    for (region, names) in by_region {
        match describe(ec2, region, &names).await {
            Ok(all) => found.extend(all),
            Err(error) if is_unknown_service(&error) => {
                for name in names {
                    match describe(ec2, region, &[name]).await {
                        Ok(one) => found.extend(one),
                        Err(error) if is_unknown_service(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn describe(ec2: &Ec2, region: Option<&str>, names: &[&str]) -> Result<Vec<Service>, Error> {
    let mut parameters: Parameters = indexed("ServiceName", names);
    parameters.extend(region.map(|region| ("ServiceRegion.1".to_owned(), region.to_owned())));
    let details = ec2.list("DescribeVpcEndpointServices", "serviceDetailSet", parameters).await?;
    Ok(details.iter().map(parse::service).filter(|service| names.contains(&service.name.as_str())).collect())
}

fn is_unknown_service(error: &Error) -> bool {
    matches!(error, Error::Service { code, .. } if code == "InvalidServiceName")
}

/// The instances of the nodes: their VPC, subnets and security groups. Further interfaces in other subnets are for pods.
async fn instances(ports: &Ports, environment: &Environment, facts: &mut VpcFacts) -> Option<String> {
    let ids: Vec<_> = environment.nodes.nodes.iter().filter_map(|node| node.instance.clone()).collect();
    let mut found: Vec<Element> = Vec::new();
    for some in ids.chunks(INSTANCES) {
        // An instance that was just terminated must not hide the others: a filter ignores it.
        let some: Vec<_> = some.iter().map(String::as_str).collect();
        match ports.ec2.list("DescribeInstances", "reservationSet", filter("instance-id", &some)).await {
            Ok(reservations) => found.extend(reservations),
            Err(error) => {
                facts.unread.push(format!("the instances of the nodes could not be read: {error}"));
                break;
            }
        }
    }
    let instances = found.iter().flat_map(|reservation| reservation.items("instancesSet"));
    let instances: Vec<_> = instances.map(parse::instance).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in &instances {
        *counts.entry(&instance.subnet).or_default() += 1;
        facts.client_groups.extend(instance.groups.iter().cloned());
    }
    for (subnet, count) in &counts {
        facts.uses.push(SubnetUse { subnet: (*subnet).to_owned(), reason: SubnetReason::Nodes(*count) });
    }
    let pods = instances.iter().flat_map(|instance| &instance.other_subnets);
    let pods: std::collections::BTreeSet<_> =
        pods.filter(|subnet| !counts.contains_key(subnet.as_str())).collect();
    let reason = SubnetReason::Pods("interfaces of nodes".to_owned());
    facts
        .uses
        .extend(pods.into_iter().map(|subnet| SubnetUse { subnet: subnet.clone(), reason: reason.clone() }));
    instances.first().map(|instance| instance.vpc.clone())
}

/// Without the instances, a node is in the subnet whose block has its address. Pods on Fargate are nodes without an instance:
/// their profiles name the subnets.
fn nodes_by_address(ports: &Ports, facts: &mut VpcFacts) {
    if facts.uses.iter().any(|used| matches!(used.reason, SubnetReason::Nodes(_))) {
        return;
    }
    let nodes = ports.environment.iter().flat_map(|environment| &environment.nodes.nodes);
    let nodes = nodes.filter(|node| node.instance.is_some() || !node.on_aws);
    let addresses = nodes.flat_map(|node| node.internal_addresses.iter().copied());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for address in addresses {
        let mut subnets = facts.subnets.iter();
        if let Some(subnet) = subnets.find(|subnet| subnet.cidrs.iter().any(|cidr| cidr.contains(&address))) {
            *counts.entry(&subnet.id).or_default() += 1;
        }
    }
    let counts: Vec<_> = counts.into_iter().map(|(subnet, count)| (subnet.to_owned(), count)).collect();
    facts.uses.extend(
        counts.into_iter().map(|(subnet, count)| SubnetUse { subnet, reason: SubnetReason::Nodes(count) }),
    );
}

/// Subnets that carry the cluster's tags: Karpenter's, and Cast AI's together with that of EKS.
fn tagged(facts: &mut VpcFacts) {
    let Some(name) = facts.cluster.as_ref().map(|cluster| cluster.name.as_str()) else { return };
    let of_cluster = format!("kubernetes.io/cluster/{name}");
    let mut uses = Vec::new();
    for subnet in &facts.subnets {
        let tag = |key: &str| subnet.tags.get(key).map(String::as_str);
        let mut add = |reason| uses.push(SubnetUse { subnet: subnet.id.clone(), reason });
        if tag("karpenter.sh/discovery") == Some(name) {
            add(SubnetReason::DiscoveryTag(format!("karpenter.sh/discovery={name}")));
        }
        if tag(crate::endpoints::plan::ROUTABLE) == Some("true") && tag(&of_cluster).is_some() {
            add(SubnetReason::ClusterTag(of_cluster.clone()));
        }
    }
    facts.uses.extend(uses);
}
