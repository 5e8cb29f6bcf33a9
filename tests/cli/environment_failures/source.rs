//! A source registry fails, or returns other content.

use serde_json::{Value, json};

use super::{AGENT, ALL, CONTROLLER, NODE_AGENT, PAUSE, RESUME, assert_rewritten};
use crate::harness::{
    KVISOR, MIRROR, QUICK, add_fault, assert_stderr_contains, clear_faults, ecr_tags, eventually,
    mirrored_tags, own_lab, parse_json, plugin, set_tag, snapshot_output, sync, traffic, unpublish,
    workload_specs,
};

/// Set explicitly so that STS, which is slow in a new lab, gets no request.
#[test]
fn an_image_missing_at_its_source_holds_back_only_its_workloads() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let plan = parse_json(&plugin(&lab, 0, &["sync-images", "--dry-run=client", "-o", "json"]));
    let images = plan["destinations"][0]["images"].as_array().unwrap();
    let image =
        images.iter().find(|image| image["source"].as_str().unwrap().contains("kvisor-agent")).unwrap();
    let digest = find(image, "digest").unwrap();
    let kvisor = format!("{KVISOR}:v1.164.8");
    unpublish(&lab, &kvisor);

    let output = sync(&lab, 1, &[]);
    snapshot_output("missing-at-source", "sync-images --yes", &output);
    assert_stderr_contains(
        &output,
        &[
            "manifest v1.164.8 not found in ghcr.io/castai/kvisor/kvisor-agent",
            "daemonset.apps/castai-kvisor-agent in namespace castai-agent not updated",
        ],
    );
    assert_rewritten(&before, &lab, &[AGENT, CONTROLLER, PAUSE, RESUME]);

    set_tag(&lab, &kvisor, &digest);
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn a_source_that_is_down_is_named_once_and_the_other_sources_are_copied() {
    let lab = own_lab();
    let (before, tags) = (workload_specs(&lab), ecr_tags(&lab));
    let hostile = r#"{"errors":[{"code":"DENIED","message":"\u001b[31mgo \u0007away\u202e"}]}"#;
    let cases: &[(Value, &[&str])] = &[
        (json!({"kind": "reset"}), &["ghcr.io cannot be reached", "closed by the server without a response"]),
        (json!({"kind": "silence"}), &["ghcr.io cannot be reached", "--idle-timeout"]),
        (json!({"kind": "status", "status": 503}), &["503 Service Unavailable", "run again later"]),
        (
            json!({"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}),
            &["ghcr.io rate limit exceeded", "--jobs"],
        ),
        (
            json!({"kind": "status", "status": 401}),
            &["does not exist or requires a login", "check the name", "`docker login ghcr.io`"],
        ),
        (
            json!({"kind": "status", "status": 429, "headers": {"Retry-After": "7200"},
                "body": r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"your pull rate limit"}]}"#}),
            &["rate limit exceeded (your pull rate limit)", "retry in 120 minutes"],
        ),
        (json!({"kind": "status", "status": 403, "body": hostile}), &["access denied", "[31mgo", "away"]),
    ];
    for (action, words) in cases {
        add_fault(&lab, "source", &json!({"host": "ghcr.io", "action": action}));
        let output = plugin(
            &lab,
            1,
            &[&["sync-images", "--dry-run", "--registry", MIRROR, "--idle-timeout=10s"], QUICK].concat(),
        );
        assert_stderr_contains(&output, words);
        assert_stderr_contains(
            &output,
            &["in namespace castai-agent not updated (", "daemonset.apps/castai-kvisor-agent)"],
        );
        let line = output.stdout.lines().find(|line| line.starts_with("castai/hibernate")).unwrap();
        assert!(line.contains("to copy"), "{line}");
        assert!(!output.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", output.stderr);
        clear_faults(&lab);
    }
    assert_eq!(ecr_tags(&lab), tags);
    assert_rewritten(&before, &lab, &[]);
}

#[test]
fn the_rate_limit_of_docker_hub_names_docker_login() {
    let lab = own_lab();
    let action = json!({"kind": "status", "status": 429,
        "body": r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your unauthenticated pull rate limit."}]}"#});
    add_fault(&lab, "source", &json!({"host": "registry-1.docker.io", "action": action}));
    let output = plugin(&lab, 1, &[&["sync-images", "--dry-run", "--registry", MIRROR], QUICK].concat());
    assert_stderr_contains(
        &output,
        &["registry-1.docker.io rate limit exceeded", "`docker login`", "IP address"],
    );
}

#[test]
fn a_source_that_fails_during_a_copy_fails_only_its_images() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let blobs = "pkg-containers.githubusercontent.com";
    add_fault(&lab, "source", &json!({"host": blobs, "skip": 1, "action": {"kind": "reset"}}));
    let output = sync(&lab, 1, &[]);
    assert_stderr_contains(
        &output,
        &[blobs, "cannot be reached", "(deployment.apps/castai-kvisor-controller, "],
    );
    assert_rewritten(&before, &lab, &[AGENT, PAUSE, RESUME]);
    clear_faults(&lab);

    add_fault(&lab, "source", &json!({"host": blobs, "action": {"kind": "cut", "after": 1000}}));
    assert_stderr_contains(&sync(&lab, 1, &[]), &["ghcr.io/castai/kvisor/kvisor-agent:v1.164.8"]);
    assert_rewritten(&before, &lab, &[AGENT, PAUSE, RESUME]);
    clear_faults(&lab);

    // A single failure is retried, and the user sees no message.
    add_fault(
        &lab,
        "source",
        &json!({"host": blobs, "times": 1, "action": {"kind": "cut", "after": 50_000}}),
    );
    add_fault(
        &lab,
        "source",
        &json!({
            "host": "ghcr.io", "times": 1,
            "action": {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
        }),
    );
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn a_blob_with_wrong_bytes_is_never_stored() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let host = "production.cloudfront.docker.com";
    add_fault(&lab, "source", &json!({"host": host, "action": {"kind": "corrupt", "at": 10}}));
    let output = sync(&lab, 1, &[]);
    assert_stderr_contains(
        &output,
        &["error: castai/hibernate:v0.14", "digest mismatch", "cronjob.batch/hibernate-pause"],
    );
    assert!(!mirrored_tags(&lab).contains("castai/hibernate:v0.14"));
    assert_rewritten(&before, &lab, &[AGENT, CONTROLLER, NODE_AGENT]);
    clear_faults(&lab);
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn tokens_and_passwords_that_expire_during_a_run_are_renewed() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    add_fault(&lab, "source", &json!({"path": "/blobs/", "times": 1, "action": {"kind": "hold"}}));
    add_fault(&lab, "ecr", &json!({"operation": "PutImage", "times": 1, "action": {"kind": "hold"}}));
    // Images are copied one after the other, so a renewed token is used before it expires again.
    let run = lab.spawn_plugin(&["sync-images", "--yes", "--jobs=1", "--retry-delay=10ms"]).unwrap();
    for (front, part) in [("source", "/blobs/"), ("ecr", "/manifests/")] {
        eventually("a request is held", || {
            traffic(&lab, front).iter().any(|record| record.status == 0 && record.path.contains(part))
        });
        lab.control().delete("/source/tokens").unwrap();
        lab.control().delete("/ecr/passwords").unwrap();
        lab.control().delete(&format!("/{front}/faults")).unwrap();
    }
    let output = run.wait().unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_rewritten(&before, &lab, &ALL);
}

/// The first member with this name anywhere in `value`.
fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(members) => members
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| members.values().find_map(|value| find(value, name))),
        Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        _ => None,
    }
}
