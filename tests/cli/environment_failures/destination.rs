//! The destination fails, or rejects content.

use serde_json::json;

use super::{AGENT, ALL, CONTROLLER, NODE_AGENT, PAUSE, RESUME, assert_rewritten};
use crate::harness::{
    PATH, add_fault, assert_stderr_contains, clear_faults, clear_traffic, ecr_tags, mirrored_tags, own_lab,
    snapshot_output, sync, traffic, uploaded_blobs, workload_specs,
};

#[test]
fn a_destination_that_fails_during_a_copy_changes_no_workload_and_keeps_copied_images() {
    let lab = own_lab();
    let (before, tags) = (workload_specs(&lab), ecr_tags(&lab));
    add_fault(
        &lab,
        "ecr",
        &json!({"method": "PUT", "path": "/blobs/uploads/", "skip": 5, "action": {"kind": "reset"}}),
    );
    let output = sync(&lab, 1, &["--jobs=2"]);
    assert_stderr_contains(
        &output,
        &["123456789012.dkr.ecr.us-east-1.amazonaws.com cannot be reached", "not updated ("],
    );
    assert_eq!(ecr_tags(&lab), tags);
    assert_rewritten(&before, &lab, &[]);
    let first = uploaded_blobs(&lab).len();
    assert!(first > 0, "some arrived");

    clear_faults(&lab);
    clear_traffic(&lab);
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
    let second = uploaded_blobs(&lab).len();
    let whole = own_lab();
    sync(&whole, 0, &[]);
    assert_eq!(first + second, uploaded_blobs(&whole).len(), "no blob was uploaded twice");
}

#[test]
fn a_rejection_by_ecr_fails_only_that_image_with_a_hint() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let control = lab.control();
    let agent = format!("{PATH}/us-docker.pkg.dev/castai-hub/library/agent");
    control.put("/ecr/repositories", &json!({"name": agent, "mutability": "IMMUTABLE"})).unwrap();
    control
        .post("/ecr/images", &json!({"repository": agent, "tag": "v0.161.1", "recipe": {"revision": 7}}))
        .unwrap();
    let body = r#"{"errors":[{"code":"UNSUPPORTED","message":"Invalid JSON syntax"}]}"#;
    add_fault(
        &lab,
        "ecr",
        &json!({
            "method": "PUT", "path": "castai/hibernate/manifests/",
            "action": {"kind": "status", "status": 405, "body": body},
        }),
    );
    let output = sync(&lab, 1, &[]);
    snapshot_output("immutable-tag", "sync-images --yes", &output);
    assert_stderr_contains(
        &output,
        &[
            "error: us-docker.pkg.dev/castai-hub/library/agent:v0.161.1:",
            "is immutable",
            "error: castai/hibernate:v0.14:",
            "405 UNSUPPORTED",
        ],
    );
    assert_rewritten(&before, &lab, &[CONTROLLER, NODE_AGENT]);
    assert!(!mirrored_tags(&lab).contains("castai/hibernate:v0.14"));

    clear_faults(&lab);
    assert_stderr_contains(&sync(&lab, 1, &[]), &["is immutable"]);
    assert_rewritten(&before, &lab, &[CONTROLLER, NODE_AGENT, PAUSE, RESUME]);
    control.put("/ecr/repositories", &json!({"name": agent, "mutability": "MUTABLE"})).unwrap();
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
    assert!(workload_specs(&lab).contains_key(AGENT));
}

/// A fault rule for an error response of ECR's API.
fn api_error(operation: &str, code: &str, message: &str) -> serde_json::Value {
    let body = json!({"__type": code, "message": message}).to_string();
    let headers = json!({"Content-Type": "application/x-amz-json-1.1"});
    let action = json!({"kind": "status", "status": 400, "headers": headers, "body": body});
    json!({"operation": operation, "action": action})
}

/// A fault rule for an error response of the registry host.
fn registry_error(
    operation: &str,
    status: u16,
    headers: &serde_json::Value,
    code: &str,
) -> serde_json::Value {
    let body = json!({"errors": [{"code": code, "message": format!("said by {operation}")}]}).to_string();
    let action = json!({"kind": "status", "status": status, "headers": headers, "body": body});
    json!({"operation": operation, "action": action})
}

#[test]
fn a_full_or_throttling_destination_is_reported_and_the_next_run_completes() {
    let lab = own_lab();
    let (before, tags) = (workload_specs(&lab), ecr_tags(&lab));
    let none = json!({});
    let long = json!({"Retry-After": "3600"});
    let quota = "the maximum allowed number of repositories which is '100000'";
    // Faults of manifests come last, because then all blobs are uploaded.
    let cases: [(serde_json::Value, &[&str]); 8] = [
        (
            api_error("CreateRepository", "LimitExceededException", quota),
            &["ecr:CreateRepository on arn:aws:ecr:", "100000", "AWS Service Quotas"],
        ),
        (
            api_error("ListImages", "ThrottlingException", "Rate exceeded"),
            &["ecr:ListImages is still throttled by AWS after all retries", "run again later"],
        ),
        (
            registry_error("CompleteLayerUpload", 429, &long, "TOOMANYREQUESTS"),
            &["rate limit exceeded", "retry in 60 minutes"],
        ),
        (registry_error("InitiateLayerUpload", 507, &none, ""), &["507", "no space left", "run again"]),
        (
            json!({"operation": "CompleteLayerUpload", "action": {"kind": "cut", "after": 90, "of": "request"}}),
            &["123456789012.dkr.ecr.us-east-1.amazonaws.com cannot be reached", "connection"],
        ),
        (
            json!({"operation": "CompleteLayerUpload", "action": {"kind": "corrupt", "at": 5, "of": "request"}}),
            &["rejected", "DIGEST_INVALID"],
        ),
        (
            registry_error("PutImage", 429, &none, "TOOMANYREQUESTS"),
            &["rate limit exceeded (said by PutImage) after all retries", "fewer --jobs"],
        ),
        (
            registry_error("PutImage", 400, &none, "MANIFEST_INVALID"),
            &[
                "rejected manifest sha256:",
                "MANIFEST_INVALID said by PutImage",
                "ask the publisher",
                "--exclude",
            ],
        ),
    ];
    for (rule, words) in cases {
        add_fault(&lab, "ecr", &rule);
        let output = sync(&lab, 1, &[]);
        assert_stderr_contains(&output, words);
        assert_stderr_contains(
            &output,
            &["error: ", "castai/hibernate:v0.14", "in namespace castai-agent not updated ("],
        );
        assert_eq!(ecr_tags(&lab), tags, "{rule}");
        assert_rewritten(&before, &lab, &[]);
        clear_faults(&lab);
    }
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn transient_throttling_is_retried_without_a_message() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let (none, soon) = (json!({}), json!({"Retry-After": "1"}));
    let passing = [
        registry_error("PutImage", 429, &soon, "TOOMANYREQUESTS"),
        registry_error("InitiateLayerUpload", 429, &none, "TOOMANYREQUESTS"),
        registry_error("CompleteLayerUpload", 429, &soon, "TOOMANYREQUESTS"),
        api_error("CreateRepository", "ThrottlingException", "Rate exceeded"),
    ];
    for mut rule in passing {
        rule["times"] = json!(1);
        add_fault(&lab, "ecr", &rule);
    }
    let output = sync(&lab, 0, &[]);
    assert!(!output.stderr.contains("error"), "{}", output.stderr);
    assert_rewritten(&before, &lab, &ALL);
    let records = traffic(&lab, "ecr");
    assert_eq!(
        records.iter().filter(|record| record.status == 429).count(),
        3,
        "each rule matched a request"
    );
}

#[test]
fn a_full_in_house_registry_is_reported_and_the_next_run_completes() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let storage = lab.folder().state().join("registry/oci");
    let storage = storage.to_str().unwrap();
    let mount = lab.run("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs", storage]).unwrap();
    assert_eq!(mount.code, Some(0), "{}", mount.stderr);
    let registry = "--registry=registry.corp.example";
    let output = sync(&lab, 1, &[registry]);
    assert_stderr_contains(
        &output,
        &["registry.corp.example/castai/hibernate", "no space left in the registry; free some and run again"],
    );
    assert_stderr_contains(&output, &["in namespace castai-agent not updated ("]);
    assert_rewritten(&before, &lab, &[]);
    let unmount = lab.run("umount", &["--lazy", storage]).unwrap();
    assert_eq!(unmount.code, Some(0), "{}", unmount.stderr);
    sync(&lab, 0, &[registry, "--no-rewrite"]);
    assert!(sync(&lab, 0, &[registry, "--no-rewrite"]).stdout.starts_with("up to date"));
}
