//! Where nodes and pods are: custom networking, Fargate, Auto Mode, zones without the services.

use super::*;
use crate::harness::{apply, define_custom_resource, kubectl};

#[test]
fn nodes_outside_the_zones_of_a_service_reach_it_in_another_zone() {
    let lab = own_lab();
    reset(&lab);
    let instance = |subnet: &str| json!({"subnets": [subnet], "groups": [CLUSTER_GROUP]});
    let local = new_subnet(&lab, "us-east-1a", "10.0.5.0/24");
    let without = new_subnet(&lab, "us-east-1e", "10.0.6.0/24");
    aws(&lab, "texts", &json!({&local: {"availabilityZone": "us-east-1-bos-1a"}}));
    aws(&lab, "instances", &json!([instance(FIRST), instance(&local)]));
    aws(&lab, "eks", &json!({"node_groups": {"spot": [without]}}));
    let elsewhere = plan(&lab, 0, &[]);
    assert_subnets(
        &elsewhere,
        &[(FIRST, "1 node", "add"), (&local, "1 node", "add"), (&without, "node group spot", "add")],
    );
    assert_eq!(elsewhere["endpoints"][5]["placement"], json!([FIRST]));
    let reason = "not offered in us-east-1e: reached in another zone";
    assert_eq!(elsewhere["endpoints"][5]["reasons"], json!([reason]));
    assert_note(&elsewhere, "nodes in us-east-1-bos-1a reach the endpoints in other zones");
    assert_creates(&lab, 0, &[], &EVERYTHING);
    assert_private(&lab, &ALL);

    // Without nodes elsewhere, the user chooses where the endpoints are.
    run(&lab, 0, &DELETE, &[]);
    aws(&lab, "instances", &json!([instance(&local), instance(&without)]));
    let blocked = plan(&lab, 1, &[]);
    assert_eq!(changes(&blocked), [("blocked", CAST_AI.to_vec())].into());
    assert_problem(
        &blocked,
        "no node subnet is in a zone that rest-api supports (us-east-1a, us-east-1b)",
        "--endpoint-subnet",
    );
    assert_creates(&lab, 1, &[], &["CreateTags"]);
    assert_creates(&lab, 0, &["--endpoint-subnet", SECOND], &EVERYTHING[..8]);
    assert_eq!(placement(&lab, 0), json!([SECOND]));
    assert_private(&lab, &ALL);

    // A service may have other zones than the rest.
    reset(&lab);
    aws(&lab, "services", &json!({"kvisor": {"zones": ["us-east-1b"]}}));
    assert_creates(&lab, 0, &[], &EVERYTHING);
    assert_eq!((placement(&lab, 0), placement(&lab, 4)), (json!([FIRST, SECOND]), json!([SECOND])));
}

#[test]
fn pods_with_addresses_of_their_own_are_admitted() {
    let lab = own_lab();
    let prepare = || {
        reset(&lab);
        ec2(&lab, &json!({"Action": "AssociateVpcCidrBlock", "VpcId": VPC_ID, "CidrBlock": "100.64.0.0/16"}));
        let subnet = new_subnet(&lab, "us-east-1a", "100.64.0.0/18");
        (subnet, new_group(&lab, "pods"))
    };
    // The CNI's interfaces show the subnet of the pods, even if nothing else does.
    let (pods, group) = prepare();
    let node = json!({"subnets": [FIRST, pods], "groups": [CLUSTER_GROUP, group]});
    aws(&lab, "instances", &json!([node, node]));
    let seen = plan(&lab, 0, &[]);
    assert_subnets(&seen, &[(FIRST, "2 nodes", "add"), (&pods, "pods: interfaces of nodes", "notPlanned")]);

    define_custom_resource(&lab, "crd.k8s.amazonaws.com", "eniconfigs", "ENIConfig", "Cluster");
    let (pods, group) = prepare();
    apply(
        &lab,
        &json!({"apiVersion": "crd.k8s.amazonaws.com/v1alpha1", "kind": "ENIConfig", "metadata": {"name": "us-east-1a"},
            "spec": {"subnet": pods, "securityGroups": [group]}}),
    );
    let planned = plan(&lab, 0, &[]);
    assert_subnets(
        &planned,
        &[
            (FIRST, "1 node", "add"),
            (SECOND, "1 node", "add"),
            (&pods, "pods: ENIConfig us-east-1a", "notPlanned"),
        ],
    );
    let mut groups = [CLUSTER_GROUP, group.as_str()];
    groups.sort_unstable();
    let peers = groups.map(|group| json!({"group": group}));
    assert_eq!(actions(&planned, "authorizeIngress")[0]["peers"], json!(peers));
    assert_creates(&lab, 0, &[], &EVERYTHING);
    assert_eq!(placement(&lab, 0), json!([FIRST, SECOND]));
    assert_private(&lab, &ALL);
}

#[test]
fn node_classes_and_fargate_profiles_name_subnets() {
    let lab = own_lab();
    reset(&lab);
    let third = new_subnet(&lab, "us-east-1b", "10.0.3.0/24");
    define_custom_resource(&lab, "eks.amazonaws.com", "nodeclasses", "NodeClass", "Cluster");
    apply(
        &lab,
        &json!({"apiVersion": "eks.amazonaws.com/v1alpha1", "kind": "NodeClass", "metadata": {"name": "default"},
            "status": {"subnets": [{"id": third, "zone": "us-east-1b"}], "securityGroups": [{"id": CLUSTER_GROUP}]}}),
    );
    aws(&lab, "eks", &json!({"auto_mode": true}));
    let node = json!({"subnets": [FIRST], "groups": [CLUSTER_GROUP]});
    aws(&lab, "instances", &json!([node, node]));
    let auto = plan(&lab, 0, &[]);
    assert_subnets(&auto, &[(FIRST, "2 nodes", "add"), (&third, "NodeClass default", "add")]);
    assert_note(&auto, "EKS Auto Mode chooses subnets by its node classes");
    assert_creates(&lab, 0, &[], &EVERYTHING);
    assert_eq!(placement(&lab, 0), json!([FIRST, third]));
    assert_private(&lab, &ALL);

    // On Fargate, each pod has a node of its own, without an instance.
    reset(&lab);
    kubectl(&lab, &["delete", "nodeclasses.eks.amazonaws.com", "default"]);
    kubectl(&lab, &["delete", "nodes", "--all", "--wait=false"]);
    apply(
        &lab,
        &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fargate-ip-10-0-2-77.ec2.internal",
                "labels": {"topology.kubernetes.io/region": REGION}},
            "spec": {"providerID": "aws:///us-east-1b/0123456789-abcdef/fargate-ip-10-0-2-77.ec2.internal"},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.2.77"}]}}),
    );
    aws(&lab, "eks", &json!({"fargate_profiles": {"default": [SECOND]}}));
    let fargate = plan(&lab, 0, &[]);
    assert_subnets(&fargate, &[(SECOND, "Fargate profile default", "add")]);
    assert_note(&fargate, "the cluster runs on Fargate only");
    // EKS attaches its security group to the pods.
    assert_eq!(actions(&fargate, "authorizeIngress")[0]["peers"], json!([{"group": CLUSTER_GROUP}]));
    assert_creates(&lab, 0, &[], &EVERYTHING);
    assert_eq!(placement(&lab, 0), json!([SECOND]));
    assert_private(&lab, &ALL);
}
