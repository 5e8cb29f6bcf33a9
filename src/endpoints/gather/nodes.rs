//! Where the nodes are: by their instances, else by their addresses.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{self, Instance};
use crate::aws::ec2::{Ec2, filter};
use crate::cluster::nodes::Node;
use crate::endpoints::facts::{SubnetReason, SubnetUse, VpcFacts};

/// Instances in one request: each takes about 5 KB of the response.
const INSTANCES: usize = 200;

/// The instances of the nodes, by id, and why some could not be read. Those that are terminated have no VPC.
pub(super) async fn instances(ec2: &Ec2, nodes: &[Node]) -> (BTreeMap<String, Instance>, Option<String>) {
    let ids: Vec<_> = nodes.iter().filter_map(|node| node.instance.as_deref()).collect();
    let mut found = BTreeMap::new();
    for some in ids.chunks(INSTANCES) {
        // An instance that was just terminated must not hide the others: a filter ignores it.
        match ec2.list("DescribeInstances", "reservationSet", filter("instance-id", some)).await {
            Ok(reservations) => {
                let items = reservations.iter().flat_map(|reservation| reservation.items("instancesSet"));
                let known = items.map(parse::instance);
                found.extend(known.map(|instance| (instance.id.clone(), instance)));
            }
            Err(error) => {
                let why = format!("the instances of the nodes could not be read: {error}");
                return (found, Some(why));
            }
        }
    }
    (found, None)
}

/// The VPC of most instances.
pub(super) fn vpc_of_most(instances: &BTreeMap<String, Instance>) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in instances.values().filter(|instance| !instance.is_terminated()) {
        *counts.entry(&instance.vpc).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(vpc, _)| vpc.to_owned())
}

/// Adds the subnets and security groups of the nodes. Further interfaces of an instance in other subnets are for pods. A node
/// without a known instance is in the subnet whose block has its address.
pub(super) fn place(nodes: &[Node], instances: &BTreeMap<String, Instance>, facts: &mut VpcFacts) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut pods = BTreeSet::new();
    let mut without_groups = 0;
    for node in nodes {
        match node.instance.as_ref().and_then(|id| instances.get(id)) {
            // The node is listed for a while after its instance is gone.
            Some(instance) if instance.is_terminated() => {}
            Some(instance) if instance.vpc == facts.vpc.id => {
                *counts.entry(instance.subnet.clone()).or_default() += 1;
                facts.client_groups.extend(instance.groups.iter().cloned());
                pods.extend(instance.other_subnets.iter().cloned());
            }
            Some(instance) => facts.nodes_elsewhere.push(format!("{} in {}", node.name, instance.vpc)),
            // Pods on Fargate are nodes without an instance: their profiles name the subnets.
            None if node.instance.is_none() && node.on_aws => {}
            None => {
                let has_address = |cidr: &ipnet::IpNet| {
                    node.internal_addresses.iter().any(|address| cidr.contains(address))
                };
                let subnet = facts.subnets.iter().find(|subnet| subnet.cidrs.iter().any(has_address));
                match subnet {
                    Some(subnet) => {
                        *counts.entry(subnet.id.clone()).or_default() += 1;
                        facts.subnets_without_groups.insert(subnet.id.clone());
                        without_groups += 1;
                    }
                    // Other nodes may be on premises.
                    None if node.on_aws => facts.nodes_elsewhere.push(node.name.clone()),
                    None => {}
                }
            }
        }
    }
    if without_groups > 0 {
        facts.groups_unread =
            Some(format!("EC2 describes no instance of {without_groups} of {} nodes", nodes.len()));
    }
    pods.retain(|subnet| !counts.contains_key(subnet));
    let reason = SubnetReason::Pods("interfaces of nodes".to_owned());
    let of_pods = pods.into_iter().map(|subnet| SubnetUse { subnet, reason: reason.clone() });
    let of_nodes =
        counts.into_iter().map(|(subnet, count)| SubnetUse { subnet, reason: SubnetReason::Nodes(count) });
    facts.uses.extend(of_nodes.chain(of_pods));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::decide::tests::facts;

    fn node(name: &str, instance: Option<&str>, address: &str, on_aws: bool) -> Node {
        Node {
            name: name.to_owned(),
            instance: instance.map(str::to_owned),
            internal_addresses: vec![address.parse().unwrap()],
            on_aws,
            ..Node::default()
        }
    }

    fn instance(id: &str, vpc: &str, subnet: &str, other: &[&str]) -> (String, Instance) {
        let instance = Instance {
            id: id.to_owned(),
            vpc: vpc.to_owned(),
            subnet: subnet.to_owned(),
            groups: vec![format!("sg-of-{vpc}")],
            other_subnets: other.iter().map(ToString::to_string).collect(),
        };
        (id.to_owned(), instance)
    }

    #[test]
    fn every_node_has_a_place_or_is_named() {
        let mut facts = VpcFacts { uses: Vec::new(), client_groups: BTreeSet::new(), ..facts() };
        let instances = BTreeMap::from([
            instance("i-1", "vpc-1", "subnet-a", &["subnet-pods", "subnet-b"]),
            instance("i-2", "vpc-2", "subnet-x", &[]),
            instance("i-5", "", "", &[]),
        ]);
        let nodes = [
            node("known", Some("i-1"), "10.0.1.5", true),
            node("in-another-vpc", Some("i-2"), "10.9.9.9", true),
            node("not-described", Some("i-3"), "10.0.2.7", true),
            node("by-address", None, "10.0.2.8", false),
            node("lost", Some("i-4"), "172.16.0.1", true),
            node("terminated", Some("i-5"), "10.0.1.9", true),
            node("fargate", None, "10.0.9.9", true),
            node("on-premises", None, "192.168.0.1", false),
        ];
        place(&nodes, &instances, &mut facts);
        let used: Vec<_> =
            facts.uses.iter().map(|used| format!("{} {:?}", used.subnet, used.reason)).collect();
        assert_eq!(
            used,
            ["subnet-a Nodes(1)", "subnet-b Nodes(2)", "subnet-pods Pods(\"interfaces of nodes\")"]
        );
        // A group of another VPC cannot be admitted.
        assert_eq!(facts.client_groups, ["sg-of-vpc-1".to_owned()].into());
        assert_eq!(facts.nodes_elsewhere, ["in-another-vpc in vpc-2", "lost"]);
        assert_eq!(facts.groups_unread.as_deref(), Some("EC2 describes no instance of 2 of 8 nodes"));
        assert_eq!(facts.subnets_without_groups, ["subnet-b".to_owned()].into());
        assert_eq!(vpc_of_most(&instances).as_deref(), Some("vpc-2"));
        assert_eq!(vpc_of_most(&BTreeMap::new()), None);
    }
}
