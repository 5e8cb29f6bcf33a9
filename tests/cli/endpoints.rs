//! VPC endpoints, against EC2, EKS and Route 53.

mod aws_cli;
mod create;
mod failures;
mod interrupted;
mod list;
mod terraform;
mod topologies;

use std::collections::BTreeSet;

use lab::address::{REGION, VPC_ID};
use lab::aws::{CLUSTER_GROUP, FILES_HOST, SUBNETS, cast_ai_services};
use serde_json::{Value, json};

use crate::harness::{
    QUICK, assert_stderr_contains, grant_access, own_lab, parse_json, plugin, snapshot_document,
    snapshot_in_pipe, snapshot_on_terminals,
};

/// The plan as JSON.
fn plan(lab: &lab::host::Lab, code: i32, flags: &[&str]) -> Value {
    parse_json(&plugin(lab, code, &[&["endpoints", "plan", "-o", "json"], QUICK, flags].concat()))
}

fn aws(lab: &lab::host::Lab, path: &str, value: &Value) {
    lab.control().put(&format!("/aws/{path}"), value).unwrap();
}

#[test]
fn a_plan_names_everything_that_a_new_vpc_lacks() {
    let lab = own_lab();
    let plan = plan(&lab, 0, &[]);
    assert_eq!((&plan["vpc"], &plan["cluster"]), (&json!(VPC_ID), &json!("demo")));
    let [first, second] = SUBNETS.map(|(id, ..)| id);
    let subnets = plan["subnets"].as_array().unwrap();
    assert_eq!(subnets.iter().map(|subnet| &subnet["id"]).collect::<Vec<_>>(), [first, second]);
    let created: Vec<_> = plan["actions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|action| action["type"] == "createEndpoint")
        .map(|action| action["serviceName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(created, cast_ai_services().into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert_eq!(plan["actions"][1]["peers"], json!([{"group": CLUSTER_GROUP}]));
    // Only EC2 knows this host.
    assert_eq!(plan["endpoints"][3]["hosts"], json!([FILES_HOST]));
    assert_eq!(plan["problems"], json!([]));
    snapshot_in_pipe(&lab, "endpoints-plan", 0, &["endpoints", "plan"]);
    snapshot_on_terminals(&lab, "endpoints-plan", &["endpoints", "plan", "--with-aws-endpoints"], "");
    snapshot_document(&lab, "endpoints-plan", 0, &["endpoints", "plan"]);
    // Nothing was changed: every request only described.
    let requests: Vec<Value> = lab.control().get("/aws/requests").unwrap();
    let actions = requests.iter().map(|request| request["action"].as_str().unwrap().to_owned());
    let actions: BTreeSet<_> = actions.filter(|action| action != "GetCallerIdentity").collect();
    assert!(actions.iter().all(|action| action.starts_with("Describe")), "{actions:?}");
    // The printed policy has exactly these.
    let mut allowed = allowed(&lab, &["--read-only"]);
    allowed.remove("DescribeSecurityGroupRules"); // for `endpoints terraform`
    assert_eq!(actions, allowed);
}

/// EC2's actions in the policy that is printed.
fn allowed(lab: &lab::host::Lab, flags: &[&str]) -> BTreeSet<String> {
    let policy = parse_json(&plugin(lab, 0, &[&["permissions", "iam", "--for=endpoints"], flags].concat()));
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.filter_map(|action| action.as_str().unwrap().strip_prefix("ec2:").map(str::to_owned)).collect()
}

#[test]
fn without_a_cluster_vpc_and_subnets_are_enough() {
    let lab = own_lab();
    let region = format!("--region={REGION}");
    let place = [&region, "--vpc", VPC_ID, "--subnet", SUBNETS[0].0, "--kubeconfig=gone"];
    let plan = plan(&lab, 0, &place);
    assert_eq!(plan["subnets"][0]["reasons"], json!(["--subnet"]));
    assert_eq!(plan["actions"][1]["peers"], json!([{"cidr": "10.0.1.0/24"}]));
    let missing = [&["endpoints", "plan", "--kubeconfig=gone"], &place[..3]].concat();
    assert_stderr_contains(&plugin(&lab, 2, &missing), &["name the subnets of its nodes with --subnet"]);
    let absent = ["endpoints", "plan", &region, "--vpc=vpc-0123", "--subnet=subnet-1"];
    assert_stderr_contains(&plugin(&lab, 2, &absent), &["there is no vpc-0123 in us-east-1 of this account"]);
    let foreign = ["endpoints", "plan", &region, "--vpc", VPC_ID, "--subnet", "subnet-0123"];
    assert_stderr_contains(&plugin(&lab, 2, &foreign), &["subnet-0123 is no subnet of"]);
    for (flags, words) in [
        (&["--endpoint-subnet", "subnet-0123"][..], "subnet-0123 is no subnet of"),
        (&["--tag=a=1", "--tag=a=2"], "--tag names a twice"),
        (&["--tag=aws:x=y"], "are not the user's"),
        (&["--with-aws-endpoints", "--aws-endpoint=com.amazonaws.us-east-1.eks"], "short name of a service"),
    ] {
        let wrong = plugin(&lab, 2, &[&["endpoints", "plan"], &place[..], flags].concat());
        assert_stderr_contains(&wrong, &[words]);
    }
    let elsewhere = ["endpoints", "plan", "--region=eu-west-1", "--vpc", VPC_ID, "--subnet", SUBNETS[0].0];
    plugin(&lab, 2, &[&elsewhere[..], QUICK].concat());
}

#[test]
fn names_of_a_hub_and_denied_requests_are_explained() {
    let lab = own_lab();
    aws(&lab, "zones", &json!([{"id": "Z0HUB", "name": "api.cast.ai", "owner": "999999999999"}]));
    let hub = plan(&lab, 0, &[]);
    assert_eq!(hub["endpoints"][0]["change"], "elsewhere");
    assert!(hub["endpoints"][0]["reasons"][0].as_str().unwrap().contains("Z0HUB"), "{hub:#}");
    assert_eq!(hub["endpoints"][1]["change"], "create");
    // An unknown service does not hide the others.
    let unknown = plan(&lab, 0, &["--service=files=com.amazonaws.vpce.us-east-1.vpce-svc-0unknown"]);
    assert_eq!(unknown["endpoints"][3]["change"], "create");
    let notes = unknown["notes"].to_string();
    assert!(
        notes.contains("EC2 does not describe files (com.amazonaws.vpce.us-east-1.vpce-svc-0unknown)"),
        "{notes}"
    );
    assert!(
        notes.contains("rest-api: no endpoint is planned, because the private hosted zone api.cast.ai"),
        "{notes}"
    );

    aws(
        &lab,
        "faults",
        &json!([{"service": "ec2", "action": "DescribeVpcEndpoints", "fault": "access-denied"}]),
    );
    let denied = plugin(&lab, 2, &[&["endpoints", "plan"], QUICK].concat());
    assert_stderr_contains(
        &denied,
        &["error: access denied for ec2:DescribeVpcEndpoints", "no identity-based policy"],
    );
    // What could not be read is noted by `create`, too, also if nothing is left to do.
    aws(
        &lab,
        "faults",
        &json!([{"service": "ec2", "action": "DescribeInstances", "fault": "access-denied"}]),
    );
    let create = [&["endpoints", "create", "--yes"], QUICK].concat();
    let unread =
        "note: the instances of the nodes could not be read: access denied for ec2:DescribeInstances";
    let blocks = "note: EC2 describes no instance of 2 of 2 nodes: the blocks of their subnets are admitted";
    for last in ["done: ", "as far as is known: see the notes above"] {
        assert_stderr_contains(&plugin(&lab, 0, &create), &[unread, blocks, last]);
    }
    let denied = json!([{"service": "ec2", "action": "DescribeVpcAttribute", "fault": "access-denied"}]);
    aws(&lab, "faults", &denied);
    let attribute =
        "whether private DNS is possible is not known: access denied for ec2:DescribeVpcAttribute";
    assert_stderr_contains(&plugin(&lab, 0, &create), &[attribute]);
    // Without a look at the nodes, no subnet is certain.
    aws(&lab, "faults", &json!([]));
    let kubeconfig = grant_access(&lab, "viewer", "get,list", "pods");
    let blind = plugin(&lab, 1, &[&["endpoints", "plan", &kubeconfig], QUICK].concat());
    assert_stderr_contains(
        &blind,
        &["the subnets of the nodes are not known: cannot list nodes:", "permissions rbac"],
    );
    // Throttling is retried.
    let throttled =
        json!([{"service": "ec2", "action": "DescribeSubnets", "times": 1, "fault": "throttling"}]);
    aws(&lab, "faults", &throttled);
    plan(&lab, 0, &[]);
    aws(&lab, "faults", &json!([{"service": "ec2", "action": "DescribeSubnets", "fault": "throttling"}]));
    let throttled = plugin(&lab, 2, &[&["endpoints", "plan"], QUICK].concat());
    assert_stderr_contains(&throttled, &["ec2:DescribeSubnets is still throttled"]);
    aws(&lab, "faults", &json!([{"service": "ec2", "fault": "expired-token"}]));
    assert_stderr_contains(&plugin(&lab, 2, &[&["endpoints", "plan"], QUICK].concat()), &["have expired"]);
}
