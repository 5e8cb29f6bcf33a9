//! Whether this machine is inside the cluster's VPC: whether the nodes' internal addresses are in the ranges of its
//! VPC, according to its instance metadata.

use std::net::IpAddr;

use ipnet::IpNet;

/// The location of this machine relative to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    Inside,
    Outside,
}

/// The instance metadata service of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataService {
    /// Disabled by `AWS_EC2_METADATA_DISABLED`.
    Disabled,
    /// Its base URL, without a trailing slash.
    At(String),
}

/// The address of the instance metadata service (EC2 user guide, "Access instance metadata").
const ADDRESS: &str = "http://169.254.169.254";

impl MetadataService {
    /// The same rules as in the AWS SDKs: `AWS_EC2_METADATA_DISABLED` and `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub fn from_variables(disabled: Option<&str>, endpoint: Option<&str>) -> Self {
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Self::Disabled;
        }
        let endpoint = endpoint.filter(|endpoint| !endpoint.is_empty());
        Self::At(endpoint.unwrap_or(ADDRESS).trim_end_matches('/').to_owned())
    }
}

/// The VPC of this machine, from the metadata service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    Disabled,
    /// Not an EC2 instance, or its metadata is not reachable from this process.
    Silent(String),
    Ranges(Vec<IpNet>),
}

impl Metadata {
    /// The VPC's ranges, if known.
    pub fn ranges(&self) -> &[IpNet] {
        match self {
            Self::Ranges(ranges) => ranges,
            Self::Disabled | Self::Silent(_) => &[],
        }
    }
}

/// The facts about this machine's location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFacts {
    /// The location according to the user.
    pub declared: Option<Here>,
    pub metadata: Metadata,
    /// Internal addresses of the nodes, or why they could not be listed.
    pub nodes: Result<Vec<IpAddr>, String>,
    /// Whether pods have reported what they see, so that nothing depends on this machine.
    pub have_pods_reported: bool,
    /// Whether only pods look.
    pub is_left_out: bool,
}

/// This machine's location, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position<'a> {
    Declared(Here),
    MetadataDisabled,
    MetadataSilent(&'a str),
    /// Listing nodes is forbidden, with the server's message.
    NodesForbidden(&'a str),
    NodesUnknown,
    /// The number of nodes in this machine's VPC: at least one.
    SameVpc(usize),
    OtherVpc,
}

impl MachineFacts {
    pub fn position(&self) -> Position<'_> {
        if let Some(here) = self.declared {
            return Position::Declared(here);
        }
        let ranges = match &self.metadata {
            Metadata::Disabled => return Position::MetadataDisabled,
            Metadata::Silent(why) => return Position::MetadataSilent(why),
            Metadata::Ranges(ranges) => ranges,
        };
        let nodes = match &self.nodes {
            Err(why) => return Position::NodesForbidden(why),
            Ok(nodes) if nodes.is_empty() => return Position::NodesUnknown,
            Ok(nodes) => nodes,
        };
        // Some nodes may be in a peered VPC or be hybrid nodes: one node in this machine's VPC is enough.
        match nodes.iter().filter(|node| ranges.iter().any(|range| range.contains(*node))).count() {
            0 => Position::OtherVpc,
            count => Position::SameVpc(count),
        }
    }

    pub fn here(&self) -> Here {
        match self.position() {
            Position::Declared(here) => here,
            Position::SameVpc(_) => Here::Inside,
            Position::MetadataDisabled
            | Position::MetadataSilent(_)
            | Position::NodesForbidden(_)
            | Position::NodesUnknown
            | Position::OtherVpc => Here::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_machine_in_the_nodes_vpc_is_inside() {
        let ranges = Metadata::Ranges(vec!["10.0.0.0/16".parse().unwrap(), "100.64.0.0/16".parse().unwrap()]);
        let silent = Metadata::Silent("no route".to_owned());
        let cases = [
            (None, &ranges, nodes(&["10.0.1.5"]), Here::Inside),
            (None, &ranges, nodes(&["192.168.0.1", "100.64.3.3"]), Here::Inside),
            (None, &ranges, nodes(&["10.1.0.5"]), Here::Outside),
            (None, &ranges, nodes(&[]), Here::Outside),
            (None, &silent, nodes(&["10.0.1.5"]), Here::Outside),
            (None, &Metadata::Disabled, nodes(&["10.0.1.5"]), Here::Outside),
            (Some(Here::Inside), &silent, nodes(&[]), Here::Inside),
            (Some(Here::Outside), &ranges, nodes(&["10.0.1.5"]), Here::Outside),
        ];
        for (declared, metadata, nodes, expected) in cases {
            let machine = MachineFacts {
                declared,
                metadata: metadata.clone(),
                nodes: Ok(nodes),
                have_pods_reported: false,
                is_left_out: false,
            };
            assert_eq!(machine.here(), expected, "{machine:?}");
        }
    }

    #[test]
    fn the_environment_is_read_like_the_sdks() {
        let at = |text: &str| MetadataService::At(text.to_owned());
        let cases = [
            (None, None, at(ADDRESS)),
            (Some("true"), None, MetadataService::Disabled),
            (Some("TRUE"), Some("http://x"), MetadataService::Disabled),
            (Some("false"), Some("http://[fd00:ec2::254]/"), at("http://[fd00:ec2::254]")),
            (None, Some(""), at(ADDRESS)),
        ];
        for (disabled, endpoint, expected) in cases {
            assert_eq!(MetadataService::from_variables(disabled, endpoint), expected);
        }
    }
}
