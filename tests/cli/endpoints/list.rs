//! `endpoints list`: without a VPC it sends nothing; with one it lists what exists and what is missing.

use std::collections::BTreeMap;

use lab::address::{REGION, VPC_ID};
use lab::aws::{CLUSTER_GROUP, SUBNETS, cast_ai_services};
use serde_json::{Value, json};

use super::create::{CREATE, actions, ec2, endpoints, forget_requests, run};
use super::{allowed, aws, plan};
use crate::harness::{
    QUICK, assert_stderr_contains, own_lab, parse_json, plugin, snapshot_document, snapshot_in_pipe,
    snapshot_on_terminals, write_file,
};

const LIST: [&str; 3] = ["endpoints", "list", "--in-vpc"];

#[test]
fn what_exists_in_the_vpc_is_listed_with_what_is_missing() {
    let lab = own_lab();
    snapshot_in_pipe(&lab, "endpoints-in-empty-vpc", 0, &LIST);
    // It reads what `plan` reads, and nothing else.
    let mut read = actions(&lab);
    read.remove("GetCallerIdentity");
    let mut may_read = allowed(&lab, &["--read-only"]);
    may_read.remove("DescribeSecurityGroupRules"); // for `endpoints terraform`
    assert_eq!(read, may_read);

    run(&lab, 0, &CREATE, &["--with-aws-endpoints"]);
    let complete = run(&lab, 0, &LIST, &["--with-aws-endpoints"]);
    assert_stderr_contains(&complete, &["11 of 11 services are complete", "castai-privatelink preflight"]);
    // By hand: private DNS off, a subnet less, an endpoint gone, a second one, and one that waits.
    let all = endpoints(&lab);
    let of = |service: usize| {
        let name = cast_ai_services()[service].0.clone();
        let found = all.iter().find(|endpoint| endpoint["service"] == json!(name)).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let change = |id: &str, change: Value| {
        lab.control().put(&format!("/aws/endpoints/{id}"), &change).unwrap();
    };
    // The identifier of our group differs between runs.
    ec2(
        &lab,
        &json!({"Action": "AuthorizeSecurityGroupIngress", "GroupId": CLUSTER_GROUP,
            "IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.FromPort": "443",
            "IpPermissions.1.ToPort": "443", "IpPermissions.1.Groups.1.GroupId": CLUSTER_GROUP}),
    );
    for endpoint in all.iter().filter(|endpoint| endpoint["groups"] != json!([])) {
        change(endpoint["id"].as_str().unwrap(), json!({"groups": [CLUSTER_GROUP]}));
    }
    change(&of(0), json!({"private_dns": false, "subnets": [SUBNETS[0].0]}));
    ec2(&lab, &json!({"Action": "DeleteVpcEndpoints", "VpcEndpointId.1": of(1)}));
    change(&of(2), json!({"state": "pendingAcceptance"}));
    ec2(
        &lab,
        &json!({"Action": "CreateVpcEndpoint", "VpcId": VPC_ID, "VpcEndpointType": "Interface",
            "ServiceName": cast_ai_services()[5].0, "SubnetId.1": SUBNETS[1].0, "SecurityGroupId.1": CLUSTER_GROUP,
            "PrivateDnsEnabled": "false"}),
    );
    let second = endpoints(&lab).pop().unwrap();
    change(second["id"].as_str().unwrap(), json!({"state": "available"}));
    snapshot_in_pipe(&lab, "endpoints-in-vpc", 1, &LIST);
    snapshot_on_terminals(&lab, "endpoints-in-vpc", &[&LIST[..], &["--with-aws-endpoints"]].concat(), "");
    snapshot_document(&lab, "endpoints-in-vpc", 1, &LIST);
}

#[test]
fn without_a_vpc_nothing_is_requested() {
    let lab = own_lab();
    forget_requests(&lab);
    let offline = ["endpoints", "list", "--kubeconfig=gone"];
    plugin(&lab, 0, &offline);
    assert!(actions(&lab).is_empty());
    // A flag that only a VPC gives a meaning is not ignored.
    let refused = plugin(&lab, 2, &[&offline[..], &["--with-aws-endpoints"]].concat());
    assert_stderr_contains(&refused, &["--in-vpc", "--vpc"]);

    let region = format!("--region={REGION}");
    let flags = [&region, "--vpc", VPC_ID, "--subnet", SUBNETS[0].0, "-o", "json"];
    let list = parse_json(&plugin(&lab, 0, &[&offline[..], &flags, QUICK].concat()));
    assert_eq!((&list["vpc"], &list["services"][0]["status"]), (&json!(VPC_ID), &json!("missing")));
    assert_eq!(list["cluster"], Value::Null);

    // What could not be read is never complete.
    aws(
        &lab,
        "faults",
        &json!([{"service": "ec2", "action": "DescribeVpcAttribute", "fault": "access-denied"}]),
    );
    run(&lab, 0, &CREATE, &[]);
    let blind = run(&lab, 1, &LIST, &[]);
    assert_stderr_contains(&blind, &["0 of 6 services are complete", "6 unknown"]);
    assert!(blind.stdout.contains("unknown without enableDnsSupport of vpc-"), "{}", blind.stdout);
}

#[test]
fn services_of_a_file_are_used_and_the_flag_wins() {
    let lab = own_lab();
    let names = |flags: &[&str]| {
        let plan = plan(&lab, 0, flags);
        let planned = plan["endpoints"].as_array().unwrap().iter();
        planned
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["serviceName"].clone()))
            .collect::<BTreeMap<_, _>>()
    };
    write_file(
        &lab,
        "services.yaml",
        "# of Cast AI\nkvisor: com.amazonaws.vpce.a\nnew: com.amazonaws.vpce.b\n",
    );
    let planned = names(&["--service-file=services.yaml", "--service=kvisor=com.amazonaws.vpce.c"]);
    assert_eq!(planned.len(), 7);
    assert_eq!(
        (&planned["kvisor"], &planned["new"]),
        (&json!("com.amazonaws.vpce.c"), &json!("com.amazonaws.vpce.b"))
    );
    let list = parse_json(&run(&lab, 0, &LIST, &["--service-file=services.yaml", "-o", "json"]));
    assert_eq!(list["services"][6]["neededBy"], "--service-file");

    let script = "echo '{\"new\": \"com.amazonaws.vpce.b\"}' | kubectl castai-privatelink endpoints plan --service-file - -o json";
    let piped = lab.run("sh", &["-c", script]).unwrap();
    assert!(piped.stdout.contains("com.amazonaws.vpce.b"), "{}", piped.stderr);

    forget_requests(&lab);
    for (text, parts) in [
        (
            "kvisor: com.a\nnew: b\n",
            &["error: --service-file services.yaml: line 2: expected NAME: SERVICE", "found new: b"][..],
        ),
        ("kvisor: com.a\nkvisor: com.b\n", &["line 2: kvisor is named twice"]),
        (
            &"#".repeat(70_000),
            &["error: reading --service-file services.yaml: it is larger than 65536 bytes"],
        ),
    ] {
        write_file(&lab, "services.yaml", text);
        let refused = plugin(&lab, 2, &["endpoints", "plan", "--service-file=services.yaml"]);
        assert_stderr_contains(&refused, parts);
    }
    assert_stderr_contains(
        &plugin(&lab, 2, &["endpoints", "plan", "--service-file=gone"]),
        &["error: reading --service-file gone: "],
    );
    assert!(actions(&lab).is_empty(), "nothing is requested with a wrong file");
}
