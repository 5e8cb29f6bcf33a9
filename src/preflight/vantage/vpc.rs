//! The caller and the VPC, through AWS' APIs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::aws::ec2::{Ec2, filter, indexed};
use crate::aws::error::Error;
use crate::aws::identity::{self, Identity};
use crate::aws::xml::Element;
use crate::endpoints::facts::VpcFacts;
use crate::endpoints::gather::{self, Clients};
use crate::endpoints::settings::{self, PlanSettings};
use crate::preflight::api_response::ApiResponse;
use crate::preflight::check::Need;
use crate::preflight::settings::Inputs;
use crate::preflight::target::Target;
use crate::preflight::vpc::acl::{AclRule, NetworkAcl};
use crate::preflight::vpc::{AwsFacts, DhcpOptions, MoreFacts, Read, VpcUnread, VpcView};

/// As IAM writes it.
const IDENTITY: &str = "sts:GetCallerIdentity";

/// Interfaces in one request: EC2 allows this many identifiers.
const INTERFACES: usize = 200;

/// What was read, before it is known which hosts are checked.
pub(super) struct AwsReading {
    identity: ApiResponse,
    vpc: Result<(VpcFacts, PlanSettings, MoreFacts), VpcUnread>,
}

/// Reads what the checks need. Failures are part of the result.
pub(super) async fn read(inputs: &Inputs, is_needed: impl Fn(Need) -> bool, timeout: Duration) -> AwsReading {
    let not_requested = || "not requested".to_owned();
    let nothing = |why: String| AwsReading {
        identity: ApiResponse::NotRequested(why.clone()),
        vpc: Err(VpcUnread { why, hint: None }),
    };
    if !is_needed(Need::Caller) {
        return nothing(not_requested());
    }
    let clients = match &inputs.vpc {
        Ok(clients) => clients,
        Err(why) => return nothing(why.clone()),
    };
    let vpc = async {
        if is_needed(Need::Vpc) {
            read_vpc(clients).await
        } else {
            Err(VpcUnread { why: not_requested(), hint: None })
        }
    };
    let ((milliseconds, caller), mut vpc) =
        futures::join!(Box::pin(probe::timed(caller(clients, timeout))), Box::pin(vpc));
    if let (Ok(caller), Ok((facts, ..))) = (&caller, &mut vpc) {
        facts.account = Some(caller.account.clone());
    }
    let result = caller.map(|caller| caller.arn);
    AwsReading { identity: ApiResponse::Received { milliseconds, result }, vpc }
}

impl AwsReading {
    /// What AWS says, with who needs it.
    pub(super) fn facts(self, targets: &[Target], images: &BTreeSet<String>) -> AwsFacts {
        let view = |(facts, settings, more)| VpcView::new(facts, settings, more, targets, images);
        let vpc = self.vpc.map(view);
        AwsFacts { identity: self.identity, vpc }
    }

    /// The VPC, if it was read.
    pub(super) fn vpc(&self) -> Option<&VpcFacts> {
        self.vpc.as_ref().ok().map(|(facts, ..)| facts)
    }
}

async fn caller(clients: &Clients, timeout: Duration) -> Result<Identity, Error> {
    let late = |_| Error::Unreachable { call: IDENTITY.to_owned(), reason: "timed out".to_owned() };
    tokio::time::timeout(timeout, identity::identity(&clients.aws)).await.map_err(late)?
}

async fn read_vpc(clients: &Clients) -> Result<(VpcFacts, PlanSettings, MoreFacts), VpcUnread> {
    let region = clients.region.as_str();
    let mut services = settings::cast_ai(region, None, &[]);
    let unnamed = settings::unnamed(&services);
    services.extend(settings::aws(region, &[]));
    // What is off is a finding, with the command that turns it on.
    let settings = PlanSettings { services, unnamed, enable_vpc_dns: true, ..PlanSettings::default() };
    let facts = gather::facts(clients, &settings).await.map_err(|error| VpcUnread {
        why: error.message.trim_start_matches("error: ").to_owned(),
        hint: error.hint,
    })?;
    let (dhcp, acls, interfaces) = futures::join!(
        dhcp_options(&clients.ec2, facts.vpc.dhcp_options.as_deref()),
        network_acls(&clients.ec2, &facts.vpc.id),
        interfaces(&clients.ec2, &facts),
    );
    Ok((facts, settings, MoreFacts { dhcp, acls, interfaces }))
}

async fn dhcp_options(ec2: &Ec2, id: Option<&str>) -> Read<DhcpOptions> {
    // EC2 writes `default` where there is none: then machines get no DNS server (EC2 API reference, `Vpc`).
    let Some(id) = id.filter(|id| *id != "default") else { return Ok(DhcpOptions::default()) };
    let parameters = indexed("DhcpOptionsId", &[id]);
    let sets = ec2
        .list("DescribeDhcpOptions", "dhcpOptionsSet", parameters)
        .await
        .map_err(|error| error.to_string())?;
    let set = sets.first().ok_or_else(|| format!("EC2 does not list {id}"))?;
    let servers =
        set.items("dhcpConfigurationSet").filter(|item| item.text("key") == Some("domain-name-servers"));
    let servers = servers.flat_map(|item| item.texts("valueSet", Some("value")));
    Ok(DhcpOptions { id: id.to_owned(), name_servers: servers.collect() })
}

async fn network_acls(ec2: &Ec2, vpc: &str) -> Read<Vec<NetworkAcl>> {
    let acls = ec2.list("DescribeNetworkAcls", "networkAclSet", filter("vpc-id", &[vpc])).await;
    Ok(acls.map_err(|error| error.to_string())?.iter().map(network_acl).collect())
}

fn network_acl(item: &Element) -> NetworkAcl {
    NetworkAcl {
        id: item.string("networkAclId"),
        subnets: item.texts("associationSet", Some("subnetId")),
        rules: item.items("entrySet").filter_map(rule).collect(),
    }
}

fn rule(item: &Element) -> Option<AclRule> {
    let cidr = item.text("cidrBlock").or_else(|| item.text("ipv6CidrBlock"))?;
    let port = |name: &str| item.child("portRange")?.text(name)?.parse().ok();
    let protocol = item.text("protocol");
    let ports = match protocol {
        // All protocols, and all their ports.
        Some("-1") => (0, u16::MAX),
        _ => (port("from").unwrap_or_default(), port("to").unwrap_or(u16::MAX)),
    };
    Some(AclRule {
        number: item.text("ruleNumber")?.parse().ok()?,
        is_egress: item.is_true("egress"),
        allows: item.text("ruleAction") == Some("allow"),
        is_tcp: matches!(protocol, Some("-1" | "6" | "tcp")),
        ports,
        cidr: cidr.parse().ok()?,
    })
}

async fn interfaces(ec2: &Ec2, facts: &VpcFacts) -> Read<BTreeMap<String, Vec<IpAddr>>> {
    let ids: Vec<_> = facts.endpoints.iter().flat_map(|endpoint| &endpoint.interfaces).collect();
    let mut found = BTreeMap::new();
    for some in ids.chunks(INTERFACES) {
        let parameters = indexed("NetworkInterfaceId", some);
        let interfaces = ec2.list("DescribeNetworkInterfaces", "networkInterfaceSet", parameters).await;
        for item in &interfaces.map_err(|error| error.to_string())? {
            let ipv4 = item.texts("privateIpAddressesSet", Some("privateIpAddress"));
            let ipv6 = item.texts("ipv6AddressesSet", Some("ipv6Address"));
            let addresses = ipv4.iter().chain(&ipv6).filter_map(|address| address.parse().ok());
            found.insert(item.string("networkInterfaceId"), addresses.collect());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_all_protocols_have_all_ports() {
        let acl = network_acl(
            &Element::parse(
                "<item><networkAclId>acl-1</networkAclId><associationSet><item><subnetId>subnet-a</subnetId></item>\
                 </associationSet><entrySet>\
                 <item><ruleNumber>100</ruleNumber><protocol>-1</protocol><ruleAction>allow</ruleAction>\
                 <egress>true</egress><cidrBlock>0.0.0.0/0</cidrBlock></item>\
                 <item><ruleNumber>90</ruleNumber><protocol>6</protocol><ruleAction>deny</ruleAction>\
                 <egress>false</egress><cidrBlock>10.0.0.0/8</cidrBlock><portRange><from>443</from><to>443</to></portRange>\
                 </item><item><ruleNumber>80</ruleNumber><protocol>17</protocol><ruleAction>deny</ruleAction>\
                 <egress>false</egress><ipv6CidrBlock>::/0</ipv6CidrBlock></item></entrySet></item>",
            )
            .unwrap(),
        );
        assert_eq!((acl.id.as_str(), acl.subnets.as_slice()), ("acl-1", &["subnet-a".to_owned()][..]));
        let seen: Vec<_> = acl
            .rules
            .iter()
            .map(|rule| (rule.number, rule.is_egress, rule.allows, rule.is_tcp, rule.ports))
            .collect();
        let expected = [
            (100, true, true, true, (0, u16::MAX)),
            (90, false, false, true, (443, 443)),
            (80, false, false, false, (0, u16::MAX)),
        ];
        assert_eq!(seen, expected);
    }
}
