//! `endpoints create` and `endpoints delete`: from nothing, again, after damage, at the same time, and interrupted.

use std::collections::BTreeSet;

use lab::address::{REGION, VPC_ID};
use lab::aws::{CLUSTER_GROUP, FILES_HOST, SUBNETS, cast_ai_services};
use lab::host::{Lab, Output};
use serde_json::{Value, json};

use super::{allowed, aws};
use crate::harness::{QUICK, assert_stderr_contains, own_lab, plugin, snapshot_document, snapshot_in_pipe};

pub(super) const CREATE: [&str; 3] = ["endpoints", "create", "--yes"];
pub(super) const DELETE: [&str; 3] = ["endpoints", "delete", "--yes"];

pub(super) fn run(lab: &Lab, code: i32, command: &[&str], flags: &[&str]) -> Output {
    plugin(lab, code, &[command, QUICK, flags].concat())
}

/// The endpoints of the VPC.
pub(super) fn endpoints(lab: &Lab) -> Vec<Value> {
    lab.control().get("/aws/endpoints").unwrap()
}

/// EC2's response to a request that is neither recorded nor refused by a fault.
pub(super) fn ec2(lab: &Lab, request: &Value) -> String {
    String::from_utf8(lab.control().post("/aws/ec2", request).unwrap()).unwrap()
}

/// What EC2 holds of ours, without identifiers that differ between runs.
pub(super) fn state(lab: &Lab) -> Value {
    let has_ours =
        |endpoint: &Value| endpoint["groups"].as_array().unwrap().iter().any(|group| *group != CLUSTER_GROUP);
    let endpoints: Vec<_> = endpoints(lab)
        .into_iter()
        .map(|endpoint| {
            let ours = has_ours(&endpoint);
            json!([
                endpoint["service"],
                endpoint["state"],
                endpoint["private_dns"],
                endpoint["subnets"],
                ours
            ])
        })
        .collect();
    let subnets = ec2(lab, &json!({"Action": "DescribeSubnets"}));
    let groups = ec2(lab, &json!({"Action": "DescribeSecurityGroups"}));
    let rules = groups.matches("<fromPort>443</fromPort>").count();
    let groups = groups.matches("castai-privatelink-endpoints</groupName>").count();
    json!([endpoints, subnets.matches("cast.ai/routable<").count(), groups, rules])
}

/// EC2's actions that a run has called, without those that only read.
pub(super) fn writes(lab: &Lab) -> Vec<String> {
    let requests: Vec<Value> = lab.control().get("/aws/requests").unwrap();
    let actions = requests.iter().map(|request| request["action"].as_str().unwrap().to_owned());
    actions.filter(|action| !action.starts_with("Describe") && action != "GetCallerIdentity").collect()
}

/// EC2's actions that were called.
pub(super) fn actions(lab: &Lab) -> BTreeSet<String> {
    let requests: Vec<Value> = lab.control().get("/aws/requests").unwrap();
    requests.iter().map(|request| request["action"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn forget_requests(lab: &Lab) {
    lab.control().delete("/aws/requests").unwrap();
}

pub(super) fn resolved(lab: &Lab, host: &str) -> Option<String> {
    let output = lab.run("getent", &["ahostsv4", host]).unwrap();
    output.stdout.split_whitespace().next().map(str::to_owned)
}

#[test]
fn a_new_vpc_gets_everything_once_and_delete_removes_exactly_that() {
    let lab = own_lab();
    aws(&lab, "dns-follows", &json!(true));
    let before = state(&lab);
    snapshot_in_pipe(&lab, "endpoints-create-dry-run", 0, &["endpoints", "create", "--dry-run"]);
    assert_eq!(state(&lab), before, "a dry run changes nothing");
    assert_stderr_contains(&run(&lab, 2, &CREATE[..2], &[]), &["is not a terminal: pass --yes to confirm"]);
    snapshot_in_pipe(&lab, "endpoints-create", 0, &CREATE);
    let hosts = cast_ai_services().into_iter().map(|(_, host)| host);
    for host in hosts.chain([FILES_HOST.to_owned()]) {
        assert!(resolved(&lab, &host).is_some_and(|address| address.starts_with("10.")), "{host}");
    }
    let created = state(&lab);
    let expected: Vec<_> = cast_ai_services()
        .into_iter()
        .map(|(name, _)| json!([name, "available", true, SUBNETS.map(|(id, ..)| id), true]))
        .collect();
    assert_eq!(created, json!([expected, 2, 1, 1]));

    let mut called = actions(&lab);
    forget_requests(&lab);
    let again = run(&lab, 0, &CREATE, &[]);
    assert_stderr_contains(&again, &["up to date: "]);
    assert_eq!(writes(&lab), Vec::<String>::new(), "nothing is written again");
    assert_eq!(state(&lab), created);
    snapshot_document(&lab, "endpoints-create-again", 0, &CREATE);

    snapshot_in_pipe(&lab, "endpoints-delete", 0, &DELETE);
    assert_eq!(state(&lab), before);
    assert_stderr_contains(&run(&lab, 0, &DELETE, &[]), &["nothing to delete: "]);
    // The printed policy has exactly the actions that were called.
    called.append(&mut actions(&lab));
    called.remove("GetCallerIdentity");
    // Other runs modify endpoints; attributes are for --enable-vpc-dns, and rules for `endpoints terraform`.
    called
        .extend(["DescribeSecurityGroupRules", "ModifyVpcAttribute", "ModifyVpcEndpoint"].map(str::to_owned));
    assert_eq!(called, allowed(&lab, &[]));
}

/// What breaks something, and EC2's actions that repair it.
type Break<'a> = (&'a dyn Fn(), &'a [&'a str]);

#[test]
fn what_was_broken_by_hand_is_fixed_and_nothing_else_is_touched() {
    let lab = own_lab();
    run(&lab, 0, &CREATE, &[]);
    let good = state(&lab);
    let first = endpoints(&lab).swap_remove(0);
    let id = first["id"].as_str().unwrap().to_owned();
    let groups = first["groups"].clone();
    let group = groups[0].as_str().unwrap();
    let endpoint = |change: Value| {
        lab.control().put(&format!("/aws/endpoints/{id}"), &change).unwrap();
    };
    let cases: [Break; 6] = [
        (&|| endpoint(json!({"private_dns": false})), &["ModifyVpcEndpoint"]),
        (&|| endpoint(json!({"subnets": [SUBNETS[0].0]})), &["ModifyVpcEndpoint"]),
        (&|| endpoint(json!({"groups": [CLUSTER_GROUP]})), &["ModifyVpcEndpoint"]),
        (
            &|| {
                ec2(
                    &lab,
                    &json!({"Action": "RevokeSecurityGroupIngress", "GroupId": group,
                        "IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.FromPort": "443",
                        "IpPermissions.1.ToPort": "443", "IpPermissions.1.Groups.1.GroupId": CLUSTER_GROUP}),
                );
            },
            &["AuthorizeSecurityGroupIngress"],
        ),
        (
            &|| {
                ec2(
                    &lab,
                    &json!({"Action": "DeleteTags", "ResourceId.1": SUBNETS[0].0, "Tag.1.Key": "cast.ai/routable"}),
                );
            },
            &["CreateTags"],
        ),
        (
            &|| {
                ec2(&lab, &json!({"Action": "DeleteVpcEndpoints", "VpcEndpointId.1": id}));
            },
            &["CreateVpcEndpoint"],
        ),
    ];
    for (number, (damage, expected)) in cases.into_iter().enumerate() {
        damage();
        assert_ne!(state(&lab), good, "case {number} breaks something");
        forget_requests(&lab);
        run(&lab, 0, &CREATE, &[]);
        assert_eq!(writes(&lab), expected, "case {number}");
        // A new endpoint is listed last.
        let sorted = |state: &Value| {
            let mut lines: Vec<_> = state[0].as_array().unwrap().iter().map(Value::to_string).collect();
            lines.sort();
            (lines, state[1].clone(), state[2].clone(), state[3].clone())
        };
        assert_eq!(sorted(&state(&lab)), sorted(&good), "case {number}");
    }
}

#[test]
fn two_runs_at_the_same_time_and_lost_responses_end_in_one_state() {
    let lab = own_lab();
    let runs = std::thread::scope(|scope| {
        let runs = [0, 1].map(|_| scope.spawn(|| run(&lab, 0, &CREATE, &[])));
        runs.map(|run| run.join().unwrap())
    });
    let services: BTreeSet<_> =
        endpoints(&lab).iter().map(|endpoint| endpoint["service"].to_string()).collect();
    assert_eq!((endpoints(&lab).len(), services.len()), (6, 6), "{runs:?}");
    let one = state(&lab);
    run(&lab, 0, &DELETE, &[]);
    // EC2 does the work and the response is lost: the request is sent again with its token.
    let lost =
        |action: &str| json!([{"service": "ec2", "action": action, "times": 1, "fault": "response-lost"}]);
    for action in ["CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "CreateVpcEndpoint", "CreateTags"]
    {
        aws(&lab, "faults", &lost(action));
        run(&lab, 0, &CREATE, &[]);
        assert_eq!(state(&lab), one, "{action}");
        run(&lab, 0, &DELETE, &[]);
    }
    for action in ["DeleteVpcEndpoints", "DeleteSecurityGroup", "DeleteTags"] {
        run(&lab, 0, &CREATE, &[]);
        aws(&lab, "faults", &lost(action));
        run(&lab, 0, &DELETE, &[]);
        assert_eq!(endpoints(&lab), Vec::<Value>::new(), "{action}");
    }
}

#[test]
fn a_partial_failure_names_what_was_made_and_the_next_run_finishes_it() {
    let lab = own_lab();
    let quota = json!([{"service": "ec2", "action": "CreateVpcEndpoint", "times": 1, "fault": "error",
        "status": 400, "code": "VpcEndpointLimitExceeded", "message": "The maximum number of VPC endpoints has been reached."}]);
    aws(&lab, "faults", &quota);
    let partial = run(&lab, 1, &CREATE, &["--wait=false"]);
    assert!(partial.stdout.contains("endpoint kvisor created (vpce-"), "{}", partial.stdout);
    assert_stderr_contains(
        &partial,
        &["error: cannot create endpoint rest-api", "Service Quotas", "incomplete: "],
    );
    assert_stderr_contains(&run(&lab, 0, &CREATE, &[]), &["done: "]);
    run(&lab, 0, &DELETE, &[]);

    // A missing right is named with the action and the object; nothing that depends on it is tried.
    aws(
        &lab,
        "faults",
        &json!([{"service": "ec2", "action": "CreateSecurityGroup", "fault": "access-denied"}]),
    );
    let denied = run(&lab, 1, &CREATE, &[]);
    assert_stderr_contains(
        &denied,
        &["access denied for ec2:CreateSecurityGroup on castai-privatelink-endpoints", "was not created"],
    );
    assert_eq!(endpoints(&lab), Vec::<Value>::new());
    aws(&lab, "faults", &json!([]));

    // What EC2 reports of an endpoint that is not available is explained.
    aws(
        &lab,
        "endpoint-states",
        &json!({"rest-api": "pendingAcceptance", "kvisor": "rejected", "telemetry": "failed"}),
    );
    let stuck = run(&lab, 1, &CREATE, &[]);
    assert_stderr_contains(
        &stuck,
        &["waits for acceptance by Cast AI", "Cast AI rejected vpce-", "failed", "problems left"],
    );
    aws(&lab, "endpoint-states", &json!({"grpc-pod-pinner": "pending"}));
    let late = run(&lab, 1, &CREATE, &["--timeout=1s"]);
    assert_stderr_contains(&late, &["incomplete: ", "still not available or deleted: grpc-pod-pinner"]);
}

#[test]
fn delete_keeps_what_it_did_not_make() {
    let lab = own_lab();
    let region = format!("--region={REGION}");
    let request = json!({"Action": "CreateVpcEndpoint", "VpcId": VPC_ID, "VpcEndpointType": "Interface",
        "ServiceName": cast_ai_services()[0].0, "SubnetId.1": SUBNETS[0].0, "SecurityGroupId.1": CLUSTER_GROUP});
    ec2(&lab, &request);
    ec2(
        &lab,
        &json!({"Action": "CreateTags", "ResourceId.1": SUBNETS[1].0, "Tag.1.Key": "cast.ai/routable", "Tag.1.Value": "true"}),
    );
    let before = state(&lab);
    let theirs = endpoints(&lab);
    run(&lab, 0, &CREATE, &[]);
    assert_eq!(endpoints(&lab)[0]["id"], theirs[0]["id"], "it is adopted");
    run(&lab, 0, &DELETE, &[&region, "--vpc", VPC_ID, "--kubeconfig=gone"]);
    let left = endpoints(&lab);
    assert_eq!((left.len(), &left[0]["id"], &left[0]["groups"]), (1, &theirs[0]["id"], &theirs[0]["groups"]));
    // The zone that was added to it stays: nothing is narrowed.
    assert_eq!(state(&lab)[1], before[1], "their tag stays");
}
