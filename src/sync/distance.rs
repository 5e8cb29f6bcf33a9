//! What to know before images are copied to a registry that is not the cluster's own.

use crate::model::image::Mirror;
use crate::model::image::ecr::{EcrRegistry, has_vpc_endpoint};
use crate::model::inventory::Cluster;
use crate::sync::mirror_choice::mirror_of_cluster;

/// A warning for each cluster that would pull from another account or region, or from a host without a VPC endpoint.
pub(super) fn warnings(clusters: &[Cluster], mirrors: &[Mirror]) -> Vec<String> {
    let mut warnings = Vec::new();
    for cluster in clusters {
        let Some(mirror) = mirror_of_cluster(Some(cluster), mirrors) else { continue };
        let Some(ecr) = EcrRegistry::of_host(&mirror.registry) else { continue };
        let (host, name) = (&mirror.registry, &cluster.name);
        if let Some(account) = cluster.account.as_ref().filter(|account| **account != ecr.account) {
            warnings.push(format!(
                "{host} is in another AWS account than cluster {name} ({account}): its nodes can only pull if policies of \
                 the repositories allow them to"
            ));
        }
        if let Some(region) = cluster.region.as_ref().filter(|region| **region != ecr.region) {
            warnings.push(format!(
                "{host} is in another region than cluster {name} ({region}): its nodes can only pull over the internet or a \
                 network between the regions"
            ));
        }
        if !has_vpc_endpoint(host) {
            let private = ecr.host();
            warnings.push(format!(
                "{host} has no VPC endpoint: nodes without internet can only pull from {private}"
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_account_or_region_is_named() {
        let cluster = Cluster {
            name: "prod".to_owned(),
            account: Some("111111111111".to_owned()),
            account_origin: None,
            region: Some("eu-west-1".to_owned()),
            platforms: Vec::new(),
        };
        let unknown = Cluster { account: None, region: None, ..cluster.clone() };
        for (host, words) in [
            ("111111111111.dkr.ecr.eu-west-1.amazonaws.com", &[][..]),
            (
                "222222222222.dkr.ecr.eu-west-1.amazonaws.com",
                &["another AWS account than cluster prod (111111111111)"],
            ),
            (
                "222222222222.dkr.ecr.us-east-1.amazonaws.com",
                &["another AWS account", "another region than cluster prod (eu-west-1)"],
            ),
            ("111111111111.dkr-ecr.eu-west-1.on.aws", &["has no VPC endpoint"]),
            ("registry.example", &[]),
        ] {
            let mirrors = [Mirror { registry: host.to_owned(), prefix: None }];
            let seen = warnings(std::slice::from_ref(&cluster), &mirrors);
            assert_eq!(seen.len(), words.len(), "{host}: {seen:?}");
            assert!(seen.iter().zip(words).all(|(seen, words)| seen.contains(words)), "{host}: {seen:?}");
            let of_unknown = warnings(std::slice::from_ref(&unknown), &mirrors);
            assert_eq!(of_unknown.len(), usize::from(host.ends_with("on.aws")), "{host}: {of_unknown:?}");
        }
    }
}
