//! Subnets with IPv6.

use super::*;

/// Gives the VPC and both subnets blocks of IPv6.
fn add_ipv6(lab: &Lab) {
    let of_vpc =
        json!({"Action": "AssociateVpcCidrBlock", "VpcId": VPC_ID, "AmazonProvidedIpv6CidrBlock": "true"});
    let block = text_of(&ec2(lab, &of_vpc), "ipv6CidrBlock");
    let prefix = block.split("00::").next().unwrap();
    for (number, subnet) in [FIRST, SECOND].into_iter().enumerate() {
        let block = format!("{prefix}0{number}::/64");
        ec2(lab, &json!({"Action": "AssociateSubnetCidrBlock", "SubnetId": subnet, "Ipv6CidrBlock": block}));
    }
}

fn address_types(lab: &Lab) -> Vec<Value> {
    let mut types: Vec<_> = endpoints(lab).into_iter().map(|endpoint| endpoint["ip_type"].clone()).collect();
    types.dedup();
    types
}

#[test]
fn endpoints_have_the_addresses_that_cluster_and_services_have() {
    let lab = own_lab();
    let both = json!({"*": {"ip_types": ["ipv4", "ipv6"]}});
    for (family, services, expected) in
        [("ipv4", &both, "ipv4"), ("ipv6", &json!({}), "ipv4"), ("ipv6", &both, "dualstack")]
    {
        reset(&lab);
        add_ipv6(&lab);
        aws(&lab, "eks", &json!({"ip_family": family}));
        aws(&lab, "services", services);
        let plan = plan(&lab, 0, &[]);
        assert_eq!(changes(&plan), [("create", CAST_AI.to_vec())].into());
        assert_eq!(plan["subnets"][1]["cidrs"].as_array().unwrap().len(), 2, "{plan:#}");
        assert_creates(&lab, 0, &[], &EVERYTHING);
        assert_eq!(address_types(&lab), [expected], "{family} {services}");
        assert_private(&lab, &ALL);
    }
}

#[test]
fn nodes_with_only_ipv6_need_services_with_ipv6() {
    let lab = own_lab();
    let nodes = [FIRST, SECOND].map(|subnet| json!({"subnets": [subnet], "groups": [CLUSTER_GROUP]}));
    let prepare = |only_ipv6: &[&str], ip_types: &[&str]| {
        reset(&lab);
        add_ipv6(&lab);
        let texts: BTreeMap<_, _> = only_ipv6.iter().map(|id| (*id, json!({"cidrBlock": null}))).collect();
        aws(&lab, "texts", &json!(texts));
        aws(&lab, "instances", &json!(nodes));
        aws(&lab, "services", &json!({"*": {"ip_types": ip_types}}));
    };
    prepare(&[FIRST, SECOND], &["ipv4"]);
    let blocked = plan(&lab, 1, &[]);
    assert_eq!(changes(&blocked), [("blocked", CAST_AI.to_vec())].into());
    assert_problem(
        &blocked,
        "nodes have only IPv6 addresses in us-east-1a, us-east-1b, and its endpoint has only IPv4",
        "use subnets with IPv4 addresses for the nodes, or ask Cast AI to support IPv6",
    );
    assert_creates(&lab, 1, &[], &["CreateTags"]);
    assert_private(&lab, &[]);

    prepare(&[FIRST, SECOND], &["ipv4", "ipv6"]);
    assert_creates(&lab, 0, &[], &EVERYTHING);
    assert_eq!(address_types(&lab), ["ipv6"]);
    assert_private(&lab, &ALL);

    // Nodes of one zone have IPv4 addresses: EC2 would refuse the other subnet.
    for (ip_types, expected, reached) in
        [(&["ipv4"][..], "ipv4", "by IPv4 only"), (&["ipv4", "ipv6"], "dualstack", "in another zone")]
    {
        prepare(&[SECOND], ip_types);
        let mixed = plan(&lab, 0, &[]);
        let reason = format!("nodes have only IPv6 addresses in us-east-1b: reached {reached}");
        assert_eq!(mixed["endpoints"][0]["reasons"], json!([reason]));
        assert_creates(&lab, 0, &[], &EVERYTHING);
        assert_eq!((address_types(&lab), placement(&lab, 0)), (vec![json!(expected)], json!([FIRST])));
    }
}
