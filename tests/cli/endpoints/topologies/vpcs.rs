//! VPCs of another account, with a hub, and with several clusters.

use super::*;
use crate::harness::{QUICK, assert_stderr_contains, plugin, write_file};

const OWNER: &str = "999999999999";

#[test]
fn the_owner_of_a_shared_vpc_creates_its_endpoints() {
    let lab = own_lab();
    reset(&lab);
    let owner = json!({"ownerId": OWNER});
    aws(&lab, "texts", &json!({VPC_ID: owner, FIRST: owner, SECOND: owner}));
    let shared = plan(&lab, 1, &[]);
    assert_eq!(changes(&shared), [("blocked", CAST_AI.to_vec())].into());
    assert_subnets(&shared, &[(FIRST, "1 node", "add"), (SECOND, "1 node", "add")]);
    let place = ["--region", REGION, "--vpc", VPC_ID, "--subnet", FIRST, "--subnet", SECOND];
    assert_problem(
        &shared,
        "belongs to account 999999999999, which shares it with 123456789012",
        &format!(
            "with credentials of 999999999999, run: kubectl castai-privatelink endpoints create --no-subnet-tags {}",
            place.join(" ")
        ),
    );
    // Each account has its own tags of a shared subnet.
    let created = assert_creates(&lab, 1, &[], &["CreateTags"]);
    assert_stderr_contains(&created, &["only the owner can create and list its endpoints"]);
    assert_private(&lab, &[]);

    let arn = format!("arn:aws:sts::{OWNER}:assumed-role/network/lab");
    aws(&lab, "identity", &json!({"account": OWNER, "arn": arn, "user_id": "AROAEXAMPLE:lab"}));
    let flags = [&place[..], &["--kubeconfig=gone", "--no-subnet-tags"]].concat();
    let by_owner = plan(&lab, 0, &flags);
    // The owner sees no cluster, and so none of its groups.
    let peers = json!([{"cidr": SUBNETS[0].2}, {"cidr": SUBNETS[1].2}]);
    assert_eq!(actions(&by_owner, "authorizeIngress")[0]["peers"], peers);
    assert_creates(&lab, 0, &flags, &EVERYTHING[..8]);
    assert_private(&lab, &ALL);
    // The participant does not see them.
    lab.control().delete("/aws/identity").unwrap();
    assert_eq!(changes(&plan(&lab, 1, &[])), [("blocked", CAST_AI.to_vec())].into());
}

#[test]
fn names_that_a_hub_answers_for_get_no_endpoints() {
    let lab = own_lab();
    reset(&lab);
    let zone = |id: &str, name: &str| json!({"id": id, "name": name, "owner": OWNER});
    aws(&lab, "zones", &json!([zone("Z1", "api.cast.ai"), zone("Z2", "grpc.cast.ai")]));
    let some = plan(&lab, 0, &[]);
    assert_eq!(
        changes(&some),
        [("create", CAST_AI[2..].to_vec()), ("elsewhere", CAST_AI[..2].to_vec())].into()
    );
    let reason = "the private hosted zone grpc.cast.ai (Z2, owned by 999999999999) answers for its name";
    assert_eq!(some["endpoints"][1]["reasons"], json!([reason]));
    let without_two: Vec<_> = EVERYTHING[..2].iter().chain(&EVERYTHING[4..]).copied().collect();
    assert_creates(&lab, 0, &[], &without_two);
    assert_private(&lab, &[2, 3, 4, 5]);

    reset(&lab);
    // The name of an endpoint is more specific than a zone of a parent domain, which may lack it.
    aws(&lab, "zones", &json!([zone("Z1", "cast.ai"), zone("Z2", "castai.example")]));
    let parents = plan(&lab, 0, &[]);
    assert_eq!(changes(&parents), [("create", CAST_AI.to_vec())].into());
    assert_note(
        &parents,
        "the private hosted zone cast.ai (Z1, owned by 999999999999) covers api.cast.ai too",
    );

    let hosts = cast_ai_services().into_iter().map(|(_, host)| host);
    let zones: Vec<_> = hosts.clone().map(|host| zone("Z1", &host)).collect();
    aws(&lab, "zones", &json!(zones));
    hosts.for_each(|host| resolve_in_hub(&lab, &host));
    let all = plan(&lab, 0, &[]);
    assert_eq!(changes(&all), [("elsewhere", CAST_AI.to_vec())].into());
    // No endpoint needs a security group or an attribute of the VPC.
    assert_creates(&lab, 0, &[], &["CreateTags"]);
    assert_private(&lab, &ALL);
}

#[test]
fn clusters_in_one_vpc_share_endpoints() {
    let lab = own_lab();
    reset(&lab);
    aws(&lab, "services", &json!({"*": {"zones": ["us-east-1a", "us-east-1b", "us-east-1c"]}}));
    assert_creates(&lab, 0, &[], &EVERYTHING);

    // The second cluster has nodes in a new zone, and in another subnet of a zone that has addresses.
    let third = new_subnet(&lab, "us-east-1c", "10.0.3.0/24");
    let other = new_subnet(&lab, "us-east-1b", "10.0.4.0/24");
    let group = new_group(&lab, "eks-second");
    aws(&lab, "eks", &json!({"subnets": [third, other], "security_group": group}));
    let nodes = [&third, &other].map(|subnet| json!({"subnets": [subnet], "groups": [group]}));
    aws(&lab, "instances", &json!(nodes));
    let text = std::fs::read_to_string(lab.folder().kubeconfig()).unwrap();
    let second = write_file(&lab, "second", &text.replace("cluster/demo", "cluster/second"));
    let second = format!("--kubeconfig={}", second.display());
    let shared = plan(&lab, 0, &[&second]);
    assert_eq!(shared["cluster"], "second");
    assert_eq!(changes(&shared), [("modify", CAST_AI.to_vec())].into());
    assert_eq!(shared["endpoints"][0]["reasons"], json!(["no address in us-east-1c"]));
    assert_eq!(actions(&shared, "authorizeIngress")[0]["peers"], json!([{"group": group}]));
    let mut expected = vec!["AuthorizeSecurityGroupIngress"];
    expected.extend(["ModifyVpcEndpoint"; 6]);
    expected.push("CreateTags");
    assert_creates(&lab, 0, &[&second], &expected);
    assert_eq!((endpoints(&lab).len(), placement(&lab, 5)), (6, json!([FIRST, SECOND, third])));

    // For the first cluster, nothing has changed.
    aws(&lab, "eks", &json!({}));
    aws(&lab, "instances", &json!(null));
    assert_creates(&lab, 0, &[], &[]);
    assert_private(&lab, &ALL);
}

#[test]
fn another_vpc_than_the_clusters_gets_nothing_of_the_cluster() {
    let lab = own_lab();
    let vpc = ec2(&lab, &json!({"Action": "CreateVpc", "CidrBlock": "10.9.0.0/16"}));
    let text = |document: &str, name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>")).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let vpc = text(&vpc, "vpcId");
    let subnet = json!({"Action": "CreateSubnet", "VpcId": vpc, "CidrBlock": "10.9.1.0/24",
        "AvailabilityZone": "us-east-1a"});
    let subnet = text(&ec2(&lab, &subnet), "subnetId");
    let named = plugin(&lab, 2, &[&["endpoints", "plan", "--vpc", &vpc], QUICK].concat());
    let expected = format!("{vpc} is not the VPC of demo, which is in {VPC_ID}");
    assert_stderr_contains(&named, &[&expected, "--subnet"]);
    let other = plan(&lab, 0, &["--vpc", &vpc, "--subnet", &subnet, "--enable-vpc-dns"]);
    assert_eq!(other["cluster"], json!(null));
    assert_eq!(actions(&other, "authorizeIngress")[0]["peers"], json!([{"cidr": "10.9.1.0/24"}]));
    assert!(other["notes"][0].as_str().unwrap().contains("is not the VPC of demo"), "{other:#}");
    // What is ours there can be deleted without naming subnets.
    let nothing = plugin(&lab, 0, &[&DELETE[..], &["--vpc", &vpc], QUICK].concat());
    assert_stderr_contains(&nothing, &["nothing to delete: "]);
}

#[test]
fn nodes_that_ec2_does_not_describe_count_by_their_address() {
    let lab = own_lab();
    aws(&lab, "instances", &json!([{"subnets": [FIRST], "groups": [CLUSTER_GROUP]}]));
    let found = plan(&lab, 0, &[]);
    let reasons = |index: usize| found["subnets"][index]["reasons"].clone();
    assert_eq!((reasons(0), reasons(1)), (json!(["1 node"]), json!(["1 node"])));
    let peers = json!([{"group": CLUSTER_GROUP}, {"cidr": "10.0.2.0/24"}]);
    assert_eq!(actions(&found, "authorizeIngress")[0]["peers"], peers);
    assert!(found["notes"][0].as_str().unwrap().starts_with("EC2 describes no instance of 1 of 2 nodes"));
}
