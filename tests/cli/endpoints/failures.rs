//! What EC2 refuses, loses or shows late, and what others change meanwhile.

use lab::address::VPC_ID;
use lab::aws::{CLUSTER_GROUP, SUBNETS, cast_ai_services};
use lab::host::Lab;
use serde_json::{Value, json};

use super::create::{CREATE, DELETE, ec2, endpoints, forget_requests, run, writes};
use super::{aws, aws_cli};
use crate::harness::{assert_stderr_contains, own_lab};

/// An endpoint in one zone, without private DNS.
fn create_endpoint(lab: &Lab, service: usize, tags: &[(&str, &str)]) {
    let mut request = json!({"Action": "CreateVpcEndpoint", "VpcId": VPC_ID, "VpcEndpointType": "Interface",
        "ServiceName": cast_ai_services()[service].0, "SubnetId.1": SUBNETS[0].0,
        "SecurityGroupId.1": CLUSTER_GROUP, "PrivateDnsEnabled": "false"});
    for ((key, value), number) in tags.iter().zip(1..) {
        request["TagSpecification.1.ResourceType"] = json!("vpc-endpoint");
        request[format!("TagSpecification.1.Tag.{number}.Key")] = json!(key);
        request[format!("TagSpecification.1.Tag.{number}.Value")] = json!(value);
    }
    ec2(lab, &request);
}

#[test]
fn no_name_leads_to_an_endpoint_whose_rules_could_not_be_made() {
    let lab = own_lab();
    create_endpoint(&lab, 0, &[]);
    // It is available once it was listed.
    ec2(&lab, &json!({"Action": "DescribeVpcEndpoints"}));
    let before = endpoints(&lab);
    let refused = [
        json!({"service": "ec2", "action": "AuthorizeSecurityGroupIngress", "fault": "access-denied"}),
        json!({"service": "ec2", "action": "AuthorizeSecurityGroupIngress", "fault": "error", "status": 400,
            "code": "RulesPerSecurityGroupLimitExceeded", "message": "The maximum number of rules has been reached."}),
    ];
    for fault in refused {
        aws(&lab, "faults", &json!([fault]));
        forget_requests(&lab);
        let output = run(&lab, 1, &CREATE, &[]);
        assert_eq!(endpoints(&lab), before, "{}", output.stderr);
        let words =
            ["skipped: modify vpce-", "skipped: create endpoint kvisor", "lacks rules", "incomplete: "];
        assert_stderr_contains(&output, &words);
        assert_eq!(output.stderr.matches("error: cannot admit").count(), 1, "{}", output.stderr);
        assert!(!output.stderr.contains("does not show it yet"), "{}", output.stderr);
        let rules = writes(&lab).iter().filter(|action| *action == "AuthorizeSecurityGroupIngress").count();
        assert_eq!(rules, 1, "what failed is not tried again");
    }
    let script = aws_cli::run(&lab, 1, &aws_cli::script(&lab, 0, &[]));
    assert_eq!(endpoints(&lab), before, "{}", script.stderr);
    let words = [
        "error: endpoint rest-api not modified",
        "error: endpoint kvisor not created: its security group lacks",
    ];
    assert_stderr_contains(&script, &words);
    aws(&lab, "faults", &json!([]));
    assert_stderr_contains(&run(&lab, 0, &CREATE, &[]), &["done: "]);
    assert_eq!(endpoints(&lab).len(), 6);
}

#[test]
fn an_endpoint_that_failed_is_one_error() {
    let lab = own_lab();
    let refused = json!([{"service": "ec2", "action": "CreateVpcEndpoint", "times": 1, "fault": "error",
        "status": 400, "code": "InsufficientFreeAddressesInSubnet", "message": "No free addresses."}]);
    aws(&lab, "faults", &refused);
    let output = run(&lab, 1, &CREATE, &[]);
    assert_eq!(output.stderr.matches("error: ").count(), 1, "{}", output.stderr);
    assert_stderr_contains(&output, &["cannot create endpoint rest-api", "8 changes made; 1 change left"]);
}

#[test]
fn a_lost_response_does_not_end_the_wait() {
    let lab = own_lab();
    for (fault, after) in [("response-lost", 1), ("throttling", 1), ("response-lost", 3)] {
        let rule = json!({"service": "ec2", "action": "DescribeVpcEndpoints", "after": after, "times": 1, "fault": fault});
        aws(&lab, "faults", &json!([rule]));
        assert_stderr_contains(&run(&lab, 0, &CREATE, &[]), &["9 changes made; nothing is left to do"]);
        aws(&lab, "faults", &json!([]));
        run(&lab, 0, &DELETE, &[]);
    }
    // What was made is not left, if it can never be read.
    let rule = json!({"service": "ec2", "action": "DescribeSubnets", "after": 1, "fault": "access-denied"});
    aws(&lab, "faults", &json!([rule]));
    let unread = run(&lab, 1, &CREATE, &[]);
    assert_stderr_contains(
        &unread,
        &["incomplete: 9 changes made; the result is not known; run again to check it"],
    );
}

#[test]
fn delete_leaves_what_appeared_after_its_confirmation() {
    let lab = own_lab();
    run(&lab, 0, &CREATE, &[]);
    forget_requests(&lab);
    aws(&lab, "faults", &json!([{"service": "ec2", "action": "DeleteTags", "fault": "held"}]));
    let output = std::thread::scope(|scope| {
        let deleting = scope.spawn(|| run(&lab, 1, &DELETE, &[]));
        while !writes(&lab).contains(&"DeleteTags".to_owned()) {
            assert!(!deleting.is_finished(), "delete never removes tags");
            pause();
        }
        // A second `create`.
        create_endpoint(&lab, 0, &[("privatelink.cast.ai/managed-by", "kubectl-castai-privatelink")]);
        aws(&lab, "faults", &json!([]));
        deleting.join().unwrap()
    });
    let left = endpoints(&lab);
    assert_eq!(left.len(), 1, "{}", output.stderr);
    let id = left[0]["id"].as_str().unwrap();
    let words =
        [&format!("error: appeared since the confirmation: delete endpoint rest-api ({id})"), "incomplete: "];
    assert_stderr_contains(&output, &words);
    run(&lab, 0, &DELETE, &[]);
    assert_eq!(endpoints(&lab), Vec::<Value>::new());
}

#[expect(clippy::disallowed_methods, reason = "tests are blocking, and this is the pause of a poll")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

#[test]
fn a_dry_run_prints_what_ec2_refuses() {
    let lab = own_lab();
    let rule = json!({"service": "ec2", "action": "CreateTags", "dry_run": true, "fault": "error", "status": 400,
        "code": "DependencyViolation", "message": "in use"});
    aws(&lab, "faults", &json!([rule]));
    let output = run(&lab, 1, &["endpoints", "create", "--dry-run"], &[]);
    assert_stderr_contains(
        &output,
        &["error: cannot tag subnet-", "DependencyViolation", "7 of 9 changes, 1 not checked"],
    );
}
