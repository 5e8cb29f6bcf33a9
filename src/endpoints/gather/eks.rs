//! What EKS says of the cluster: its VPC, subnets, security group, node groups and Fargate profiles.

use serde_json::Value;

use crate::aws::error::Error;
use crate::aws::rest;
use crate::aws::signed::Client;
use crate::endpoints::facts::{Facts, Reason, SubnetUse};
use crate::printable::one_line;

/// More groups or profiles than this add no subnet that matters.
const GROUPS: usize = 100;

/// Adds the cluster's facts, and returns its VPC.
pub(super) async fn read(client: &Client, name: &str, facts: &mut Facts) -> Result<Option<String>, Error> {
    if !is_name(name) {
        return Err(Error::Service {
            call: "eks:DescribeCluster".to_owned(),
            code: String::new(),
            message: format!("invalid cluster name {}", one_line(name, 100)),
        });
    }
    let path = format!("/clusters/{name}");
    let cluster = rest::eks(client, "eks:DescribeCluster", &path).await?;
    let vpc = described(&cluster["cluster"], facts);
    for (list, one, path, key) in [
        ("eks:ListNodegroups", "eks:DescribeNodegroup", "node-groups", "nodegroup"),
        ("eks:ListFargateProfiles", "eks:DescribeFargateProfile", "fargate-profiles", "fargateProfile"),
    ] {
        let path = format!("/clusters/{name}/{path}");
        let listed = rest::eks(client, list, &format!("{path}?maxResults={GROUPS}")).await?;
        for group in texts(&listed[format!("{key}s")])
            .chain(texts(&listed["fargateProfileNames"]))
            .filter(|name| is_name(name))
        {
            let described = rest::eks(client, one, &format!("{path}/{group}")).await?;
            facts.uses.extend(uses(key, &group, &described[key]));
        }
    }
    Ok(vpc)
}

/// Names become parts of a path (Amazon EKS API reference, `CreateCluster`, `name`).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn described(cluster: &Value, facts: &mut Facts) -> Option<String> {
    let network = &cluster["resourcesVpcConfig"];
    if let Some(known) = &mut facts.cluster {
        known.is_ipv6 = cluster["kubernetesNetworkConfig"]["ipFamily"] == "ipv6";
        known.is_auto_mode = cluster["computeConfig"]["enabled"] == true;
    }
    // EKS attaches it to managed nodes, to Fargate pods and to nodes of Auto Mode.
    facts.client_groups.extend(network["clusterSecurityGroupId"].as_str().map(str::to_owned));
    let of_control_plane = texts(&network["subnetIds"]);
    facts.uses.extend(of_control_plane.map(|subnet| SubnetUse { subnet, reason: Reason::ControlPlane }));
    network["vpcId"].as_str().map(str::to_owned)
}

fn uses(kind: &str, name: &str, described: &Value) -> Vec<SubnetUse> {
    let reason = match kind {
        "nodegroup" => Reason::NodeGroup(name.to_owned()),
        _ => Reason::FargateProfile(name.to_owned()),
    };
    texts(&described["subnets"]).map(|subnet| SubnetUse { subnet, reason: reason.clone() }).collect()
}

fn texts(list: &Value) -> impl Iterator<Item = String> + use<'_> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::endpoints::facts::Cluster;

    #[test]
    fn a_cluster_has_its_vpc_and_groups() {
        let mut facts = Facts { cluster: Some(Cluster::default()), ..Facts::default() };
        let vpc = described(
            &json!({
                "resourcesVpcConfig": {"vpcId": "vpc-1", "subnetIds": ["subnet-a"], "clusterSecurityGroupId": "sg-1"},
                "kubernetesNetworkConfig": {"ipFamily": "ipv6"},
                "computeConfig": {"enabled": true},
            }),
            &mut facts,
        );
        assert_eq!(vpc.as_deref(), Some("vpc-1"));
        assert!(facts.client_groups.contains("sg-1"));
        assert_eq!(facts.uses, [SubnetUse { subnet: "subnet-a".to_owned(), reason: Reason::ControlPlane }]);
        let cluster = facts.cluster.unwrap();
        assert!(cluster.is_ipv6 && cluster.is_auto_mode);
    }

    #[test]
    fn a_name_is_no_path() {
        for (name, expected) in
            [("demo", true), ("a-b_C1", true), ("", false), ("../x", false), ("a b", false)]
        {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }

    #[test]
    fn groups_and_profiles_name_subnets() {
        let described = json!({"subnets": ["subnet-a", "subnet-b"]});
        let found = uses("nodegroup", "ng", &described);
        assert_eq!((found.len(), &found[1].reason), (2, &Reason::NodeGroup("ng".to_owned())));
        assert_eq!(
            uses("fargateProfile", "fp", &described)[0].reason,
            Reason::FargateProfile("fp".to_owned())
        );
    }
}
