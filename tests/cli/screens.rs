//! The output that users see, as snapshots: tables, plans, prompts, progress and errors, in a pipe and on terminals of
//! 80, 120 and 200 columns, and the documents. Other tests take snapshots if their lab is in a state that is worth one.
//! `INSTA_UPDATE=always cargo test --test cli` updates them: read the diff before you commit it.

mod resize;

use crate::harness::{
    QUICK, empty_lab, kubectl, own_lab, shared_lab, snapshot_document, snapshot_in_pipe,
    snapshot_on_terminals,
};

#[test]
fn screens_of_a_new_cluster() {
    let lab = shared_lab();
    for (name, code, arguments) in [
        ("images", 0, &["images"][..]),
        ("images-explain", 0, &["images", "--explain"]),
        ("images-wide", 0, &["images", "-o", "wide"]),
        ("images-name", 0, &["images", "-o", "name"]),
        ("images-yaml", 0, &["images", "-o", "yaml", "-l", "app.kubernetes.io/name=castai-agent"]),
        ("sync-dry-run", 0, &["sync-images", "--dry-run"]),
        ("sync-dry-run-wide", 0, &["sync-images", "--dry-run", "-o", "wide"]),
        ("sync-dry-run-name", 0, &["sync-images", "--dry-run", "-o", "name"]),
        ("rollback-nothing", 0, &["rollback"]),
        ("preflight", 0, &["preflight"]),
        ("preflight-name", 0, &["preflight", "-o", "name"]),
        ("endpoints-list", 0, &["endpoints", "list"]),
        ("permissions", 0, &["permissions"]),
        ("permissions-rbac", 0, &["permissions", "rbac"]),
        ("permissions-iam", 0, &["permissions", "iam"]),
        ("values-policy", 0, &["values", "policy", "--extent=prefixes"]),
        ("values-kustomize", 1, &["values", "kustomize"]),
        ("values-patches", 1, &["values", "patches"]),
    ] {
        snapshot_in_pipe(lab, name, code, arguments);
    }
    for (name, arguments) in [
        ("images", &["images"][..]),
        ("images-explain", &["images", "--explain"]),
        ("sync-dry-run", &["sync-images", "--dry-run"]),
        ("preflight", &["preflight", "--in-cluster=off"]),
        ("endpoints-list", &["endpoints", "list", "--region=us-east-1"]),
        ("permissions", &["permissions"]),
    ] {
        snapshot_on_terminals(lab, name, arguments, "");
    }
    snapshot_on_terminals(lab, "sync-question", &["sync-images"], "n\n");
    snapshot_document(lab, "images", 0, &["images"]);
    snapshot_document(lab, "plan", 0, &["sync-images", "--dry-run"]);
    snapshot_document(lab, "preflight", 0, &["preflight"]);
    snapshot_document(lab, "preflight-list", 0, &["preflight", "list"]);
    snapshot_document(lab, "endpoints-list", 0, &["endpoints", "list", "--region=us-east-1"]);
    snapshot_document(lab, "permissions", 0, &["permissions"]);
}

#[test]
fn screens_of_sync_and_rollback() {
    let lab = own_lab();
    // One after the other, so that lines have the same order each time.
    snapshot_in_pipe(&lab, "sync", 0, &["sync-images", "--yes", "--jobs=1"]);
    snapshot_in_pipe(&lab, "sync-again", 0, &["sync-images", "--yes"]);
    snapshot_in_pipe(&lab, "status-after", 0, &["status"]);
    snapshot_in_pipe(&lab, "values-helm-no-release", 1, &["values", "helm"]);
    snapshot_on_terminals(&lab, "status-after", &["status"], "");
    snapshot_document(&lab, "report", 0, &["sync-images", "--yes"]);
    snapshot_document(&lab, "status-after", 0, &["status"]);
    kubectl(
        &lab,
        &["set", "image", "-n", "castai-agent", "cronjob/hibernate-pause", "pauser=castai/hibernate:v0.14"],
    );
    snapshot_in_pipe(&lab, "status-reverted", 1, &["status"]);
    snapshot_in_pipe(&lab, "status-reverted-name", 1, &["status", "-o", "name"]);
    snapshot_document(&lab, "status-reverted", 1, &["status"]);
    snapshot_in_pipe(&lab, "rollback-dry-run", 0, &["rollback", "--dry-run"]);
    snapshot_in_pipe(&lab, "rollback-dry-run-name", 0, &["rollback", "--dry-run", "-o", "name"]);
    snapshot_document(&lab, "rollback-dry-run", 0, &["rollback", "--dry-run"]);
    snapshot_on_terminals(&lab, "rollback-question", &["rollback"], "n\n");
}

#[test]
fn screens_of_errors() {
    let lab = shared_lab();
    for (name, code, arguments) in [
        ("no-command", 2, &[][..]),
        ("unknown-flag", 2, &["sync-images", "--registri", "x"]),
        ("bad-map", 2, &["sync-images", "--map", "one"]),
        ("no-such-context", 2, &["images", "--context", "gone"]),
        ("no-such-file", 2, &["images", "-f", "gone.yaml"]),
        ("nothing-to-work-on", 2, &["sync-images", "--no-discover"]),
        ("no-terminal", 2, &["sync-images"]),
        ("nothing-found", 1, &["images", "-n", "shop"]),
        ("unreachable", 2, &["images", "--server=https://10.255.255.1", "--request-timeout=1s"]),
        ("not-mirrored", 1, &["sync-images", "--no-mirror", "--dry-run=client"]),
        ("endpoints-unknown-region", 1, &["endpoints", "list", "--region=eu-west-1"]),
        ("endpoints-unknown-partition", 1, &["endpoints", "list", "--region=cn-north-1"]),
        ("no-such-lock", 2, &["sync-images", "--no-mirror", "--lock=gone.json"]),
        ("help", 0, &["--help"]),
        ("sync-help", 0, &["sync-images", "--help"]),
    ] {
        snapshot_in_pipe(lab, name, code, arguments);
    }
    let empty = empty_lab();
    snapshot_in_pipe(&empty, "empty-cluster", 1, &["sync-images", "--yes"]);
    let access = serde_json::json!({"credentials": "expired"});
    empty.control().put("/ecr/access", &access).unwrap();
    snapshot_in_pipe(&empty, "empty-cluster-status", 1, &[&["status"], QUICK].concat());
}
