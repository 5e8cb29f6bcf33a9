//! `endpoints aws-cli`: the script, run with the AWS CLI.

use std::process::Command;

use lab::address::VPC_ID;
use lab::aws::{CLUSTER_GROUP, SUBNETS};
use lab::host::{Lab, Output};
use serde_json::{Value, json};

use super::create::{actions, ec2, endpoints, forget_requests, writes};
use super::{allowed, aws};
use crate::harness::{QUICK, assert_stderr_contains, own_lab, plugin, snapshot_in_pipe, snapshot_output};

const PRINT: [&str; 2] = ["endpoints", "aws-cli"];

/// The script that is printed for the VPC as it is now.
pub(super) fn script(lab: &Lab, code: i32, flags: &[&str]) -> String {
    plugin(lab, code, &[&PRINT, QUICK, flags].concat()).stdout
}

/// The AWS CLI is among the lab's tools, but not where programs are looked for.
const WITH_AWS_CLI: &str = "PATH=\"$(dirname \"$(command -v tofu)\")/awscli/bin:$PATH\"\n";

/// Runs a script in the lab, with the AWS CLI that is there.
fn bash(lab: &Lab, script: &str) -> Output {
    let mut command: Command = lab.command("bash");
    command
        .env("AWS_CA_BUNDLE", lab.folder().authority_certificate())
        .args(["-c", &format!("{WITH_AWS_CLI}{script}")]);
    Output::from(command.output().unwrap())
}

#[track_caller]
pub(super) fn run(lab: &Lab, code: i32, script: &str) -> Output {
    let output = bash(lab, script);
    let (out, err) = (&output.stdout, &output.stderr);
    assert_eq!(output.code, Some(code), "stdout:\n{out}\nstderr:\n{err}\nscript:\n{script}");
    output
}

/// Everything that EC2 holds of the VPC, without what differs between two runs that do the same.
fn state(lab: &Lab) -> Value {
    let groups = ec2(lab, &json!({"Action": "DescribeSecurityGroups"}));
    // One item for each group, with the rules and tags that it has.
    let (_, groups) = groups.split_once("<securityGroupInfo>").unwrap();
    let endpoints = endpoints(lab).into_iter().map(|mut endpoint| {
        let fields = endpoint.as_object_mut().unwrap();
        fields.remove("id");
        fields.remove("created");
        format!("{endpoint}\n")
    });
    let subnets = ec2(lab, &json!({"Action": "DescribeSubnets"}));
    let (_, subnets) = subnets.split_once("<subnetSet>").unwrap();
    let attributes = ["enableDnsSupport", "enableDnsHostnames"].map(|attribute| {
        let request = json!({"Action": "DescribeVpcAttribute", "VpcId": VPC_ID, "Attribute": attribute});
        ec2(lab, &request).replace(char::is_whitespace, "")
    });
    let text =
        [endpoints.collect::<String>(), groups.to_owned(), subnets.to_owned(), attributes.concat()].concat();
    let mut lines: Vec<_> = text.lines().map(|line| without_identifiers(line.trim())).collect();
    lines.retain(|line| !line.is_empty());
    json!(lines)
}

/// Identifiers of groups that were created, and of their rules, are random.
fn without_identifiers(line: &str) -> String {
    let pieces = line.split("sg-").map(|piece| {
        let is_known = format!("sg-{piece}").starts_with(CLUSTER_GROUP);
        let rest = piece.trim_start_matches(|one: char| one.is_ascii_hexdigit());
        if is_known { piece.to_owned() } else { rest.to_owned() }
    });
    pieces.collect::<Vec<_>>().join("sg-")
}

#[test]
fn a_script_leads_to_the_state_that_create_leads_to_and_then_changes_nothing() {
    let lab = own_lab();
    snapshot_in_pipe(&lab, "endpoints-aws-cli", 0, &PRINT);
    assert_eq!(writes(&lab), Vec::<String>::new(), "printing a script changes nothing");
    let turn_off = || {
        let request =
            json!({"Action": "ModifyVpcAttribute", "VpcId": VPC_ID, "EnableDnsHostnames.Value": "false"});
        ec2(&lab, &request);
    };
    let flags =
        ["--with-aws-endpoints", "--enable-vpc-dns", "--admit=10.9.0.0/16", "--tag=team=it's \"$(id)\",[x]"];
    turn_off();
    plugin(&lab, 0, &[&["endpoints", "create", "--yes"], QUICK, &flags].concat());
    let created = state(&lab);
    plugin(&lab, 0, &[&["endpoints", "delete", "--yes"], QUICK].concat());
    turn_off();

    let everything = script(&lab, 0, &flags);
    forget_requests(&lab);
    let first = run(&lab, 0, &everything);
    assert_eq!(state(&lab), created, "{everything}\n{}", first.stderr);
    // The printed policy allows every call.
    let (called, allowed) = (actions(&lab), allowed(&lab, &[]));
    let missing: Vec<_> = called.iter().filter(|action| !allowed.contains(*action)).collect();
    assert_eq!(missing, ["GetCallerIdentity"]);

    for again in [everything, script(&lab, 0, &flags)] {
        forget_requests(&lab);
        let output = run(&lab, 0, &again);
        assert_eq!(writes(&lab), Vec::<String>::new(), "{}", output.stdout);
        assert_eq!(output.stdout, "");
        assert_stderr_contains(&output, &[&format!("up to date: {VPC_ID} needs no change")]);
    }
    let nothing = script(&lab, 0, &[]);
    assert!(nothing.contains("\n# Nothing is missing: this script changes nothing.\n"), "{nothing}");
}

#[test]
fn what_was_broken_by_hand_is_fixed_and_nothing_else_is_touched() {
    let lab = own_lab();
    let output = run(&lab, 0, &script(&lab, 0, &[]));
    snapshot_output("endpoints-aws-cli-run", "endpoints aws-cli | bash", &output);
    let good = state(&lab);
    let list = endpoints(&lab);
    let endpoint = |number: usize, change: Value| {
        let id = list[number]["id"].as_str().unwrap();
        lab.control().put(&format!("/aws/endpoints/{id}"), &change).unwrap();
    };
    let group = list[0]["groups"][0].as_str().unwrap();
    endpoint(0, json!({"private_dns": false}));
    endpoint(1, json!({"subnets": [SUBNETS[0].0], "private_dns": false}));
    endpoint(2, json!({"groups": [CLUSTER_GROUP]}));
    ec2(
        &lab,
        &json!({"Action": "RevokeSecurityGroupIngress", "GroupId": group, "IpPermissions.1.IpProtocol": "tcp",
            "IpPermissions.1.FromPort": "443", "IpPermissions.1.ToPort": "443",
            "IpPermissions.1.Groups.1.GroupId": CLUSTER_GROUP}),
    );
    ec2(
        &lab,
        &json!({"Action": "DeleteTags", "ResourceId.1": SUBNETS[0].0, "Tag.1.Key": "cast.ai/routable"}),
    );
    ec2(
        &lab,
        &json!({"Action": "DeleteTags", "ResourceId.1": SUBNETS[0].0,
            "Tag.1.Key": "privatelink.cast.ai/routable-tagged-by"}),
    );
    assert_ne!(state(&lab), good);
    let fix = script(&lab, 0, &[]);
    forget_requests(&lab);
    let fixed = run(&lab, 0, &fix);
    let expected = [
        "AuthorizeSecurityGroupIngress",
        "ModifyVpcEndpoint",
        "ModifyVpcEndpoint",
        "ModifyVpcEndpoint",
        "CreateTags",
    ];
    assert_eq!(writes(&lab), expected, "{}", fixed.stdout);
    let ours = |state: Value| {
        // The third endpoint keeps the group that it got by hand: nothing is removed.
        let text = state.to_string();
        text.replace(&format!("\\\"{CLUSTER_GROUP}\\\","), "")
    };
    assert_eq!(ours(state(&lab)), ours(good));
    forget_requests(&lab);
    run(&lab, 0, &fix);
    assert_eq!(writes(&lab), Vec::<String>::new());
}

#[test]
fn what_fails_is_named_and_the_next_run_goes_on() {
    let lab = own_lab();
    // Credentials of another account change nothing.
    let whole = script(&lab, 0, &[]);
    forget_requests(&lab);
    let other = json!({"account": "999999999999", "arn": "arn:aws:iam::999999999999:root", "user_id": "u"});
    aws(&lab, "identity", &other);
    let refused = run(&lab, 1, &whole);
    assert_stderr_contains(&refused, &["of account 999999999999, and this script is for"]);
    assert_eq!(actions(&lab).into_iter().collect::<Vec<_>>(), ["GetCallerIdentity"]);
    lab.control().delete("/aws/identity").unwrap();

    // A quota stops one endpoint. A lost response does not create a second one.
    aws(
        &lab,
        "faults",
        &json!([
            {"service": "ec2", "action": "CreateVpcEndpoint", "times": 1, "fault": "error", "status": 400,
                "code": "VpcEndpointLimitExceeded", "message": "The maximum number has been reached."},
            {"service": "ec2", "action": "CreateVpcEndpoint", "times": 1, "fault": "response-lost"},
            {"service": "ec2", "action": "AuthorizeSecurityGroupIngress", "times": 1, "fault": "response-lost"},
        ]),
    );
    aws(&lab, "endpoint-states", &json!({"kvisor": "pendingAcceptance", "telemetry": "failed"}));
    let partial = run(&lab, 1, &whole);
    assert_stderr_contains(
        &partial,
        &[
            "VpcEndpointLimitExceeded",
            "error: cannot create endpoint rest-api",
            "is pendingAcceptance: the owner of its service has to accept it; ask Cast AI to accept vpce-",
            "of account 123456789012",
            "is failed, and will not become available",
            "incomplete: 7 changes made",
        ],
    );
    assert_eq!(endpoints(&lab).len(), 5);

    // The problems are in the next script, which has the rest.
    aws(&lab, "endpoint-states", &json!({"kvisor": "pendingAcceptance", "rest-api": "pending"}));
    let printed = plugin(&lab, 1, &[&PRINT, QUICK].concat());
    assert_stderr_contains(&printed, &["error: kvisor: vpce-", "waits for acceptance by Cast AI"]);
    assert!(printed.stdout.contains("\n# - kvisor: vpce-"), "{}", printed.stdout);
    let impatient = printed.stdout.replace("\ntimeout=600\n", "\ntimeout=1\n");
    let late = run(&lab, 1, &impatient);
    assert!(late.stdout.starts_with("endpoint rest-api created (vpce-"), "{}", late.stdout);
    assert_stderr_contains(
        &late,
        &["still pending after 1 seconds: vpce-", "is still pending: run this script again to wait longer"],
    );
    aws(&lab, "endpoint-states", &json!({}));
    assert_stderr_contains(&run(&lab, 0, &printed.stdout), &["up to date: "]);

    // Where nothing can be done, the script only says so.
    aws(&lab, "endpoint-states", &json!({"kvisor": "rejected"}));
    let stuck = script(&lab, 1, &[]);
    let output = run(&lab, 1, &stuck);
    assert_stderr_contains(&output, &["error: kvisor: Cast AI rejected vpce-", "incomplete: no change made"]);
}
