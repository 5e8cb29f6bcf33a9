//! The cluster's nodes: platforms to mirror, the default region, and addresses in the VPC.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::core::v1;
use kube::Api;
use kube::api::ListParams;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::pages;
use crate::model::aws_partition::is_region;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    /// For example `linux/arm64`.
    pub platform: Option<String>,
    pub region: Option<String>,
    pub zone: Option<String>,
    pub internal_addresses: Vec<IpAddr>,
    /// The EC2 instance, by the `providerID`.
    pub instance: Option<String>,
    /// Whether the node runs on AWS, by its `providerID`.
    pub on_aws: bool,
    /// The group or template that it was created from.
    pub group: Option<String>,
    /// Whether the kubelet reports that it is ready.
    pub is_ready: bool,
    /// Whether it is cordoned.
    pub is_unschedulable: bool,
    pub kind: NodeKind,
}

/// What kind of machine runs a node's pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeKind {
    #[default]
    Machine,
    /// AWS Fargate: every pod has a node of its own.
    Fargate,
    /// A virtual kubelet: pods run elsewhere.
    Virtual,
}

/// Labels with the name of what a node was created from: EKS managed node groups, Karpenter and EKS Auto Mode, Cast AI's
/// node configurations, which choose subnets and security groups, and eksctl.
const GROUP_LABELS: [&str; 4] = [
    "eks.amazonaws.com/nodegroup",
    "karpenter.sh/nodepool",
    "provisioner.cast.ai/node-configuration-name",
    "alpha.eksctl.io/nodegroup-name",
];

/// All nodes that could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    pub nodes: Vec<Node>,
    /// Why nodes could not be listed, if that is forbidden.
    pub forbidden: Option<String>,
}

impl Nodes {
    /// Platforms of all nodes, sorted and unique.
    pub fn platforms(&self) -> Vec<String> {
        let platforms: BTreeSet<_> = self.nodes.iter().filter_map(|node| node.platform.clone()).collect();
        platforms.into_iter().collect()
    }

    /// The region of most nodes. Nodes outside AWS may have any text in its place.
    pub fn region(&self) -> Option<&str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let regions = self.nodes.iter().filter_map(|node| node.region.as_deref());
        for region in regions.filter(|region| is_region(region)) {
            *counts.entry(region).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(region, _)| region)
    }

    pub(super) fn are_on_aws(&self) -> bool {
        self.nodes.iter().any(|node| node.on_aws)
    }

    pub fn internal_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.nodes.iter().flat_map(|node| node.internal_addresses.iter().copied())
    }
}

/// Lists all nodes. If that is forbidden, the result says so.
///
/// # Errors
/// The server cannot be reached.
pub async fn nodes(connection: &Connection) -> Result<Nodes, Error> {
    let api: Api<v1::Node> = Api::all(connection.client.clone());
    let list = |parameters| async { api.list(&{ parameters }).await };
    let take = |nodes: &mut Vec<Node>, page: Vec<v1::Node>| nodes.extend(page.into_iter().map(node));
    let mut result = Nodes::default();
    match pages::collect(connection, ListParams::default(), list, take).await {
        Ok(nodes) => result.nodes = nodes,
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            result.forbidden = Some(format!("cannot list nodes: {error}"));
        }
        Err(error) => return Err(error),
    }
    Ok(result)
}

fn node(node: v1::Node) -> Node {
    let labels = node.metadata.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).filter(|value| !value.is_empty()).cloned();
    let spec = node.spec.unwrap_or_default();
    let is_tainted = |key: &str| {
        spec.taints
            .iter()
            .flatten()
            .any(|taint| taint.key == key || taint.key.starts_with(&format!("{key}/")))
    };
    let provider = spec.provider_id.clone().unwrap_or_default();
    let kind = if labels.get("eks.amazonaws.com/compute-type").is_some_and(|kind| kind == "fargate") {
        NodeKind::Fargate
    } else if labels.get("type").is_some_and(|kind| kind == "virtual-kubelet")
        || labels.get("liqo.io/type").is_some_and(|kind| kind == "virtual-node")
        || is_tainted("virtual-kubelet.io")
    {
        NodeKind::Virtual
    } else {
        NodeKind::Machine
    };
    let provider_zone =
        provider.strip_prefix("aws:///").and_then(|rest| rest.split('/').next()).map(str::to_owned);
    let zone = label("topology.kubernetes.io/zone").or(provider_zone);
    let status = node.status.unwrap_or_default();
    let mut conditions = status.conditions.iter().flatten();
    let is_ready = conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let platform = status
        .node_info
        .filter(|info| !info.operating_system.is_empty() && !info.architecture.is_empty())
        .map(|info| format!("{}/{}", info.operating_system, info.architecture))
        .or_else(|| Some(format!("{}/{}", label("kubernetes.io/os")?, label("kubernetes.io/arch")?)));
    Node {
        name: node.metadata.name.unwrap_or_default(),
        platform,
        region: label("topology.kubernetes.io/region").or_else(|| zone.as_deref().and_then(region_of_zone)),
        zone,
        internal_addresses: status
            .addresses
            .unwrap_or_default()
            .iter()
            .filter(|address| address.type_ == "InternalIP")
            .filter_map(|address| address.address.parse().ok())
            .collect(),
        // Fargate writes `aws:///us-east-1a/…/fargate-ip-…`.
        instance: provider.rsplit('/').next().filter(|id| id.starts_with("i-")).map(str::to_owned),
        on_aws: provider.starts_with("aws:"),
        group: GROUP_LABELS.iter().find_map(|name| label(name)),
        is_ready,
        is_unschedulable: spec.unschedulable == Some(true),
        kind,
    }
}

/// The region `us-east-1` of the zone `us-east-1a` and of the local zone `us-east-1-bos-1a`.
fn region_of_zone(zone: &str) -> Option<String> {
    let start = zone.find(|character: char| character.is_ascii_digit())?;
    let digits = zone[start..].bytes().take_while(u8::is_ascii_digit).count();
    Some(zone[..start + digits].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: serde_json::Value) -> Node {
        node(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_node_has_platform_region_and_addresses() {
        let seen = read(serde_json::json!({
            "metadata": {"name": "n"},
            "spec": {"providerID": "aws:///us-east-1-bos-1a/i-0abc"},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "10.0.1.2"}, {"type": "Hostname", "address": "n"}],
                "nodeInfo": {"architecture": "arm64", "operatingSystem": "linux", "bootID": "", "containerRuntimeVersion": "",
                    "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "osImage": "", "systemUUID": ""},
            },
        }));
        assert_eq!(seen.platform.as_deref(), Some("linux/arm64"));
        assert_eq!(
            (seen.region.as_deref(), seen.zone.as_deref()),
            (Some("us-east-1"), Some("us-east-1-bos-1a"))
        );
        assert_eq!(seen.internal_addresses, ["10.0.1.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(seen.instance.as_deref(), Some("i-0abc"));
        let labelled = read(serde_json::json!({
            "metadata": {"labels": {"topology.kubernetes.io/region": "eu-west-1", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
        }));
        assert_eq!(
            (labelled.region.as_deref(), labelled.platform.as_deref()),
            (Some("eu-west-1"), Some("linux/amd64"))
        );
    }

    #[test]
    fn what_decides_whether_pods_run_on_a_node_is_read() {
        let with = |labels: serde_json::Value, spec: serde_json::Value, ready: &str| {
            let status = serde_json::json!({"conditions": [{"type": "Ready", "status": ready}]});
            read(serde_json::json!({"metadata": {"labels": labels}, "spec": spec, "status": status}))
        };
        let json = |text: &str| serde_json::from_str(text).unwrap();
        let node =
            with(json(r#"{"karpenter.sh/nodepool": "spot"}"#), json(r#"{"unschedulable": true}"#), "True");
        assert_eq!((node.group.as_deref(), node.is_ready, node.is_unschedulable), (Some("spot"), true, true));
        assert!(!with(json("{}"), json("{}"), "Unknown").is_ready);
        for (labels, spec, expected) in [
            ("{}", "{}", NodeKind::Machine),
            (r#"{"eks.amazonaws.com/compute-type": "fargate"}"#, "{}", NodeKind::Fargate),
            (r#"{"eks.amazonaws.com/compute-type": "hybrid"}"#, "{}", NodeKind::Machine),
            (r#"{"type": "virtual-kubelet"}"#, "{}", NodeKind::Virtual),
            (
                "{}",
                r#"{"taints": [{"key": "virtual-kubelet.io/provider", "effect": "NoSchedule"}]}"#,
                NodeKind::Virtual,
            ),
        ] {
            assert_eq!(with(json(labels), json(spec), "True").kind, expected, "{labels} {spec}");
        }
    }

    #[test]
    fn regions_are_read_from_zones() {
        for (zone, region) in [("us-gov-west-1a", "us-gov-west-1"), ("ap-south-2c", "ap-south-2")] {
            assert_eq!(region_of_zone(zone).as_deref(), Some(region));
        }
        assert_eq!(region_of_zone("rack"), None);
    }
}
