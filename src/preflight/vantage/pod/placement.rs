//! Which nodes get a probe pod: by default one node for each combination of subnet, architecture and node group, because
//! routes, endpoints, security groups and images can differ between these and hardly within them.
//!
//! A node gets two pods, one for each DNS policy: `dnsPolicy` is a field of the pod, and a pod with the cluster's DNS
//! servers cannot read which servers its node has. The pair tells a fault of the cluster's DNS from one of the VPC's.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Node, NodeKind};
use crate::preflight::pods::{LeftOut, NodeChoice, Subnet};
use crate::preflight::subject::{DnsPolicy, PodLocation};

/// The architectures of the probe image.
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// Where pods run, and where none can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    pub pods: Vec<PodLocation>,
    pub left_out: Vec<LeftOut>,
}

impl Placement {
    /// The number of nodes with pods.
    pub fn nodes(&self) -> usize {
        self.pods.iter().map(|pod| pod.node.as_str()).collect::<BTreeSet<_>>().len()
    }
}

/// Chooses nodes for pods. A node that is not available is left out only if no other node of its group is chosen.
pub fn place(nodes: &[Node], subnets: &[Subnet], choice: &NodeChoice) -> Placement {
    let mut placement = Placement::default();
    let mut groups: BTreeMap<PodLocation, Vec<&Node>> = BTreeMap::new();
    let mut unavailable: Vec<(PodLocation, LeftOut)> = Vec::new();
    for node in nodes {
        if matches!(choice, NodeChoice::Named(names) if !names.contains(&node.name)) {
            continue;
        }
        let group = group_of(node, subnets);
        let left_out = |why| LeftOut { node: node.name.clone(), why };
        if let Some(why) = obstacle(node) {
            placement.left_out.push(left_out(why));
        } else if !node.is_ready {
            unavailable.push((group, left_out("not ready".to_owned())));
        } else if node.is_unschedulable {
            unavailable.push((group, left_out("cordoned".to_owned())));
        } else {
            groups.entry(group).or_default().push(node);
        }
    }
    if let NodeChoice::Named(names) = choice {
        let is_known = |name: &String| nodes.iter().any(|node| node.name == *name);
        let missing = names.iter().filter(|name| !is_known(name));
        placement.left_out.extend(
            missing.map(|name| LeftOut { node: name.clone(), why: "there is no such node".to_owned() }),
        );
    }
    let is_covered =
        |group: &PodLocation| matches!(choice, NodeChoice::PerGroup(_)) && groups.contains_key(group);
    placement
        .left_out
        .extend(unavailable.into_iter().filter(|(group, _)| !is_covered(group)).map(|(_, node)| node));
    placement.left_out.sort_by(|left, right| left.node.cmp(&right.node));
    for (group, mut nodes) in groups {
        nodes.sort_by(|left, right| left.name.cmp(&right.name));
        if let NodeChoice::PerGroup(number) = choice {
            nodes.truncate(number.get());
        }
        for node in nodes {
            for dns_policy in [DnsPolicy::ClusterFirst, DnsPolicy::Default] {
                placement.pods.push(PodLocation { node: node.name.clone(), dns_policy, ..group.clone() });
            }
        }
    }
    placement
}

/// The group of a node: a location without the node's name. A node in an unknown subnet counts by its zone.
fn group_of(node: &Node, subnets: &[Subnet]) -> PodLocation {
    let contains =
        |subnet: &&Subnet| node.internal_addresses.iter().any(|address| subnet.range.contains(address));
    let narrowest = subnets.iter().filter(contains).max_by_key(|subnet| subnet.range.prefix_len());
    PodLocation {
        subnet: narrowest.map(|subnet| subnet.id.clone()),
        zone: node.zone.clone(),
        architecture: architecture(node).unwrap_or_default().to_owned(),
        node_group: node.group.clone(),
        node: String::new(),
        dns_policy: DnsPolicy::ClusterFirst,
    }
}

fn architecture(node: &Node) -> Option<&str> {
    node.platform.as_deref()?.split('/').nth(1)
}

/// Why no probe pod ever runs on a node, if none does.
fn obstacle(node: &Node) -> Option<String> {
    match node.kind {
        NodeKind::Machine => {}
        NodeKind::Fargate => return Some("a Fargate node runs no other pod than its own".to_owned()),
        NodeKind::Virtual => return Some("a virtual node runs its pods elsewhere".to_owned()),
    }
    let Some(platform) = node.platform.as_deref() else { return Some("its platform is unknown".to_owned()) };
    let is_supported = platform.strip_prefix("linux/").is_some_and(|one| ARCHITECTURES.contains(&one));
    (!is_supported).then(|| format!("the probe does not run on {platform}"))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn node(name: &str, zone: &str, address: &str) -> Node {
        Node {
            name: name.to_owned(),
            platform: Some("linux/amd64".to_owned()),
            zone: Some(zone.to_owned()),
            internal_addresses: vec![address.parse().unwrap()],
            is_ready: true,
            ..Node::default()
        }
    }

    fn subnet(id: &str, range: &str) -> Subnet {
        Subnet { id: id.to_owned(), range: range.parse().unwrap() }
    }

    fn placed(placement: &Placement) -> Vec<String> {
        placement.pods.iter().map(|pod| format!("{}: {pod}", pod.node)).collect()
    }

    #[test]
    fn each_combination_of_subnet_architecture_and_group_gets_a_pair_of_pods() {
        let arm = Node { platform: Some("linux/arm64".to_owned()), ..node("c", "z1", "10.0.1.7") };
        let spot = Node { group: Some("spot".to_owned()), ..node("d", "z1", "10.0.1.8") };
        let nodes = [
            node("b", "z1", "10.0.1.6"),
            node("a", "z1", "10.0.1.5"),
            arm,
            spot,
            node("e", "z2", "10.0.2.5"),
            node("f", "z2", "192.168.0.1"),
        ];
        let subnets = [
            subnet("subnet-1", "10.0.1.0/24"),
            subnet("subnet-2", "10.0.2.0/24"),
            subnet("vpc", "10.0.0.0/16"),
        ];
        let placement = place(&nodes, &subnets, &NodeChoice::default());
        assert_eq!(
            placed(&placement),
            [
                "f: pod in z2 (amd64, cluster DNS)",
                "f: pod in z2 (amd64, node DNS)",
                "a: pod in subnet-1 (z1, amd64, cluster DNS)",
                "a: pod in subnet-1 (z1, amd64, node DNS)",
                "d: pod in subnet-1 (z1, amd64, node group spot, cluster DNS)",
                "d: pod in subnet-1 (z1, amd64, node group spot, node DNS)",
                "c: pod in subnet-1 (z1, arm64, cluster DNS)",
                "c: pod in subnet-1 (z1, arm64, node DNS)",
                "e: pod in subnet-2 (z2, amd64, cluster DNS)",
                "e: pod in subnet-2 (z2, amd64, node DNS)",
            ]
        );
        assert_eq!(placement.nodes(), 5);
        let two = NodeChoice::PerGroup(NonZeroUsize::new(2).unwrap());
        assert_eq!(place(&nodes, &subnets, &two).nodes(), 6);
        assert_eq!(place(&nodes, &[], &NodeChoice::default()).nodes(), 4, "zones count instead of subnets");
        assert_eq!(place(&nodes, &subnets, &NodeChoice::All).nodes(), 6);
    }

    #[test]
    fn nodes_that_run_no_probe_are_named_unless_another_one_stands_for_them() {
        let cordoned = |name: &str| Node { is_unschedulable: true, ..node(name, "z1", "10.0.1.9") };
        let nodes = [
            node("a", "z1", "10.0.1.5"),
            cordoned("b"),
            Node { is_ready: false, ..node("c", "z2", "10.0.2.5") },
            Node { platform: Some("windows/amd64".to_owned()), ..node("d", "z3", "10.0.3.5") },
            Node { platform: Some("linux/s390x".to_owned()), ..node("e", "z3", "10.0.3.6") },
            Node { kind: NodeKind::Fargate, ..node("f", "z1", "10.0.1.6") },
            Node { kind: NodeKind::Virtual, ..node("g", "z4", "10.0.4.6") },
        ];
        let left_out = |choice: &NodeChoice| -> Vec<String> {
            let placement = place(&nodes, &[], choice);
            placement.left_out.iter().map(|one| format!("{}: {}", one.node, one.why)).collect()
        };
        let others = [
            "c: not ready",
            "d: the probe does not run on windows/amd64",
            "e: the probe does not run on linux/s390x",
            "f: a Fargate node runs no other pod than its own",
            "g: a virtual node runs its pods elsewhere",
        ];
        // The cordoned node is in the group of `a`.
        assert_eq!(left_out(&NodeChoice::default()), others);
        assert_eq!(left_out(&NodeChoice::All).len(), 6);
        let named = NodeChoice::Named(["a", "b", "x"].map(str::to_owned).into());
        assert_eq!(left_out(&named), ["b: cordoned", "x: there is no such node"]);
        assert_eq!(place(&nodes, &[], &named).nodes(), 1);
    }
}
