//! kill -9 at any request that changes something, in any state of the VPC: the next run completes the work, and `delete`
//! removes exactly what was made.
//!
//! `TEST_SEED=N` sets the seed, `TEST_SEED=random` takes it from the clock; `TEST_LONG` tests a hundred points instead of
//! ten.

use std::collections::BTreeMap;
use std::process::Command;

use lab::address::VPC_ID;
use lab::aws::{CLUSTER_GROUP, SUBNETS, cast_ai_services};
use lab::host::{Lab, Output};
use serde_json::{Value, json};

use super::aws;
use super::create::{CREATE, DELETE, ec2, endpoints, forget_requests, run, state, writes};
use crate::harness::{assert_stderr_contains, eventually, own_lab};
use crate::interruption::Random;

/// What may be in the VPC before.
#[expect(clippy::struct_excessive_bools, reason = "each part may be there or not")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    /// An endpoint of others in one zone, without private DNS.
    narrow: bool,
    /// One of others that lacks nothing but our clients.
    closed: bool,
    /// A tag of others on a subnet.
    tagged: bool,
    /// What an earlier run made, of which something is gone.
    damaged: bool,
}

impl Start {
    fn random(random: &mut Random) -> Self {
        let mut is = || random.below(2) == 1;
        Self { narrow: is(), closed: is(), tagged: is(), damaged: is() }
    }

    /// Brings the lab into this state.
    fn prepare(self, lab: &Lab) {
        lab.control().post("/aws/reset", &Value::Null).unwrap();
        let services = cast_ai_services();
        let others = |service: usize, subnets: &[&str], private_dns: bool| {
            let mut request = json!({"Action": "CreateVpcEndpoint", "VpcId": VPC_ID, "VpcEndpointType": "Interface",
                "ServiceName": services[service].0, "SecurityGroupId.1": CLUSTER_GROUP,
                "PrivateDnsEnabled": private_dns.to_string()});
            for (number, subnet) in subnets.iter().enumerate() {
                request[format!("SubnetId.{}", number + 1)] = json!(subnet);
            }
            ec2(lab, &request);
        };
        let [first, second] = SUBNETS.map(|(id, ..)| id);
        if self.narrow {
            others(0, &[first], false);
        }
        if self.closed {
            others(4, &[first, second], true);
        }
        if self.tagged {
            ec2(lab, &tags("CreateTags", second));
        }
        if self.damaged {
            run(lab, 0, &CREATE, &["--wait=false"]);
            let ours = endpoints(lab).pop().unwrap();
            ec2(lab, &json!({"Action": "DeleteVpcEndpoints", "VpcEndpointId.1": ours["id"]}));
            ec2(lab, &tags("DeleteTags", first));
        }
    }
}

fn tags(action: &str, subnet: &str) -> Value {
    json!({"Action": action, "ResourceId.1": subnet, "Tag.1.Key": "cast.ai/routable", "Tag.1.Value": "true"})
}

/// The state, in whatever order endpoints were made.
fn sorted(lab: &Lab) -> Value {
    let mut state = state(lab);
    state[0].as_array_mut().unwrap().sort_by_key(Value::to_string);
    state
}

fn reached(lab: &Lab, action: &str) -> usize {
    let requests: Vec<Value> = lab.control().get("/aws/requests").unwrap();
    requests.iter().filter(|request| request["action"] == action).count()
}

/// Interrupts a command while EC2 holds its request for `action` number `after`.
fn interrupt(lab: &Lab, command: &[&str], action: &str, after: usize) -> Output {
    forget_requests(lab);
    aws(lab, "faults", &json!([{"service": "ec2", "action": action, "after": after, "fault": "held"}]));
    let mut running = lab.spawn_plugin(command).unwrap();
    eventually("the request is sent", || reached(lab, action) > after);
    let sent = Command::new("kill").args(["-INT", &running.process().to_string()]).output().unwrap();
    assert!(sent.status.success());
    eventually("it exits", || running.try_wait().unwrap().is_some());
    let output = running.wait().unwrap();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    aws(lab, "faults", &json!([]));
    output
}

#[test]
fn an_interrupted_run_says_what_it_made_and_that_the_next_one_completes_it() {
    let lab = own_lab();
    // The security group, its rule and two endpoints, of nine changes.
    let created = interrupt(&lab, &CREATE, "CreateVpcEndpoint", 2);
    assert_stderr_contains(
        &created,
        &["Interrupted. 4 of 9 changes made; the next one may be made too; run again to complete them"],
    );
    assert_stderr_contains(&run(&lab, 0, &CREATE, &[]), &["nothing is left to do"]);
    assert_eq!(endpoints(&lab).len(), 6);
    let deleted = interrupt(&lab, &DELETE, "DeleteVpcEndpoints", 1);
    assert_stderr_contains(&deleted, &["Interrupted. 1 of 8 changes made; the next one may be made too"]);
    run(&lab, 0, &DELETE, &[]);
    assert_eq!(endpoints(&lab), Vec::<Value>::new());
    // A dry run changes nothing, and says so.
    let dry_run = interrupt(&lab, &["endpoints", "create", "--dry-run"], "CreateVpcEndpoint", 2);
    assert_stderr_contains(&dry_run, &["Interrupted. Nothing was changed."]);
}

#[test]
#[expect(clippy::print_stdout, reason = "a failed test prints its position")]
#[expect(clippy::disallowed_methods, reason = "tests are blocking, and this is the pause of a poll")]
fn a_run_killed_at_any_request_is_completed_by_the_next_one() {
    const ACTIONS: [&str; 5] = [
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "CreateVpcEndpoint",
        "ModifyVpcEndpoint",
        "CreateTags",
    ];
    let lab = own_lab();
    let mut random = Random::from_environment();
    println!("TEST_SEED={}", random.seed);
    let mut undisturbed: BTreeMap<Start, Value> = BTreeMap::new();
    for round in 0..Random::rounds(10) {
        let start = Start::random(&mut random);
        let action = ACTIONS[random.below(ACTIONS.len())];
        let after = if action == "CreateVpcEndpoint" { random.below(6) } else { 0 };
        let fault = ["held", "silent"][random.below(2)];
        println!("round {round}: {start:?}, {fault} {action} {after}");
        let expected = undisturbed.entry(start).or_insert_with(|| {
            start.prepare(&lab);
            run(&lab, 0, &CREATE, &[]);
            sorted(&lab)
        });
        start.prepare(&lab);
        forget_requests(&lab);
        aws(&lab, "faults", &json!([{"service": "ec2", "action": action, "after": after, "fault": fault}]));
        let mut killed = lab.spawn_plugin(&CREATE).unwrap();
        // Some states need no such request.
        let is_finished = loop {
            if killed.try_wait().unwrap().is_some() {
                break true;
            }
            if reached(&lab, action) > after {
                break false;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        if !is_finished {
            killed.kill().unwrap();
        }
        // What was held is carried out now, after its sender is gone.
        aws(&lab, "faults", &json!([]));
        run(&lab, 0, &CREATE, &[]);
        assert_eq!(sorted(&lab), *expected);
        forget_requests(&lab);
        run(&lab, 0, &CREATE, &[]);
        assert_eq!(writes(&lab), Vec::<String>::new(), "nothing is written again");

        run(&lab, 0, &DELETE, &[]);
        let left: String = ["DescribeVpcEndpoints", "DescribeSecurityGroups", "DescribeSubnets"]
            .map(|action| ec2(&lab, &json!({"Action": action})))
            .concat();
        assert!(!left.contains("privatelink.cast.ai/"), "{left}");
        let theirs = usize::from(start.narrow) + usize::from(start.closed);
        assert_eq!(endpoints(&lab).len(), theirs, "endpoints of others stay");
        assert_eq!(left.matches("cast.ai/routable<").count(), usize::from(start.tagged));
    }
}
