//! Gathers the facts: cluster, EKS, EC2, Route 53. What cannot be read and is not essential becomes a note.

mod eks;
mod kubernetes;
mod nodes;
pub(super) mod parse;
mod zones;

use std::collections::BTreeMap;

use aws_config::SdkConfig;

use crate::aws::ec2::{Ec2, Parameters, filter, indexed};
use crate::aws::error::Error;
use crate::aws::identity;
use crate::aws::signed::Client;
use crate::cluster::Connection;
use crate::cluster::environment::Environment;
use crate::endpoints::decide::our_group;
use crate::endpoints::facts::{IdentifiedRule, Service, SubnetReason, SubnetUse, Vpc, VpcFacts};
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
    /// What is ours is removed, for which the subnets do not matter.
    pub is_for_removal: bool,
}

impl Selection {
    /// Whether the cluster has nothing to add.
    pub const fn is_complete(&self) -> bool {
        self.vpc.is_some() && !self.subnets.is_empty() && self.region.is_some()
    }
}

/// The clients that read and change a VPC, and what they were made from.
pub struct Clients {
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
) -> Result<Clients, CommandError> {
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
    Ok(Clients::new(region, account, environment, selection, client, aws))
}

impl Clients {
    pub fn new(
        region: String,
        account: Option<String>,
        environment: Option<Environment>,
        selection: Selection,
        client: Client,
        aws: SdkConfig,
    ) -> Self {
        Self { region, account, environment, selection, ec2: Ec2::new(&client), client, aws }
    }
}

/// Reads everything that the plan for `settings` depends on.
///
/// # Errors
/// The VPC is unknown or cannot be read.
pub async fn facts(clients: &Clients, settings: &PlanSettings) -> Result<VpcFacts, CommandError> {
    let mut facts =
        VpcFacts { region: clients.region.clone(), account: clients.account.clone(), ..VpcFacts::default() };
    let mut of_cluster = None;
    let mut instances = BTreeMap::new();
    if let Some(environment) = &clients.environment {
        let (eks, resources, read) = futures::join!(
            eks::of_cluster(&clients.client, environment.connection.eks.as_ref()),
            kubernetes::read(&environment.connection),
            nodes::instances(&clients.ec2, &environment.nodes.nodes),
        );
        let (found_instances, unread) = read;
        of_cluster = eks.vpc.or_else(|| nodes::vpc_of_most(&found_instances));
        instances = found_instances;
        facts.extend(eks.facts);
        facts.extend(resources);
        facts.nodes_unread.clone_from(&environment.nodes.forbidden);
        facts.unread.extend(unread);
    }
    let mut nodes = clients.environment.as_ref().map_or(&[][..], |environment| &environment.nodes.nodes);
    if let (Some(named), Some(own)) = (&clients.selection.vpc, &of_cluster)
        && named != own
    {
        facts = without_cluster(&facts, own, clients)?;
        nodes = &[];
    }
    let vpc = clients.selection.vpc.clone().or(of_cluster).ok_or_else(|| {
        let why = facts.unread.first().map(|why| format!(" ({why})")).unwrap_or_default();
        CommandError::with_hint(
            format!("error: the VPC of the cluster is unknown{why}"),
            "name it with --vpc",
        )
    })?;
    read_vpc(&clients.ec2, &vpc, &mut facts).await?;
    let ec2 = &clients.ec2;
    let of_vpc = || filter("vpc-id", &[&vpc]);
    let (subnets, tables, groups, endpoints, services, zones) = futures::join!(
        ec2.list("DescribeSubnets", "subnetSet", of_vpc()),
        ec2.list("DescribeRouteTables", "routeTableSet", of_vpc()),
        ec2.list("DescribeSecurityGroups", "securityGroupInfo", of_vpc()),
        ec2.list("DescribeVpcEndpoints", "vpcEndpointSet", of_vpc()),
        services(ec2, settings),
        zones::read(&clients.client, &vpc),
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
    nodes::place(nodes, &instances, &mut facts);
    tagged(&mut facts);
    let named = clients.selection.subnets.iter();
    facts.uses.extend(named.map(|subnet| SubnetUse { subnet: subnet.clone(), reason: SubnetReason::Flag }));
    check_named_subnets(&facts, &clients.selection, settings)?;
    Ok(facts)
}

/// The user names another VPC than the cluster's: nothing of the cluster is there.
fn without_cluster(facts: &VpcFacts, own: &str, clients: &Clients) -> Result<VpcFacts, CommandError> {
    let named = clients.selection.vpc.as_deref().unwrap_or_default();
    let cluster = facts.cluster.as_ref().map_or("the cluster", |cluster| &cluster.name);
    if clients.selection.subnets.is_empty() && !clients.selection.is_for_removal {
        return Err(CommandError::with_hint(
            format!("error: {named} is not the VPC of {cluster}, which is in {own}"),
            format!(
                "omit --vpc; or if endpoints belong into {named}, name the subnets that use them with --subnet"
            ),
        ));
    }
    let note = format!(
        "{named} is not the VPC of {cluster} ({own}): only the named subnets count, and no node or group"
    );
    Ok(VpcFacts {
        region: facts.region.clone(),
        account: facts.account.clone(),
        notes: vec![note],
        ..VpcFacts::default()
    })
}

/// Subnets that flags name are in the VPC, and those for endpoints in one zone each.
fn check_named_subnets(
    facts: &VpcFacts,
    selection: &Selection,
    settings: &PlanSettings,
) -> Result<(), CommandError> {
    let find = |id: &str| facts.subnets.iter().find(|subnet| subnet.id == id);
    let vpc = &facts.vpc.id;
    if let Some(unknown) =
        selection.subnets.iter().chain(&settings.endpoint_subnets).find(|id| find(id).is_none())
    {
        let message = format!("error: {unknown} is no subnet of {vpc}");
        return Err(CommandError::with_hint(message, "choose the VPC with --vpc, or another subnet"));
    }
    let mut zones: BTreeMap<&str, &str> = BTreeMap::new();
    for subnet in settings.endpoint_subnets.iter().filter_map(|id| find(id)) {
        if let Some(other) = zones.insert(&subnet.zone, &subnet.id).filter(|other| *other != subnet.id) {
            return Err(CommandError::with_hint(
                format!("error: {other} and {} are both in {}", subnet.id, subnet.zone),
                "an endpoint has one subnet in each zone: name one of them with --endpoint-subnet",
            ));
        }
    }
    Ok(())
}

/// The rules of our security groups that admit TCP on port 443 and nothing else.
///
/// # Errors
/// EC2 refuses or cannot be reached.
pub async fn rules_of_ours(clients: &Clients, facts: &VpcFacts) -> Result<Vec<IdentifiedRule>, CommandError> {
    let ours =
        [Provider::CastAi, Provider::Aws].into_iter().filter_map(|provider| our_group(facts, provider));
    let ours: Vec<_> = ours.map(|group| group.id.as_str()).collect();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let of_ours = filter("group-id", &ours);
    let rules = clients.ec2.list("DescribeSecurityGroupRules", "securityGroupRuleSet", of_ours).await?;
    Ok(rules.iter().filter_map(parse::https_rule).collect())
}

async fn read_vpc(ec2: &Ec2, id: &str, facts: &mut VpcFacts) -> Result<(), CommandError> {
    let (vpcs, support, hostnames) = futures::join!(
        ec2.list("DescribeVpcs", "vpcSet", indexed("VpcId", &[id])),
        attribute(ec2, id, "enableDnsSupport"),
        attribute(ec2, id, "enableDnsHostnames"),
    );
    let vpcs = match vpcs {
        Err(Error::Service { code, .. }) if code == "InvalidVpcID.NotFound" => Vec::new(),
        vpcs => vpcs?,
    };
    let vpc = vpcs.first().ok_or_else(|| {
        CommandError::with_hint(
            format!("error: there is no {id} in {} of this account", facts.region),
            "check --vpc, --region and AWS_PROFILE",
        )
    })?;
    let vpc = parse::vpc(vpc);
    // A participant of a shared VPC may not read them.
    let is_own = vpc.owner.is_none() || vpc.owner == facts.account;
    for error in [&support, &hostnames].into_iter().filter_map(|read| read.as_ref().err()).filter(|_| is_own)
    {
        facts.unread.push(format!(
            "an attribute of {id} could not be read, so whether private DNS is possible is not known: {error}"
        ));
    }
    facts.vpc = Vpc { dns_support: support.ok().flatten(), dns_hostnames: hostnames.ok().flatten(), ..vpc };
    Ok(())
}

async fn attribute(ec2: &Ec2, id: &str, name: &str) -> Result<Option<bool>, Error> {
    let parameters = vec![("VpcId".to_owned(), id.to_owned()), ("Attribute".to_owned(), name.to_owned())];
    let read = ec2.call("DescribeVpcAttribute", Some(id), &parameters).await?;
    Ok(read.child(name).map(|value| value.is_true("value")))
}

/// The services that EC2 describes to this account. One unknown name fails the whole request, so that they are then read
/// one by one.
async fn services(ec2: &Ec2, settings: &PlanSettings) -> Result<Vec<Service>, Error> {
    let mut found = Vec::new();
    let mut by_region: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for service in &settings.services {
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
