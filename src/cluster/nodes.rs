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
}

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
    let provider = node.spec.and_then(|spec| spec.provider_id).unwrap_or_default();
    let provider_zone =
        provider.strip_prefix("aws:///").and_then(|rest| rest.split('/').next()).map(str::to_owned);
    let zone = label("topology.kubernetes.io/zone").or(provider_zone);
    let status = node.status.unwrap_or_default();
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
    fn regions_are_read_from_zones() {
        for (zone, region) in [("us-gov-west-1a", "us-gov-west-1"), ("ap-south-2c", "ap-south-2")] {
            assert_eq!(region_of_zone(zone).as_deref(), Some(region));
        }
        assert_eq!(region_of_zone("rack"), None);
    }
}
