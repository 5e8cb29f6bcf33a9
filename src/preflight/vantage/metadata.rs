//! This machine's instance metadata.

use std::time::Duration;

use futures::future::join_all;
use ipnet::IpNet;
use rustls::ClientConfig;

use crate::preflight::machine::{Metadata, MetadataService};

/// Fetches the ranges of the VPCs of all this machine's network interfaces (metadata service version 2).
pub(super) async fn fetch(service: &MetadataService, tls: &ClientConfig, timeout: Duration) -> Metadata {
    let MetadataService::At(base) = service else {
        return Metadata::Disabled;
    };
    // Link-local: a proxy would return its own machine's metadata, if any.
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls.clone()).no_proxy().build();
    let ranges = async { read_ranges(&client?, base).await };
    match tokio::time::timeout(timeout, ranges).await {
        Err(_) => Metadata::Silent("timed out".to_owned()),
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
    // The metadata of a VPC without IPv6 has no such path.
    let texts = join_all(leaves.map(get)).await.into_iter().filter_map(Result::ok);
    let mut ranges: Vec<IpNet> = texts
        .flat_map(|text| text.lines().filter_map(|line| line.trim().parse().ok()).collect::<Vec<_>>())
        .collect();
    ranges.sort_unstable();
    ranges.dedup();
    Ok(ranges)
}
