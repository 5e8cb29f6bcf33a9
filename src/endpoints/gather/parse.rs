//! EC2's XML as facts.

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::aws::xml::Element;
use crate::endpoints::facts::{
    Endpoint, IdentifiedRule, RouteTable, Rule, RuleSource, SecurityGroup, Service, Subnet, Tags, Vpc,
};

/// An instance of a node. One that is terminated has no VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) vpc: String,
    pub(super) subnet: String,
    pub(super) groups: Vec<String>,
    /// Subnets of its further network interfaces.
    pub(super) other_subnets: Vec<String>,
}

impl Instance {
    pub(super) const fn is_terminated(&self) -> bool {
        self.vpc.is_empty() || self.subnet.is_empty()
    }
}

pub(super) fn vpc(item: &Element) -> Vpc {
    let mut cidrs = cidrs(item, "cidrBlockAssociationSet", "cidrBlock");
    if let Some(primary) = item.text("cidrBlock").and_then(|cidr| cidr.parse().ok())
        && !cidrs.contains(&primary)
    {
        cidrs.insert(0, primary);
    }
    cidrs.extend(self::cidrs(item, "ipv6CidrBlockAssociationSet", "ipv6CidrBlock"));
    Vpc {
        id: item.string("vpcId"),
        owner: item.text("ownerId").map(str::to_owned),
        cidrs,
        dhcp_options: item.text("dhcpOptionsId").map(str::to_owned),
        ..Vpc::default()
    }
}

pub(super) fn subnet(item: &Element) -> Subnet {
    let primary = item.text("cidrBlock").and_then(|cidr| cidr.parse().ok());
    let ipv6 = cidrs(item, "ipv6CidrBlockAssociationSet", "ipv6CidrBlock");
    Subnet {
        id: item.string("subnetId"),
        owner: item.text("ownerId").map(str::to_owned),
        zone: item.string("availabilityZone"),
        cidrs: primary.into_iter().chain(ipv6).collect(),
        is_on_outpost: item.text("outpostArn").is_some(),
        free_addresses: item.text("availableIpAddressCount").and_then(|count| count.parse().ok()),
        tags: tags(item),
    }
}

/// Blocks that are associated, without those that are gone.
fn cidrs(item: &Element, list: &str, name: &str) -> Vec<IpNet> {
    let is_associated = |association: &&Element| {
        ["cidrBlockState", "ipv6CidrBlockState"]
            .iter()
            .filter_map(|state| association.child(state)?.text("state"))
            .all(|state| state == "associated")
    };
    let associated = item.items(list).filter(is_associated);
    associated.filter_map(|association| association.text(name)?.parse().ok()).collect()
}

pub(super) fn route_table(item: &Element) -> RouteTable {
    RouteTable {
        id: item.string("routeTableId"),
        is_main: item.items("associationSet").any(|association| association.is_true("main")),
        subnets: item.texts("associationSet", Some("subnetId")),
        default_route: item.items("routeSet").find_map(default_route),
    }
}

/// The target of an active route for all addresses of IPv4 or IPv6.
fn default_route(route: &Element) -> Option<String> {
    const TARGETS: [&str; 8] = [
        "natGatewayId",
        "gatewayId",
        "transitGatewayId",
        "egressOnlyInternetGatewayId",
        "networkInterfaceId",
        "vpcPeeringConnectionId",
        "localGatewayId",
        "carrierGatewayId",
    ];
    let is_default = route.text("destinationCidrBlock") == Some("0.0.0.0/0")
        || route.text("destinationIpv6CidrBlock") == Some("::/0");
    let is_active = route.text("state") != Some("blackhole");
    let mut targets = TARGETS.iter().filter_map(|name| route.text(name));
    (is_default && is_active).then(|| targets.next().unwrap_or("another target").to_owned())
}

pub(super) fn security_group(item: &Element) -> SecurityGroup {
    SecurityGroup {
        id: item.string("groupId"),
        name: item.string("groupName"),
        tags: tags(item),
        ingress: item.items("ipPermissions").flat_map(rules).collect(),
    }
}

/// One rule per source.
fn rules(permission: &Element) -> Vec<Rule> {
    let admits_https = match permission.text("ipProtocol") {
        Some("-1") => true,
        Some("tcp" | "6") => {
            let port = |name: &str| permission.text(name).and_then(|port| port.parse::<i32>().ok());
            matches!((port("fromPort"), port("toPort")), (Some(from), Some(to)) if (from..=to).contains(&443))
        }
        _ => false,
    };
    let cidr = |cidr: String| cidr.parse().map_or(RuleSource::Other, RuleSource::Cidr);
    let sources = [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")]
        .into_iter()
        .flat_map(|(list, name)| permission.texts(list, Some(name)).into_iter().map(cidr))
        .chain(permission.texts("groups", Some("groupId")).into_iter().map(RuleSource::Group))
        .chain(permission.items("prefixListIds").map(|_| RuleSource::Other));
    sources.map(|source| Rule { admits_https, source }).collect()
}

/// An ingress rule of TCP port 443 alone.
pub(super) fn https_rule(item: &Element) -> Option<IdentifiedRule> {
    let is_https = !item.is_true("isEgress")
        && item.text("ipProtocol") == Some("tcp")
        && ["fromPort", "toPort"].iter().all(|port| item.text(port) == Some("443"));
    let cidr = item.text("cidrIpv4").or_else(|| item.text("cidrIpv6"));
    let group = || item.child("referencedGroupInfo").and_then(|group| group.text("groupId"));
    let source = match cidr {
        Some(cidr) => RuleSource::Cidr(cidr.parse().ok()?),
        None => RuleSource::Group(group()?.to_owned()),
    };
    is_https.then(|| IdentifiedRule {
        id: item.string("securityGroupRuleId"),
        group: item.string("groupId"),
        source,
    })
}

pub(in crate::endpoints) fn endpoint(item: &Element) -> Endpoint {
    Endpoint {
        id: item.string("vpcEndpointId"),
        owner: item.text("ownerId").map(str::to_owned),
        service_name: item.string("serviceName"),
        is_gateway: item.text("vpcEndpointType") == Some("Gateway"),
        state: item.string("state"),
        private_dns: item.is_true("privateDnsEnabled"),
        is_name_for_outside: item
            .child("dnsOptions")
            .is_some_and(|options| options.is_true("privateDnsOnlyForInboundResolverEndpoint")),
        has_ipv6: item.text("ipAddressType").is_some_and(|kind| kind != "ipv4"),
        own_policy: item.text("policyDocument").filter(|policy| !is_full_access(policy)).map(str::to_owned),
        dns_names: item.texts("dnsEntrySet", Some("dnsName")),
        subnets: item.texts("subnetIdSet", None),
        groups: item.texts("groupSet", Some("groupId")),
        route_tables: item.texts("routeTableIdSet", None),
        interfaces: item.texts("networkInterfaceIdSet", None),
        tags: tags(item),
        failure: item.child("lastError").and_then(|error| error.text("message")).map(str::to_owned),
    }
}

/// Whether a policy allows everything, as the one that EC2 attaches by default does.
fn is_full_access(policy: &str) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements: Vec<_> = match &policy["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        statement => vec![statement],
    };
    let is_all = |value: &Value| *value == "*" || value["AWS"] == "*" || *value == json!(["*"]);
    let [statement] = statements.as_slice() else { return false };
    statement["Effect"] == "Allow"
        && ["Principal", "Action", "Resource"].iter().all(|part| is_all(&statement[part]))
        && statement["Condition"].is_null()
}

pub(super) fn service(item: &Element) -> Service {
    let mut names = item.texts("privateDnsNameSet", Some("privateDnsName"));
    if let Some(name) = item.text("privateDnsName")
        && !names.iter().any(|known| known == name)
    {
        names.insert(0, name.to_owned());
    }
    Service {
        name: item.string("serviceName"),
        zones: item.texts("availabilityZoneSet", None),
        private_dns_names: names,
        is_name_verified: item.text("privateDnsNameVerificationState").map(|state| state == "verified"),
        acceptance_required: item.is_true("acceptanceRequired"),
        ip_types: item.texts("supportedIpAddressTypeSet", None),
        remote_regions: item
            .items("supportedRegionSet")
            .filter_map(|region| region.text("region").map(str::to_owned))
            .collect(),
    }
}

pub(super) fn instance(item: &Element) -> Instance {
    let subnet = item.string("subnetId");
    let interfaces = item.items("networkInterfaceSet");
    let mut groups = item.texts("groupSet", Some("groupId"));
    let mut other_subnets = Vec::new();
    for interface in interfaces {
        groups.extend(interface.texts("groupSet", Some("groupId")));
        other_subnets.extend(interface.text("subnetId").filter(|other| *other != subnet).map(str::to_owned));
    }
    groups.sort();
    groups.dedup();
    Instance { id: item.string("instanceId"), vpc: item.string("vpcId"), subnet, groups, other_subnets }
}

fn tags(item: &Element) -> Tags {
    item.items("tagSet").map(|tag| (tag.string("key"), tag.string("value"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Element {
        Element::parse(text).unwrap()
    }

    #[test]
    fn a_vpc_has_its_blocks_without_those_that_are_gone() {
        let read = vpc(&element(
            "<item><vpcId>vpc-1</vpcId><ownerId>1</ownerId><cidrBlock>10.0.0.0/16</cidrBlock><cidrBlockAssociationSet>\
             <item><cidrBlock>10.0.0.0/16</cidrBlock><cidrBlockState><state>associated</state></cidrBlockState></item>\
             <item><cidrBlock>100.64.0.0/16</cidrBlock><cidrBlockState><state>associated</state></cidrBlockState></item>\
             <item><cidrBlock>10.9.0.0/16</cidrBlock><cidrBlockState><state>disassociated</state></cidrBlockState></item>\
             </cidrBlockAssociationSet></item>",
        ));
        let cidrs: Vec<_> = read.cidrs.iter().map(ToString::to_string).collect();
        assert_eq!(cidrs, ["10.0.0.0/16", "100.64.0.0/16"]);
        assert_eq!((read.id.as_str(), read.owner.as_deref()), ("vpc-1", Some("1")));
    }

    #[test]
    fn a_subnet_may_have_only_ipv6() {
        let read = subnet(&element(
            "<item><subnetId>s</subnetId><availabilityZone>us-east-1a</availabilityZone><ipv6CidrBlockAssociationSet>\
             <item><ipv6CidrBlock>fd00::/64</ipv6CidrBlock><ipv6CidrBlockState><state>associated</state>\
             </ipv6CidrBlockState></item></ipv6CidrBlockAssociationSet><availableIpAddressCount>7</availableIpAddressCount>\
             <tagSet><item><key>cast.ai/routable</key><value>true</value></item></tagSet></item>",
        ));
        assert!(read.has_ipv6() && !read.has_ipv4(), "{read:?}");
        assert_eq!((read.free_addresses, read.tags["cast.ai/routable"].as_str()), (Some(7), "true"));
    }

    #[test]
    fn only_rules_for_tcp_443_admit_https() {
        for (protocol, ports, admits) in [
            ("tcp", Some((443, 443)), true),
            ("tcp", Some((0, 65535)), true),
            ("tcp", Some((80, 80)), false),
            ("udp", Some((443, 443)), false),
            ("-1", None, true),
            ("tcp", None, false),
        ] {
            let ports = ports.map(|(from, to)| format!("<fromPort>{from}</fromPort><toPort>{to}</toPort>"));
            let group = security_group(&element(&format!(
                "<item><groupId>sg-1</groupId><ipPermissions><item><ipProtocol>{protocol}</ipProtocol>{}<groups><item>\
                 <groupId>sg-2</groupId></item></groups><ipRanges><item><cidrIp>10.0.0.0/8</cidrIp></item></ipRanges>\
                 <prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds></item></ipPermissions>\
                 </item>",
                ports.unwrap_or_default()
            )));
            let sources: Vec<_> = group.ingress.iter().map(|rule| rule.source.clone()).collect();
            let cidr = RuleSource::Cidr("10.0.0.0/8".parse().unwrap());
            assert_eq!(sources, [cidr, RuleSource::Group("sg-2".to_owned()), RuleSource::Other]);
            assert!(group.ingress.iter().all(|rule| rule.admits_https == admits), "{protocol}");
        }
    }

    #[test]
    fn an_endpoint_and_its_service_are_read() {
        let read = endpoint(&element(
            "<item><vpcEndpointId>vpce-1</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType><serviceName>s\
             </serviceName><state>pendingAcceptance</state><privateDnsEnabled>true</privateDnsEnabled><subnetIdSet><item>\
             subnet-a</item></subnetIdSet><groupSet><item><groupId>sg-1</groupId><groupName>n</groupName></item></groupSet>\
             <dnsEntrySet><item><dnsName>api.cast.ai</dnsName></item></dnsEntrySet><lastError><message>m</message>\
             </lastError></item>",
        ));
        assert_eq!(
            (read.state.as_str(), read.private_dns, read.is_gateway),
            ("pendingAcceptance", true, false)
        );
        assert_eq!((read.subnets[0].as_str(), read.groups[0].as_str()), ("subnet-a", "sg-1"));
        assert_eq!((read.dns_names[0].as_str(), read.failure.as_deref()), ("api.cast.ai", Some("m")));
        let read = service(&element(
            "<item><serviceName>s</serviceName><availabilityZoneSet><item>us-east-1a</item></availabilityZoneSet>\
             <privateDnsName>files.example</privateDnsName><privateDnsNameSet><item><privateDnsName>files.example\
             </privateDnsName></item></privateDnsNameSet><privateDnsNameVerificationState>pendingVerification\
             </privateDnsNameVerificationState><acceptanceRequired>true</acceptanceRequired><supportedRegionSet><item>\
             <region>eu-west-1</region></item></supportedRegionSet></item>",
        ));
        assert_eq!(
            (read.private_dns_names.as_slice(), read.is_name_verified),
            (&["files.example".to_owned()][..], Some(false))
        );
        assert!(read.acceptance_required && read.remote_regions == ["eu-west-1"], "{read:?}");
    }

    #[test]
    fn what_narrows_an_endpoint_is_read() {
        let with = |text: &str| endpoint(&element(&format!("<item>{text}</item>")));
        let plain = with("<ipAddressType>ipv4</ipAddressType>");
        assert!(!plain.has_ipv6 && plain.own_policy.is_none() && !plain.is_name_for_outside);
        assert!(with("<ipAddressType>dualstack</ipAddressType>").has_ipv6);
        let option = "<dnsOptions><privateDnsOnlyForInboundResolverEndpoint>true</privateDnsOnlyForInboundResolverEndpoint>\
                      </dnsOptions>";
        assert!(with(option).is_name_for_outside);
        let all = r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}"#;
        for (policy, is_own) in [
            (all.to_owned(), false),
            (all.replace("\"Principal\": \"*\"", "\"Principal\": {\"AWS\": \"*\"}"), false),
            (all.replace("Allow", "Deny"), true),
            (all.replace("\"Action\": \"*\"", "\"Action\": \"s3:GetObject\""), true),
            (all.replace("\"Resource\"", "\"Condition\": {\"Bool\": {}}, \"Resource\""), true),
            ("not JSON".to_owned(), true),
        ] {
            let read = with(&format!("<policyDocument>{policy}</policyDocument>"));
            assert_eq!(read.own_policy.is_some(), is_own, "{policy}");
        }
    }

    #[test]
    fn interfaces_in_other_subnets_are_for_pods() {
        let read = instance(&element(
            "<item><vpcId>vpc-1</vpcId><subnetId>subnet-a</subnetId><groupSet><item><groupId>sg-1</groupId></item></groupSet>\
             <networkInterfaceSet><item><subnetId>subnet-a</subnetId></item><item><subnetId>subnet-pods</subnetId><groupSet>\
             <item><groupId>sg-pods</groupId></item></groupSet></item></networkInterfaceSet></item>",
        ));
        assert_eq!(read.other_subnets, ["subnet-pods"]);
        assert_eq!(read.groups, ["sg-1", "sg-pods"]);
    }
}
