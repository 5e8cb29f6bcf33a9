//! Whether "here" is inside the cluster's VPC: this machine's instance metadata tells its VPC's ranges, and the nodes'
//! internal addresses lie in them or not.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use ipnet::IpNet;
use rustls::ClientConfig;
use serde_json::json;

use super::judgement::{Judgement, Remedy};

/// Where this machine is, as seen from the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    Inside,
    Outside,
}

/// The instance metadata service of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataService {
    /// Switched off with `AWS_EC2_METADATA_DISABLED`.
    Disabled,
    /// Its base URL, without a slash at the end.
    At(String),
}

/// The address that every EC2 instance has its metadata at (EC2 user guide, "Access instance metadata").
const ADDRESS: &str = "http://169.254.169.254";

impl MetadataService {
    /// As the AWS SDKs decide it: `AWS_EC2_METADATA_DISABLED` and `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub fn from_variables(disabled: Option<&str>, endpoint: Option<&str>) -> Self {
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Self::Disabled;
        }
        let endpoint = endpoint.filter(|endpoint| !endpoint.is_empty());
        Self::At(endpoint.unwrap_or(ADDRESS).trim_end_matches('/').to_owned())
    }
}

/// What the metadata service says about this machine's VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    Disabled,
    /// No EC2 instance, or one whose metadata does not reach this process.
    Silent(String),
    Ranges(Vec<IpNet>),
}

impl Metadata {
    /// The VPC's ranges, where they are known.
    pub fn ranges(&self) -> &[IpNet] {
        match self {
            Self::Ranges(ranges) => ranges,
            Self::Disabled | Self::Silent(_) => &[],
        }
    }
}

/// Asks the metadata service (version 2) for the ranges of the VPCs of all this machine's network interfaces.
pub async fn fetch(service: &MetadataService, tls: &ClientConfig, timeout: Duration) -> Metadata {
    let MetadataService::At(base) = service else {
        return Metadata::Disabled;
    };
    // Link-local: a proxy would answer for its own machine, if at all.
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls.clone()).no_proxy().build();
    let ranges = async { read_ranges(&client?, base).await };
    match tokio::time::timeout(timeout, ranges).await {
        Err(_) => Metadata::Silent("no answer in time".to_owned()),
        Ok(Err(error)) => Metadata::Silent(error.without_url().to_string()),
        Ok(Ok(ranges)) => Metadata::Ranges(ranges),
    }
}

async fn read_ranges(client: &reqwest::Client, base: &str) -> Result<Vec<IpNet>, reqwest::Error> {
    let token = client
        .put(format!("{base}/latest/api/token"))
        .header("X-aws-ec2-metadata-token-ttl-seconds", "60")
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let interfaces = format!("{base}/latest/meta-data/network/interfaces/macs/");
    let get = async |url: String| {
        client
            .get(url)
            .header("X-aws-ec2-metadata-token", token.as_str())
            .send()
            .await?
            .error_for_status()?
            .text()
            .await
    };
    let macs = get(interfaces.clone()).await?;
    let leaves = macs.lines().flat_map(|mac| {
        let mac = mac.trim_end_matches('/');
        ["vpc-ipv4-cidr-blocks", "vpc-ipv6-cidr-blocks"].map(|leaf| format!("{interfaces}{mac}/{leaf}"))
    });
    // A VPC without IPv6 has no such leaf.
    let texts = join_all(leaves.map(get)).await.into_iter().filter_map(Result::ok);
    let mut ranges: Vec<IpNet> = texts
        .flat_map(|text| text.lines().filter_map(|line| line.trim().parse().ok()).collect::<Vec<_>>())
        .collect();
    ranges.sort_unstable();
    ranges.dedup();
    Ok(ranges)
}

/// Where this machine is, and why we think so.
pub fn decide(told: Option<Here>, metadata: &Metadata, nodes: &[IpAddr]) -> (Here, Judgement) {
    match told {
        Some(Here::Inside) => return (Here::Inside, Judgement::pass("--here=inside says so")),
        Some(Here::Outside) => return (Here::Outside, outside("--here=outside says so")),
        None => {}
    }
    let ranges = match metadata {
        Metadata::Disabled => return (Here::Outside, outside("AWS_EC2_METADATA_DISABLED is set")),
        Metadata::Silent(why) => {
            let why = format!("no instance metadata on this machine ({why})");
            return (Here::Outside, outside(&why));
        }
        Metadata::Ranges(ranges) => ranges,
    };
    let evidence = json!({ "vpcRanges": ranges, "nodes": nodes });
    if nodes.is_empty() {
        let judgement = outside("the nodes' addresses are not known");
        return (Here::Outside, judgement.evidence(evidence));
    }
    let texts: Vec<_> = ranges.iter().map(ToString::to_string).collect();
    let texts = texts.join(", ");
    // Nodes in a peered VPC, or hybrid ones, do not take away that this machine stands beside the others.
    let beside = nodes.iter().filter(|node| ranges.iter().any(|range| range.contains(*node))).count();
    let (here, judgement) = if beside > 0 {
        let seen = format!("{beside} of {} nodes lie in this machine's VPC ({texts})", nodes.len());
        (Here::Inside, Judgement::pass(seen))
    } else {
        let why = format!("no node lies in this machine's VPC ({texts})");
        (Here::Outside, outside(&why))
    };
    (here, judgement.evidence(evidence))
}

fn outside(why: &str) -> Judgement {
    Judgement::unknown(format!("taken to be outside: {why}")).remedy(look_from_inside())
}

/// Why a network check says nothing from here.
pub const OUTSIDE: &str =
    "this machine is not known to be inside the cluster's VPC, and what it sees proves nothing";

/// How to get the network checks answered.
pub fn look_from_inside() -> Remedy {
    Remedy::command(
        "run from a machine in the VPC; or, if this machine uses the VPC's DNS and routes, say so",
        "kubectl castai-privatelink preflight --here=inside",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn inside_is_where_the_nodes_are() {
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
        for (told, metadata, nodes, expected) in cases {
            let (here, judgement) = decide(told, metadata, &nodes);
            assert_eq!(here, expected, "{told:?} {metadata:?} {nodes:?}");
            let name = judgement.outcome.name();
            assert_eq!(name == "Pass", here == Here::Inside, "{name}");
            assert_ne!(name, "Fail");
        }
    }

    #[test]
    fn the_environment_is_read_as_the_sdks_read_it() {
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
