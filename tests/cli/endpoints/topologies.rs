//! The VPCs that people have ("My VPC looks like this" in docs/endpoints.md): the plan, what `create` makes of it, and that
//! a second run writes nothing.

mod addresses;
mod scale;
mod services;
mod subnets;
mod vpcs;

use std::collections::BTreeMap;

use lab::address::{REGION, VPC_ID};
use lab::aws::{CLUSTER_GROUP, SUBNETS, cast_ai_services};
use lab::dns::Behaviour;
use lab::host::{Lab, Output};
use serde_json::{Value, json};

use super::create::{CREATE, DELETE, ec2, endpoints, forget_requests, resolved, run, writes};
use super::{aws, plan};
use crate::harness::{assert_stderr_contains, own_lab};

/// What `create` calls for a VPC without endpoints.
const EVERYTHING: [&str; 9] = [
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "CreateVpcEndpoint",
    "CreateVpcEndpoint",
    "CreateVpcEndpoint",
    "CreateVpcEndpoint",
    "CreateVpcEndpoint",
    "CreateVpcEndpoint",
    "CreateTags",
];

const FIRST: &str = SUBNETS[0].0;
const SECOND: &str = SUBNETS[1].0;

/// Brings AWS into its first state, in which Cast AI's names are public until endpoints have them.
fn reset(lab: &Lab) {
    lab.control().post("/aws/reset", &Value::Null).unwrap();
    aws(lab, "dns-follows", &json!(true));
    forget_requests(lab);
}

/// Runs `create`, asserts which requests changed something and that a second run sends none, and returns the first output.
#[track_caller]
fn assert_creates(lab: &Lab, code: i32, flags: &[&str], expected: &[&str]) -> Output {
    forget_requests(lab);
    let output = run(lab, code, &CREATE, flags);
    assert_eq!(writes(lab), expected, "{}\n{}", output.stdout, output.stderr);
    forget_requests(lab);
    run(lab, code, &CREATE, flags);
    assert_eq!(writes(lab), Vec::<String>::new(), "nothing is written again");
    output
}

/// Asserts which of Cast AI's services have private names in the VPC, by the indices of their table.
#[track_caller]
fn assert_private(lab: &Lab, expected: &[usize]) {
    let services = cast_ai_services().into_iter().enumerate();
    let private = services
        .filter(|(_, (_, host))| resolved(lab, host).is_some_and(|address| address.starts_with("10.")));
    assert_eq!(private.map(|(index, _)| index).collect::<Vec<_>>(), expected);
}

const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

/// What happens to each endpoint.
fn changes(plan: &Value) -> BTreeMap<&str, Vec<&str>> {
    let mut changes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for endpoint in plan["endpoints"].as_array().unwrap() {
        let change = endpoint["change"].as_str().unwrap();
        changes.entry(change).or_default().push(endpoint["name"].as_str().unwrap());
    }
    changes
}

const CAST_AI: [&str; 6] = ["rest-api", "grpc-pod-pinner", "api-grpc", "files", "kvisor", "telemetry"];

/// Asserts which subnets count, with one reason each and what happens to their tags, in any order.
#[track_caller]
fn assert_subnets(plan: &Value, expected: &[(&str, &str, &str)]) {
    let subnets = plan["subnets"].as_array().unwrap().iter();
    let found: BTreeMap<_, _> = subnets
        .map(|subnet| (subnet["id"].as_str().unwrap(), (&subnet["reasons"], &subnet["tag"])))
        .collect();
    let expected: Vec<_> =
        expected.iter().map(|(id, reason, tag)| (*id, json!([reason]), json!(tag))).collect();
    let expected = expected.iter().map(|(id, reasons, tag)| (*id, (reasons, tag)));
    assert_eq!(found, expected.collect());
}

/// The actions of one type.
fn actions<'p>(plan: &'p Value, kind: &str) -> Vec<&'p Value> {
    plan["actions"].as_array().unwrap().iter().filter(|action| action["type"] == kind).collect()
}

/// Asserts that there is one problem with these parts of its message and hint.
#[track_caller]
fn assert_problem(plan: &Value, message: &str, hint: &str) {
    let problems = plan["problems"].as_array().unwrap();
    let has = |problem: &Value, field: &str, part: &str| problem[field].as_str().unwrap().contains(part);
    assert!(
        problems.iter().any(|problem| has(problem, "message", message) && has(problem, "hint", hint)),
        "{problems:#?}"
    );
}

#[track_caller]
fn assert_note(plan: &Value, part: &str) {
    let notes = plan["notes"].as_array().cloned().unwrap_or_default();
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains(part)), "{notes:#?}");
}

/// The subnets of an endpoint that exists, by the index of its service.
fn placement(lab: &Lab, service: usize) -> Value {
    let name = &cast_ai_services()[service].0;
    let endpoint = endpoints(lab).into_iter().find(|endpoint| endpoint["service"] == json!(name));
    endpoint.unwrap()["subnets"].clone()
}

/// The text of the first element with this name in EC2's response.
fn text_of(response: &str, name: &str) -> String {
    let (_, rest) = response.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name}: {response}"));
    rest.split('<').next().unwrap_or_default().to_owned()
}

fn new_subnet(lab: &Lab, zone: &str, block: &str) -> String {
    let request =
        json!({"Action": "CreateSubnet", "VpcId": VPC_ID, "AvailabilityZone": zone, "CidrBlock": block});
    text_of(&ec2(lab, &request), "subnetId")
}

fn new_group(lab: &Lab, name: &str) -> String {
    let request = json!({"Action": "CreateSecurityGroup", "VpcId": VPC_ID, "GroupName": name, "GroupDescription": name});
    text_of(&ec2(lab, &request), "groupId")
}

/// Lets a name lead to an address of a hub VPC.
fn resolve_in_hub(lab: &Lab, host: &str) {
    let hub = Behaviour::addresses(&[std::net::Ipv4Addr::new(10, 99, 0, 5)]);
    lab.control().put(&format!("/dns/records/{host}"), &hub).unwrap();
}
