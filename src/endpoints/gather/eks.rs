//! What EKS says of the cluster: its VPC, subnets, security group, node groups and Fargate profiles.

use serde_json::Value;

use crate::aws::ec2::escaped;
use crate::aws::error::Error;
use crate::aws::rest;
use crate::aws::signed::Client;
use crate::cluster::EksIdentity;
use crate::endpoints::facts::{Cluster, SubnetReason, SubnetUse, VpcFacts};
use crate::printable::one_line;

/// More pages of 100 than any cluster fills; a list that goes on is cut off with an error.
const PAGES: usize = 10;

/// A list of what creates nodes or pods, and how each item is described (Amazon EKS API reference).
struct Groups {
    noun: &'static str,
    list: &'static str,
    describe: &'static str,
    path: &'static str,
    /// The member of the list's response with the names.
    names: &'static str,
    /// The member of an item's description.
    one: &'static str,
    reason: fn(String) -> SubnetReason,
}

const GROUPS: [Groups; 2] = [
    Groups {
        noun: "node groups",
        list: "eks:ListNodegroups",
        describe: "eks:DescribeNodegroup",
        path: "node-groups",
        names: "nodegroups",
        one: "nodegroup",
        reason: SubnetReason::NodeGroup,
    },
    Groups {
        noun: "Fargate profiles",
        list: "eks:ListFargateProfiles",
        describe: "eks:DescribeFargateProfile",
        path: "fargate-profiles",
        names: "fargateProfileNames",
        one: "fargateProfile",
        reason: SubnetReason::FargateProfile,
    },
];

/// What EKS says of the cluster, and its VPC.
#[derive(Default)]
pub(super) struct Described {
    pub(super) facts: VpcFacts,
    pub(super) vpc: Option<String>,
}

/// The description of the cluster that the kubeconfig names. What cannot be read is a note.
pub(super) async fn of_cluster(client: &Client, cluster: Option<&EksIdentity>) -> Described {
    let mut described = Described::default();
    let Some(name) = cluster.and_then(|cluster| cluster.name.clone()) else { return described };
    described.facts.cluster = Some(Cluster { name: name.clone(), ..Cluster::default() });
    match read(client, &name, &mut described.facts).await {
        Ok(vpc) => described.vpc = vpc,
        Err(error) => {
            described.facts.unread.push(format!("the cluster in EKS could not be read: {error}"));
        }
    }
    described
}

/// Adds the cluster's facts, and returns its VPC.
async fn read(client: &Client, name: &str, facts: &mut VpcFacts) -> Result<Option<String>, Error> {
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
    for groups in &GROUPS {
        // Without the right to read them, the nodes themselves show most subnets.
        if let Err(error) = read_groups(client, name, groups, facts).await {
            facts.unread.push(format!("the {} of {name} could not all be read: {error}", groups.noun));
        }
    }
    Ok(vpc)
}

async fn read_groups(
    client: &Client,
    cluster: &str,
    groups: &Groups,
    facts: &mut VpcFacts,
) -> Result<(), Error> {
    let path = format!("/clusters/{cluster}/{}", groups.path);
    let mut next = String::new();
    for _ in 0..PAGES {
        let page = format!("{path}?maxResults=100{next}");
        let listed = rest::eks(client, groups.list, &page).await?;
        for name in texts(&listed[groups.names]).filter(|name| is_name(name)) {
            let described = rest::eks(client, groups.describe, &format!("{path}/{name}")).await?;
            let reason = (groups.reason)(name);
            let subnets = texts(&described[groups.one]["subnets"]);
            facts.uses.extend(subnets.map(|subnet| SubnetUse { subnet, reason: reason.clone() }));
        }
        match listed["nextToken"].as_str().filter(|token| !token.is_empty()) {
            Some(token) => next = format!("&nextToken={}", escaped(token)),
            None => return Ok(()),
        }
    }
    Err(Error::Service {
        call: groups.list.to_owned(),
        code: String::new(),
        message: format!("more than {PAGES} pages"),
    })
}

/// Names become parts of a path (Amazon EKS API reference, `CreateCluster`, `name`).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn described(cluster: &Value, facts: &mut VpcFacts) -> Option<String> {
    let network = &cluster["resourcesVpcConfig"];
    if let Some(known) = &mut facts.cluster {
        known.is_ipv6 = cluster["kubernetesNetworkConfig"]["ipFamily"] == "ipv6";
        known.is_auto_mode = cluster["computeConfig"]["enabled"] == true;
    }
    // EKS attaches it to managed nodes, to Fargate pods and to nodes of Auto Mode.
    facts.client_groups.extend(network["clusterSecurityGroupId"].as_str().map(str::to_owned));
    let of_control_plane = texts(&network["subnetIds"]);
    facts
        .uses
        .extend(of_control_plane.map(|subnet| SubnetUse { subnet, reason: SubnetReason::ControlPlane }));
    network["vpcId"].as_str().map(str::to_owned)
}

fn texts(list: &Value) -> impl Iterator<Item = String> + use<'_> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::testing;
    use crate::endpoints::facts::Cluster;

    #[test]
    fn a_cluster_has_its_vpc_and_groups() {
        let mut facts = VpcFacts { cluster: Some(Cluster::default()), ..VpcFacts::default() };
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
        assert_eq!(
            facts.uses,
            [SubnetUse { subnet: "subnet-a".to_owned(), reason: SubnetReason::ControlPlane }]
        );
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

    /// EKS with two pages of node groups, and without the right to list Fargate profiles.
    async fn client() -> Client {
        let respond = async |uri: http::Uri| {
            let query = uri.query().unwrap_or_default();
            let group = |subnet: &str| json!({"nodegroup": {"subnets": [subnet]}});
            let (status, body) = match uri.path() {
                "/clusters/demo" => (200, json!({"cluster": {"resourcesVpcConfig": {"vpcId": "vpc-1"}}})),
                "/clusters/demo/node-groups" if query.contains("nextToken=a%2Fb") => {
                    (200, json!({"nodegroups": ["second"]}))
                }
                "/clusters/demo/node-groups" => (200, json!({"nodegroups": ["first"], "nextToken": "a/b"})),
                "/clusters/demo/node-groups/first" => (200, group("subnet-a")),
                "/clusters/demo/node-groups/second" => (200, group("subnet-b")),
                _ => (403, json!({"__type": "AccessDeniedException", "message": "no"})),
            };
            (http::StatusCode::from_u16(status).unwrap(), body.to_string())
        };
        let router = axum::Router::new().fallback(respond);
        testing::client(router).await
    }

    #[tokio::test]
    async fn all_node_groups_count_and_a_missing_right_costs_only_its_list() {
        let mut facts = VpcFacts { cluster: Some(Cluster::default()), ..VpcFacts::default() };
        let vpc = read(&client().await, "demo", &mut facts).await.unwrap();
        assert_eq!(vpc.as_deref(), Some("vpc-1"));
        let used = |subnet: &str, group: &str| SubnetUse {
            subnet: subnet.to_owned(),
            reason: SubnetReason::NodeGroup(group.to_owned()),
        };
        assert_eq!(facts.uses, [used("subnet-a", "first"), used("subnet-b", "second")]);
        let [unread] = facts.unread.as_slice() else { panic!("{:?}", facts.unread) };
        assert!(
            unread.starts_with("the Fargate profiles of demo could not all be read: access denied for "),
            "{unread}"
        );
    }
}
