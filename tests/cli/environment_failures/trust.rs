//! Untrusted certificates and wrong clocks.

use std::net::Ipv4Addr;

use lab::address::{API_SERVER_HOST, ECR_API, EXPIRED, NOT_YET_VALID, OCI_REGISTRY, STS, UNKNOWN_AUTHORITY};
use lab::castai::Fault;
use lab::dns::Behaviour;
use lab::host::{Lab, Output};
use serde_json::json;

use super::{ALL, assert_rewritten};
use crate::harness::{
    MIRROR, QUICK, add_fault, assert_stderr_contains, clear_faults, ecr_tags, own_lab, sync, workload_specs,
};

const REGISTRY: &[&str] = &["--registry", MIRROR];

fn redirect_dns(lab: &Lab, host: &str, address: Ipv4Addr) {
    lab.control().put(&format!("/dns/records/{host}"), &Behaviour::addresses(&[address])).unwrap();
}

fn reset_dns(lab: &Lab) {
    lab.control().post("/dns/reset", &()).unwrap();
}

/// Runs `sync-images` with another `SSL_CERT_FILE`, and asserts its exit code.
#[track_caller]
fn trusting(lab: &Lab, code: i32, roots: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = lab.command("env");
    match roots {
        Some(roots) => command.arg(format!("SSL_CERT_FILE={roots}")),
        None => command.args(["-u", "SSL_CERT_FILE"]),
    };
    command.args(["kubectl", "castai-privatelink", "sync-images", "--yes"]).args(QUICK).args(arguments);
    let output = Output::from(command.output().unwrap());
    assert_eq!(output.code, Some(code), "{}{}", output.stdout, output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    output
}

#[test]
fn untrusted_certificates_and_wrong_clocks_are_named() {
    let lab = own_lab();
    let (before, tags) = (workload_specs(&lab), ecr_tags(&lab));
    let untrusted = ["signed by unknown authority", "SSL_CERT_FILE"];
    let expired = [
        "has expired (current time 20",
        "certificate limit 2020-01-01T00:00:00Z",
        "check this machine's clock",
    ];
    let early =
        ["is not yet valid (current time 20", "certificate limit 2100-01-01T00:00:00Z", "set the clock"];
    let cases: [(Ipv4Addr, &[&str]); 3] =
        [(UNKNOWN_AUTHORITY, &untrusted), (EXPIRED, &expired), (NOT_YET_VALID, &early)];
    for (address, words) in cases {
        // A single source: the images of the others are copied.
        redirect_dns(&lab, "ghcr.io", address);
        let output = sync(&lab, 1, &[&["--dry-run"], REGISTRY].concat());
        assert_stderr_contains(&output, words);
        assert_stderr_contains(
            &output,
            &["ghcr.io cannot be reached", "daemonset.apps/castai-kvisor-agent)"],
        );
        assert!(
            output
                .stdout
                .lines()
                .any(|line| line.starts_with("castai/hibernate") && line.contains("to copy"))
        );
        reset_dns(&lab);
        // All hosts of AWS.
        for (host, flags) in [(STS.0, &[][..]), (ECR_API.0, REGISTRY)] {
            redirect_dns(&lab, host, address);
            let output = sync(&lab, 2, flags);
            assert_stderr_contains(&output, words);
            assert_stderr_contains(&output, &["cannot reach AWS"]);
            assert!(!output.stderr.contains("with --registry it is not needed"), "{}", output.stderr);
            reset_dns(&lab);
        }
        // The destination, and the API server, whose authority is in the kubeconfig.
        redirect_dns(&lab, OCI_REGISTRY.0, address);
        assert_stderr_contains(&sync(&lab, 2, &[&format!("--registry={}", OCI_REGISTRY.0)]), words);
        reset_dns(&lab);
        redirect_dns(&lab, API_SERVER_HOST, address);
        let output = sync(&lab, 2, &[]);
        assert_stderr_contains(&output, &["Unable to connect to the server", words[0]]);
        assert_stderr_contains(
            &output,
            &[if address == UNKNOWN_AUTHORITY { "update-kubeconfig" } else { "clock" }],
        );
        reset_dns(&lab);
    }
    assert_eq!(ecr_tags(&lab), tags);
    assert_rewritten(&before, &lab, &[]);

    // `preflight` reports the same for Cast AI's hosts.
    for (fault, words) in [(Fault::Expired, "expired at 2020"), (Fault::NotYetValid, "not yet valid")] {
        lab.control().put("/castai/faults/api.cast.ai", &fault).unwrap();
        let output = crate::harness::plugin(&lab, 1, &["preflight"]);
        assert!(output.stdout.contains(words) && output.stdout.contains("clock"), "{}", output.stdout);
    }
    lab.control().post("/castai/reset", &json!({})).unwrap();

    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn with_a_private_ca_ssl_cert_file_fixes_the_error() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let in_house = format!("--registry={}", OCI_REGISTRY.0);
    // The lab's authority is private. The API server's authority is in the kubeconfig and always trusted.
    let output = trusting(&lab, 2, None, &[&in_house]);
    assert_stderr_contains(
        &output,
        &[OCI_REGISTRY.0, "cannot be reached", "signed by unknown authority", "SSL_CERT_FILE"],
    );
    let output = trusting(&lab, 2, Some("/absent.pem"), &[&in_house]);
    assert_stderr_contains(&output, &["no trusted root certificates found", "/absent.pem", "SSL_CERT_FILE"]);
    // The error of the AWS client has the same form.
    trusting(&lab, 2, Some("/absent.pem"), &[]);
    assert_rewritten(&before, &lab, &[]);
    let roots = lab.folder().authority_certificate();
    trusting(&lab, 0, roots.to_str(), &[&in_house, "--no-rewrite"]);
}

#[test]
fn clock_skew_reported_by_aws_shows_the_time_of_this_machine() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    for (code, message) in [
        (
            "InvalidSignatureException",
            "Signature not yet current: 20260101T000500Z is still later than 20260101T000000Z",
        ),
        (
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z",
        ),
        (
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
    ] {
        let body = json!({"__type": code, "message": message}).to_string();
        for operation in ["ListImages", "GetAuthorizationToken"] {
            let headers = json!({"Content-Type": "application/x-amz-json-1.1"});
            let action = json!({"kind": "status", "status": 400, "headers": headers, "body": body});
            add_fault(&lab, "ecr", &json!({"operation": operation, "action": action}));
            let output = sync(&lab, if operation == "ListImages" { 2 } else { 1 }, &[]);
            assert_stderr_contains(
                &output,
                &["because of the clock skew", message.trim_end_matches('.'), "set this machine's clock"],
            );
            assert!(!output.stderr.contains("AWS_PROFILE"), "{}", output.stderr);
            clear_faults(&lab);
        }
    }
    assert_rewritten(&before, &lab, &[]);
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}
