//! What AWS and the cluster say about a VPC and its endpoints, as plain values.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

/// Everything that the decision depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VpcFacts {
    pub region: String,
    /// The caller's account, if known.
    pub account: Option<String>,
    pub cluster: Option<Cluster>,
    pub vpc: Vpc,
    /// All subnets of the VPC.
    pub subnets: Vec<Subnet>,
    /// Which of them the cluster uses, each with one reason.
    pub uses: Vec<SubnetUse>,
    /// Security groups of nodes and pods.
    pub client_groups: BTreeSet<String>,
    /// Those of the VPC's endpoints, and ours.
    pub security_groups: Vec<SecurityGroup>,
    pub route_tables: Vec<RouteTable>,
    /// All endpoints of the VPC.
    pub endpoints: Vec<Endpoint>,
    /// Services that EC2 describes to the caller.
    pub services: Vec<Service>,
    /// Private hosted zones of Route 53 that the VPC resolves with.
    pub hosted_zones: Vec<HostedZone>,
    /// Why nodes could not be listed, so that subnets of nodes may be missing.
    pub nodes_unread: Option<String>,
    /// Why the security groups of some nodes are not known.
    pub groups_unread: Option<String>,
    /// The subnets of these nodes.
    pub subnets_without_groups: BTreeSet<String>,
    /// Nodes that are in no subnet of the VPC, with their addresses.
    pub nodes_elsewhere: Vec<String>,
    /// What else could not be read, one sentence each.
    pub unread: Vec<String>,
    /// Remarks on what was read, one sentence each.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    pub name: String,
    /// Pods have IPv6 addresses.
    pub is_ipv6: bool,
    pub is_auto_mode: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vpc {
    pub id: String,
    pub owner: Option<String>,
    /// Primary and secondary blocks, of IPv4 and IPv6.
    pub cidrs: Vec<IpNet>,
    /// `None` if it could not be read.
    pub dns_support: Option<bool>,
    pub dns_hostnames: Option<bool>,
    /// Its DHCP option set, which names the DNS servers of its machines.
    pub dhcp_options: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub owner: Option<String>,
    /// Its name, such as `us-east-1a`.
    pub zone: String,
    pub cidrs: Vec<IpNet>,
    pub is_on_outpost: bool,
    /// `None` if EC2 does not say.
    pub free_addresses: Option<u32>,
    pub tags: Tags,
}

pub type Tags = BTreeMap<String, String>;

impl VpcFacts {
    /// Adds what another source says of the cluster.
    pub(super) fn extend(&mut self, other: Self) {
        self.cluster = other.cluster.or(self.cluster.take());
        self.uses.extend(other.uses);
        self.client_groups.extend(other.client_groups);
        self.unread.extend(other.unread);
        self.notes.extend(other.notes);
    }

    /// The route table of a subnet: its own, or the VPC's main one.
    pub fn route_table(&self, subnet: &str) -> Option<&RouteTable> {
        let own = |table: &&RouteTable| table.subnets.iter().any(|id| id == subnet);
        let tables = &self.route_tables;
        tables.iter().find(own).or_else(|| tables.iter().find(|table| table.is_main))
    }

    /// Whether something could not be read, so that a plan may lack a part.
    pub fn is_partial(&self) -> bool {
        !self.unread.is_empty() || self.nodes_unread.is_some() || self.groups_unread.is_some()
    }
}

impl Subnet {
    pub fn has_ipv4(&self) -> bool {
        self.cidrs.iter().any(|cidr| matches!(cidr, IpNet::V4(_)))
    }

    pub fn has_ipv6(&self) -> bool {
        self.cidrs.iter().any(|cidr| matches!(cidr, IpNet::V6(_)))
    }

    /// Whether it is in an availability zone of the region, and not in a local or wavelength zone or on an outpost. Names
    /// of the others are longer: `us-east-1-bos-1a`.
    pub fn is_in_availability_zone(&self, region: &str) -> bool {
        let letter = self.zone.strip_prefix(region).unwrap_or_default();
        !self.is_on_outpost && letter.len() == 1
    }
}

/// That the cluster uses a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetUse {
    pub subnet: String,
    pub reason: SubnetReason,
}

/// Why a subnet counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubnetReason {
    /// The user names it.
    Flag,
    /// This number of nodes have an address in it.
    Nodes(usize),
    NodeGroup(String),
    FargateProfile(String),
    /// Karpenter or EKS Auto Mode creates nodes in it: kind and name.
    NodeClass(String),
    /// A tag by which Karpenter finds it: `karpenter.sh/discovery=demo`.
    DiscoveryTag(String),
    /// It has `cast.ai/routable=true` already, and the cluster's own tag.
    ClusterTag(String),
    /// EKS places its network interfaces in it. Nodes may be elsewhere.
    ControlPlane,
    /// Custom networking gives pods addresses of it: where that is known from.
    Pods(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityGroup {
    pub id: String,
    pub name: String,
    pub tags: Tags,
    pub ingress: Vec<Rule>,
}

/// One source of one ingress rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it admits TCP on port 443.
    pub admits_https: bool,
    pub source: RuleSource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSource {
    Cidr(IpNet),
    Group(String),
    /// A prefix list.
    Other,
}

/// A rule that admits TCP on port 443 and nothing else, and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifiedRule {
    pub id: String,
    pub group: String,
    pub source: RuleSource,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    pub id: String,
    pub is_main: bool,
    pub subnets: Vec<String>,
    /// Where addresses without another route go: a gateway of the internet, of NAT or to other networks.
    pub default_route: Option<String>,
}

/// An endpoint of the VPC.
#[expect(clippy::struct_excessive_bools, reason = "EC2 has these properties independently of each other")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    pub id: String,
    pub owner: Option<String>,
    pub service_name: String,
    pub is_gateway: bool,
    /// As EC2 writes it: `available`, `pendingAcceptance`.
    pub state: String,
    pub private_dns: bool,
    /// Whether the name leads to it only for queries from outside the VPC, and to the gateway inside
    /// (`PrivateDnsOnlyForInboundResolverEndpoint` of S3; EC2 API reference, `DnsOptions`).
    pub is_name_for_outside: bool,
    /// Whether it has IPv6 addresses.
    pub has_ipv6: bool,
    /// Its policy, if it is another one than full access.
    pub own_policy: Option<String>,
    /// Names that lead to it; with private DNS also the service's own.
    pub dns_names: Vec<String>,
    pub subnets: Vec<String>,
    pub groups: Vec<String>,
    pub route_tables: Vec<String>,
    /// Its network interfaces, one in each subnet.
    pub interfaces: Vec<String>,
    pub tags: Tags,
    /// Why it failed, from EC2.
    pub failure: Option<String>,
}

/// An endpoint service as EC2 describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub zones: Vec<String>,
    pub private_dns_names: Vec<String>,
    /// Whether the owner has proved that the private name is theirs; `None` if EC2 does not say.
    pub is_name_verified: Option<bool>,
    pub acceptance_required: bool,
    /// Empty if EC2 does not say.
    pub ip_types: Vec<String>,
    /// Regions from which endpoints may be created, other than its own.
    pub remote_regions: Vec<String>,
}

/// A private hosted zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedZone {
    pub id: String,
    /// Without the final dot.
    pub name: String,
    /// The account or AWS service that owns it.
    pub owner: String,
}
