//! The subjects of checks, and vantage points.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// The subject of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub kind: SubjectKind,
    pub name: String,
    /// What needs it in this cluster: the components that are configured with it, before the installation those that
    /// usually are, or nodes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub needed_by: BTreeSet<String>,
    /// What needs it in its usual configuration, although no component of this cluster is configured with it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub usually_needed_by: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum SubjectKind {
    Cluster,
    Machine,
    Workload,
    Region,
    /// A host, with its port unless it is 443.
    Host,
    /// An AWS account's ECR.
    Registry,
    /// The identity behind the AWS credentials.
    Caller,
    Vpc,
    Subnet,
    /// An endpoint service.
    Service,
    /// A node, from which a pod looked.
    Node,
}

impl SubjectKind {
    /// The plural, in words.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Cluster => "clusters",
            Self::Machine => "machines",
            Self::Workload => "workloads",
            Self::Region => "regions",
            Self::Host => "hosts",
            Self::Registry => "registries",
            Self::Caller => "callers",
            Self::Vpc => "VPCs",
            Self::Subnet => "subnets",
            Self::Service => "endpoint services",
            Self::Node => "nodes",
        }
    }
}

impl Subject {
    pub fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), needed_by: BTreeSet::new(), usually_needed_by: BTreeSet::new() }
    }
}

/// Where facts were gathered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VantagePoint {
    /// The machine that runs this program.
    Here,
    /// A pod that ran the probe.
    Pod(Arc<PodLocation>),
}

/// Where a pod runs, as far as that decides what it reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PodLocation {
    /// The node's subnet, if its address is known to be in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// For example `amd64`.
    pub architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_group: Option<String>,
    pub node: String,
    pub dns_policy: DnsPolicy,
}

/// Whose DNS servers a pod uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum DnsPolicy {
    /// Those of the cluster, as components do.
    ClusterFirst,
    /// Those of the node, from the VPC's DHCP options.
    Default,
}

impl DnsPolicy {
    /// The value of a pod's `dnsPolicy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterFirst => "ClusterFirst",
            Self::Default => "Default",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::ClusterFirst => "cluster DNS",
            Self::Default => "node DNS",
        }
    }
}

impl PodLocation {
    /// `subnet-a`, or the zone or the node if that is not known.
    pub fn network(&self) -> &str {
        self.subnet.as_deref().or(self.zone.as_deref()).unwrap_or(&self.node)
    }
}

/// `pod in subnet-a (us-east-1a, amd64, node group general, cluster DNS)`.
impl fmt::Display for PodLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_by_node = self.subnet.is_none() && self.zone.is_none();
        let zone = self.subnet.as_ref().and(self.zone.as_deref());
        let group = self.node_group.as_ref().map(|group| format!("node group {group}"));
        let parts =
            [zone, Some(self.architecture.as_str()), group.as_deref(), Some(self.dns_policy.in_words())];
        let parts = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        write!(formatter, "pod {} {} ({parts})", if is_by_node { "on" } else { "in" }, self.network())
    }
}

impl fmt::Display for VantagePoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => formatter.write_str("here"),
            Self::Pod(location) => location.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_named_by_the_narrowest_known_network() {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (subnet, zone, group, expected) in [
            ("subnet-a", "us-east-1a", "", "pod in subnet-a (us-east-1a, amd64, cluster DNS)"),
            (
                "subnet-a",
                "us-east-1a",
                "general",
                "pod in subnet-a (us-east-1a, amd64, node group general, cluster DNS)",
            ),
            ("", "us-east-1a", "", "pod in us-east-1a (amd64, cluster DNS)"),
            ("", "", "", "pod on node-1 (amd64, cluster DNS)"),
        ] {
            let location = PodLocation {
                subnet: some(subnet),
                zone: some(zone),
                architecture: "amd64".to_owned(),
                node_group: some(group),
                node: "node-1".to_owned(),
                dns_policy: DnsPolicy::ClusterFirst,
            };
            assert_eq!(VantagePoint::Pod(Arc::new(location)).to_string(), expected);
        }
    }
}
