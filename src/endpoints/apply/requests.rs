//! The requests of an action, as values.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::aws::ec2::{Parameters, indexed};
use crate::endpoints::plan::{Action, GroupRef};
use crate::endpoints::settings::Peer;

/// EC2 accepts 1000 resources in one `CreateTags`; fewer keep the form small.
const TAGGED: usize = 500;

/// One request to EC2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// EC2's action.
    pub(super) action: &'static str,
    /// The object that an error names, if the action is about one.
    pub(super) on: Option<String>,
    pub(super) parameters: Parameters,
}

impl Request {
    fn new(action: &'static str, on: &str) -> Self {
        Self { action, on: Some(on.to_owned()), parameters: Vec::new() }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    fn with_all(mut self, name: &str, values: &[impl AsRef<str>]) -> Self {
        self.parameters.extend(indexed(name, values));
        self
    }

    fn with_tags(mut self, prefix: &str, tags: &BTreeMap<String, String>) -> Self {
        for ((key, value), number) in tags.iter().zip(1..) {
            self.parameters.push((format!("{prefix}.{number}.Key"), key.clone()));
            self.parameters.push((format!("{prefix}.{number}.Value"), value.clone()));
        }
        self
    }

    fn with_new_tags(self, resource: &str, tags: &BTreeMap<String, String>) -> Self {
        self.with("TagSpecification.1.ResourceType", resource).with_tags("TagSpecification.1.Tag", tags)
    }
}

/// Security groups that earlier actions created: name and id.
pub(super) type Created = BTreeMap<String, String>;

/// The requests that carry out `action` in `vpc`. `token` is new for each action: EC2 does the work of a request with a
/// known token only once, so that a request may be sent again after a lost response.
///
/// # Errors
/// The name of a security group that no earlier action created.
pub(super) fn requests(
    action: &Action,
    vpc: &str,
    created: &Created,
    token: &str,
) -> Result<Vec<Request>, String> {
    let request = match action {
        Action::EnableVpcAttribute { vpc, attribute } => {
            let mut name = (*attribute).to_owned();
            name[..1].make_ascii_uppercase();
            Request::new("ModifyVpcAttribute", vpc).with("VpcId", vpc).with(&format!("{name}.Value"), "true")
        }
        Action::CreateSecurityGroup { name, description, tags } => Request::new("CreateSecurityGroup", name)
            .with("VpcId", vpc)
            .with("GroupName", name)
            .with("GroupDescription", description)
            .with_new_tags("security-group", tags),
        Action::AuthorizeIngress { group, peers } => ingress(&id(group, created)?, peers),
        Action::CreateEndpoint {
            service,
            service_name,
            service_region,
            is_gateway,
            subnets,
            groups,
            route_tables,
            private_dns,
            ip_type,
            tags,
        } => {
            let mut request = Request::new("CreateVpcEndpoint", service)
                .with("VpcId", vpc)
                .with("VpcEndpointType", if *is_gateway { "Gateway" } else { "Interface" })
                .with("ServiceName", service_name)
                .with("ClientToken", token)
                .with_all("SubnetId", subnets)
                .with_all("SecurityGroupId", &ids(groups, created)?)
                .with_all("RouteTableId", route_tables)
                .with_new_tags("vpc-endpoint", tags);
            // Gateways have no private DNS, and EC2 turns it on for interfaces if nothing is said.
            if !is_gateway {
                request = request.with("PrivateDnsEnabled", private_dns.to_string());
            }
            if let Some(region) = service_region {
                request = request.with("ServiceRegion", region);
            }
            if let Some(kind) = ip_type {
                request = request.with("IpAddressType", *kind);
            }
            request
        }
        Action::ModifyEndpoint {
            id, add_subnets, add_groups, add_route_tables, enable_private_dns, ..
        } => {
            let mut request = Request::new("ModifyVpcEndpoint", id)
                .with("VpcEndpointId", id)
                .with_all("AddSubnetId", add_subnets)
                .with_all("AddSecurityGroupId", &ids(add_groups, created)?)
                .with_all("AddRouteTableId", add_route_tables);
            if *enable_private_dns {
                request = request.with("PrivateDnsEnabled", "true");
            }
            request
        }
        Action::TagSubnets { subnets, tags } => {
            return Ok(tagged("CreateTags", subnets, tags));
        }
        Action::DeleteEndpoint { id, .. } => {
            Request::new("DeleteVpcEndpoints", id).with_all("VpcEndpointId", &[id])
        }
        Action::DetachGroup { id, group, .. } => Request::new("ModifyVpcEndpoint", id)
            .with("VpcEndpointId", id)
            .with_all("RemoveSecurityGroupId", &[group]),
        Action::DeleteSecurityGroup { id, .. } => Request::new("DeleteSecurityGroup", id).with("GroupId", id),
        // With a value, EC2 keeps a tag that has another one by now.
        Action::UntagSubnets { subnets, tags } => return Ok(tagged("DeleteTags", subnets, tags)),
    };
    Ok(vec![request])
}

fn tagged(action: &'static str, subnets: &[String], tags: &BTreeMap<String, String>) -> Vec<Request> {
    let request = |subnets: &[String]| Request {
        action,
        on: Some(subnets.join(", ")),
        parameters: indexed("ResourceId", subnets),
    };
    subnets.chunks(TAGGED).map(|some| request(some).with_tags("Tag", tags)).collect()
}

/// Admits `peers` to TCP 443 of a security group.
pub(super) fn ingress(group: &str, peers: &[Peer]) -> Request {
    let mut request = Request::new("AuthorizeSecurityGroupIngress", group)
        .with("GroupId", group)
        .with("IpPermissions.1.IpProtocol", "tcp")
        .with("IpPermissions.1.FromPort", "443")
        .with("IpPermissions.1.ToPort", "443");
    let (mut groups, mut ipv4, mut ipv6) = (Vec::new(), Vec::new(), Vec::new());
    for peer in peers {
        match peer {
            Peer::Group(id) => groups.push(id.clone()),
            Peer::Cidr(cidr @ IpNet::V4(_)) => ipv4.push(cidr.to_string()),
            Peer::Cidr(cidr @ IpNet::V6(_)) => ipv6.push(cidr.to_string()),
        }
    }
    for (list, name, values) in
        [("Groups", "GroupId", groups), ("IpRanges", "CidrIp", ipv4), ("Ipv6Ranges", "CidrIpv6", ipv6)]
    {
        for (value, number) in values.into_iter().zip(1..) {
            request = request.with(&format!("IpPermissions.1.{list}.{number}.{name}"), value);
        }
    }
    request
}

fn ids(groups: &[GroupRef], created: &Created) -> Result<Vec<String>, String> {
    groups.iter().map(|group| id(group, created)).collect()
}

fn id(group: &GroupRef, created: &Created) -> Result<String, String> {
    match group {
        GroupRef::Id(id) => Ok(id.clone()),
        GroupRef::Name(name) => created.get(name).cloned().ok_or_else(|| name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: [(&str, &str); 1] = [("team", "platform")];

    fn tags() -> BTreeMap<String, String> {
        TAGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn strings(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    /// The requests as forms.
    fn forms(action: &Action) -> Vec<String> {
        let created = Created::from([("ours".to_owned(), "sg-new".to_owned())]);
        let requests = requests(action, "vpc-1", &created, "token").unwrap();
        let form = |request: &Request| {
            let fields = request.parameters.iter().map(|(name, value)| format!("{name}={value}"));
            format!("{} {}", request.action, fields.collect::<Vec<_>>().join("&"))
        };
        requests.iter().map(form).collect()
    }

    fn endpoint(is_gateway: bool) -> Action {
        Action::CreateEndpoint {
            service: "rest-api".to_owned(),
            service_name: "com.x".to_owned(),
            service_region: None,
            is_gateway,
            subnets: if is_gateway { Vec::new() } else { strings(&["subnet-a", "subnet-b"]) },
            groups: if is_gateway { Vec::new() } else { vec![GroupRef::Name("ours".to_owned())] },
            route_tables: if is_gateway { strings(&["rtb-1"]) } else { Vec::new() },
            private_dns: !is_gateway,
            ip_type: None,
            tags: tags(),
        }
    }

    #[test]
    fn each_action_has_the_parameters_of_ec2() {
        let cases = [
            (
                Action::EnableVpcAttribute { vpc: "vpc-1".to_owned(), attribute: "enableDnsSupport" },
                "ModifyVpcAttribute VpcId=vpc-1&EnableDnsSupport.Value=true",
            ),
            (
                Action::CreateSecurityGroup {
                    name: "ours".to_owned(),
                    description: "for endpoints".to_owned(),
                    tags: tags(),
                },
                "CreateSecurityGroup VpcId=vpc-1&GroupName=ours&GroupDescription=for endpoints&\
                 TagSpecification.1.ResourceType=security-group&TagSpecification.1.Tag.1.Key=team&\
                 TagSpecification.1.Tag.1.Value=platform",
            ),
            (
                Action::AuthorizeIngress {
                    group: GroupRef::Name("ours".to_owned()),
                    peers: vec![
                        Peer::Group("sg-nodes".to_owned()),
                        Peer::Cidr("10.0.1.0/24".parse().unwrap()),
                        Peer::Cidr("10.0.2.0/24".parse().unwrap()),
                        Peer::Cidr("fd00::/64".parse().unwrap()),
                    ],
                },
                "AuthorizeSecurityGroupIngress GroupId=sg-new&IpPermissions.1.IpProtocol=tcp&\
                 IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443&\
                 IpPermissions.1.Groups.1.GroupId=sg-nodes&IpPermissions.1.IpRanges.1.CidrIp=10.0.1.0/24&\
                 IpPermissions.1.IpRanges.2.CidrIp=10.0.2.0/24&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=fd00::/64",
            ),
            (
                endpoint(false),
                "CreateVpcEndpoint VpcId=vpc-1&VpcEndpointType=Interface&ServiceName=com.x&ClientToken=token&\
                 SubnetId.1=subnet-a&SubnetId.2=subnet-b&SecurityGroupId.1=sg-new&\
                 TagSpecification.1.ResourceType=vpc-endpoint&TagSpecification.1.Tag.1.Key=team&\
                 TagSpecification.1.Tag.1.Value=platform&PrivateDnsEnabled=true",
            ),
            (
                endpoint(true),
                "CreateVpcEndpoint VpcId=vpc-1&VpcEndpointType=Gateway&ServiceName=com.x&ClientToken=token&\
                 RouteTableId.1=rtb-1&TagSpecification.1.ResourceType=vpc-endpoint&\
                 TagSpecification.1.Tag.1.Key=team&TagSpecification.1.Tag.1.Value=platform",
            ),
            (
                Action::ModifyEndpoint {
                    service: "rest-api".to_owned(),
                    id: "vpce-1".to_owned(),
                    add_subnets: strings(&["subnet-b"]),
                    add_groups: vec![GroupRef::Id("sg-1".to_owned())],
                    add_route_tables: Vec::new(),
                    enable_private_dns: true,
                },
                "ModifyVpcEndpoint VpcEndpointId=vpce-1&AddSubnetId.1=subnet-b&AddSecurityGroupId.1=sg-1&\
                 PrivateDnsEnabled=true",
            ),
            (
                Action::TagSubnets { subnets: strings(&["subnet-a"]), tags: tags() },
                "CreateTags ResourceId.1=subnet-a&Tag.1.Key=team&Tag.1.Value=platform",
            ),
            (
                Action::UntagSubnets { subnets: strings(&["subnet-a"]), tags: tags() },
                "DeleteTags ResourceId.1=subnet-a&Tag.1.Key=team&Tag.1.Value=platform",
            ),
            (
                Action::DeleteEndpoint { service: "rest-api".to_owned(), id: "vpce-1".to_owned() },
                "DeleteVpcEndpoints VpcEndpointId.1=vpce-1",
            ),
            (
                Action::DetachGroup {
                    service: "rest-api".to_owned(),
                    id: "vpce-1".to_owned(),
                    group: "sg-1".to_owned(),
                },
                "ModifyVpcEndpoint VpcEndpointId=vpce-1&RemoveSecurityGroupId.1=sg-1",
            ),
            (
                Action::DeleteSecurityGroup { id: "sg-1".to_owned(), name: "ours".to_owned() },
                "DeleteSecurityGroup GroupId=sg-1",
            ),
        ];
        for (action, expected) in cases {
            assert_eq!(forms(&action), [expected], "{action:?}");
        }
    }

    #[test]
    fn many_subnets_are_tagged_in_several_requests() {
        let subnets: Vec<_> = (0..1200).map(|number| format!("subnet-{number}")).collect();
        assert_eq!(forms(&Action::TagSubnets { subnets, tags: tags() }).len(), 3);
    }

    #[test]
    fn a_group_that_was_not_created_is_named() {
        let action = endpoint(false);
        assert_eq!(requests(&action, "vpc-1", &Created::new(), "token"), Err("ours".to_owned()));
    }
}
