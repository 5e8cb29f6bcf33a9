//! The destination fails, or refuses what it is given.

use lab::host::Lab;
use lab::registry::traffic::Record;
use serde_json::json;

use super::{AGENT, ALL, CONTROLLER, NODE_AGENT, PAUSE, RESUME, assert_rewritten};
use crate::support::{ecr_tags, fault, heal, own_lab, says, sync, workloads};

/// Blobs that ECR has taken since the traffic was last reset.
pub(crate) fn uploads(lab: &Lab) -> usize {
    let records: Vec<Record> = lab.control().get("/ecr/traffic").unwrap();
    records.iter().filter(|record| is_upload(record)).count()
}

fn is_upload(record: &Record) -> bool {
    record.method == "PUT" && record.path.contains("/blobs/uploads/") && record.status == 201
}

#[test]
fn a_destination_that_fails_in_the_middle_leaves_the_cluster_alone_and_what_arrived_stays() {
    let lab = own_lab();
    let (before, tags) = (workloads(&lab), ecr_tags(&lab));
    fault(
        &lab,
        "ecr",
        &json!({"method": "PUT", "path": "/blobs/uploads/", "skip": 5, "action": {"kind": "reset"}}),
    );
    let output = sync(&lab, 1, &["--jobs=2"]);
    says(&output, &["123456789012.dkr.ecr.us-east-1.amazonaws.com cannot be reached", "held back"]);
    assert_eq!(ecr_tags(&lab), tags);
    assert_rewritten(&before, &lab, &[]);
    let first = uploads(&lab);
    assert!(first > 0, "some arrived");

    heal(&lab);
    lab.control().delete("/ecr/traffic").unwrap();
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
    let second = uploads(&lab);
    let whole = own_lab();
    sync(&whole, 0, &[]);
    assert_eq!(first + second, uploads(&whole), "nothing went up twice");
}

#[test]
fn what_ecr_refuses_fails_that_image_only_and_says_what_to_do() {
    let lab = own_lab();
    let before = workloads(&lab);
    let control = lab.control();
    let agent = "us-docker.pkg.dev/castai-hub/library/agent";
    control.put("/ecr/repositories", &json!({"name": agent, "mutability": "IMMUTABLE"})).unwrap();
    control
        .post("/ecr/images", &json!({"repository": agent, "tag": "v0.161.1", "recipe": {"revision": 7}}))
        .unwrap();
    let body = r#"{"errors":[{"code":"UNSUPPORTED","message":"Invalid JSON syntax"}]}"#;
    fault(
        &lab,
        "ecr",
        &json!({
            "method": "PUT", "path": "castai/hibernate/manifests/",
            "action": {"kind": "status", "status": 405, "body": body},
        }),
    );
    let output = sync(&lab, 1, &[]);
    says(
        &output,
        &[
            "error: us-docker.pkg.dev/castai-hub/library/agent:v0.161.1:",
            "is immutable and names another image",
            "push a new tag",
            "error: castai/hibernate:v0.14:",
            "405 UNSUPPORTED Invalid JSON syntax",
        ],
    );
    assert_rewritten(&before, &lab, &[CONTROLLER, NODE_AGENT]);
    assert!(!ecr_tags(&lab).contains("castai/hibernate:v0.14"));

    heal(&lab);
    says(&sync(&lab, 1, &[]), &["is immutable"]);
    assert_rewritten(&before, &lab, &[CONTROLLER, NODE_AGENT, PAUSE, RESUME]);
    control.put("/ecr/repositories", &json!({"name": agent, "mutability": "MUTABLE"})).unwrap();
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
    assert!(workloads(&lab).contains_key(AGENT));
}
