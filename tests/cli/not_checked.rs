//! `status` does not succeed if it could not check something: registries, credentials, sources and pods that it could not
//! read, or that have problems, give exit code 1, and the last line says so in every format.

mod pods;

use lab::host::{Lab, Output};
use serde_json::{Value, json};

use crate::harness::{
    AGENT, KVISOR, MIRROR, QUICK, add_fault, assert_stderr_contains, clear_faults, eventually, kubectl,
    kubectl_json, mirrored_digest, own_lab, parse_json, plugin, plugin_without_aws, set_tag, sync, unpublish,
    wait_until_ready,
};

const OCI: &str = "registry.corp.example";
const GOOD: &str = "up to date; public tags not checked (use --upstream)";

/// Runs `status` and asserts exit code and last line, which are the same in all formats; returns the table and the JSON.
#[track_caller]
fn status(lab: &Lab, code: i32, flags: &[&str], last_line: &[&str]) -> (Output, Value) {
    let run = |format: &str| plugin(lab, code, &[&["status", "-o", format], QUICK, flags].concat());
    let (table, document) = (run("table"), run("json"));
    for output in [&table, &document, &run("name")] {
        let last = last_line_of(output);
        for words in last_line {
            assert!(last.contains(words), "`{words}` is not in the last line:\n{}", output.stderr);
        }
    }
    let document = parse_json(&document);
    (table, document)
}

fn last_line_of(output: &Output) -> &str {
    output.stderr.lines().last().unwrap_or_default()
}

/// Subjects and causes of everything that could not be read, without duplicates.
fn not_checked(document: &Value) -> Vec<(String, String)> {
    let images = document["images"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = images
        .flat_map(|image| image["notChecked"].as_array().cloned().unwrap_or_default())
        .map(|unread| (text(&unread["subject"]), text(&unread["cause"])))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn state<'r>(document: &'r Value, workload: &str, image_field: &str) -> &'r Value {
    let mut images = document["images"].as_array().unwrap().iter();
    &images.find(|image| image["place"]["name"] == workload && image["imageField"] == image_field).unwrap()["state"]
}

#[test]
fn status_fails_if_a_registry_was_not_read() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    settle(lab);
    status(lab, 0, &[], &[GOOD]);
    let control = lab.control();

    // STS rejects the credentials.
    for (fault, words) in [
        (json!({"fault": "expired-token"}), "the AWS credentials have expired: renew them"),
        (json!({"fault": "invalid-client-token-id"}), "invalid AWS credentials (InvalidClientTokenId)"),
        (json!({"fault": "access-denied"}), "access denied for sts:GetCallerIdentity"),
        (json!({"fault": "throttling"}), "sts:GetCallerIdentity is still throttled by AWS"),
        (json!({"fault": "server-error", "status": 503}), "sts:GetCallerIdentity failed"),
        (json!({"fault": "silent"}), "sts:GetCallerIdentity got no response from AWS"),
    ] {
        let mut rule = fault;
        rule["service"] = json!("sts");
        control.put("/aws/faults", &json!([rule])).unwrap();
        let last = format!("not checked: 5 images in {MIRROR}: {words}");
        let (table, document) = status(lab, 1, &["--idle-timeout=5s"], &[&last]);
        assert_eq!(table.stdout.matches("not checked").count(), 8, "{}", table.stdout);
        let unread = not_checked(&document);
        assert_eq!(unread.len(), 1, "{unread:?}");
        assert!(unread[0].0 == "registry" && unread[0].1.contains(words), "{unread:?}");
        assert_eq!(state(&document, "castai-agent", "container/agent")["type"], "unchecked");
    }
    control.post("/aws/reset", &json!({})).unwrap();
    let output = plugin_without_aws(lab, 1, &["status"]);
    let last = format!("not checked: 5 images in {MIRROR}: no AWS credentials");
    assert!(last_line_of(&output).starts_with(&last), "{}", output.stderr);

    // ECR rejects the credentials, or does not respond.
    for (access, words) in [
        (json!({"credentials": "expired"}), "the AWS credentials have expired"),
        (json!({"credentials": "unrecognized"}), "invalid AWS credentials"),
        (json!({"denied": ["ListImages"]}), ": access denied for ecr:ListImages on arn:aws:ecr:"),
    ] {
        control.put("/ecr/access", &access).unwrap();
        let (_, document) = status(lab, 1, &[], &["not checked: 5 images", words]);
        assert!(!not_checked(&document).is_empty());
    }
    control.put("/ecr/access", &json!({})).unwrap();
    let throttled = json!({"__type": "ThrottlingException", "message": "Rate exceeded"}).to_string();
    for (action, words) in [
        (json!({"kind": "status", "status": 500}), "ecr:ListImages on arn:aws:ecr:"),
        (
            json!({"kind": "status", "status": 200, "body": "<html>log in</html>"}),
            "ecr:ListImages on arn:aws:ecr:",
        ),
        (
            json!({"kind": "status", "status": 400, "body": throttled}),
            "ecr:ListImages is still throttled by AWS",
        ),
        (json!({"kind": "reset"}), "got no response from AWS"),
        (json!({"kind": "silence"}), "got no response from AWS"),
    ] {
        add_fault(lab, "ecr", &json!({"operation": "ListImages", "action": action}));
        status(lab, 1, &["--idle-timeout=5s"], &["not checked: 5 images", words]);
        clear_faults(lab);
    }

    // A single repository cannot be read: the others are checked.
    let denied = json!({"__type": "AccessDeniedException", "message": "not for you"}).to_string();
    let action = json!({"kind": "status", "status": 400, "body": denied});
    add_fault(lab, "ecr", &json!({"operation": "ListImages", "times": 1, "action": action}));
    let once = plugin(lab, 1, &["status"]);
    assert!(last_line_of(&once).starts_with("not checked: "), "{}", once.stderr);
    assert!(once.stdout.contains(" mirrored "), "{}", once.stdout);
    clear_faults(lab);

    // Other problems do not hide it, and with --cluster-only the last line says that the registry was not checked.
    let image = format!("agent={AGENT}:v0.161.1");
    kubectl(lab, &["set", "image", "-n", "castai-agent", "deployment/castai-agent", &image]);
    control.put("/ecr/access", &json!({"credentials": "expired"})).unwrap();
    let both = ["1 reverted: run kubectl castai-privatelink sync-images; ", "not checked: 5 images"];
    status(lab, 1, &[], &both);
    control.put("/ecr/access", &json!({})).unwrap();
    status(
        lab,
        1,
        &["--cluster-only"],
        &["1 reverted: run kubectl", "; the registry was not checked (--cluster-only)"],
    );
    sync(lab, 0, &[]);
    settle(lab);
    let (_, document) = status(
        lab,
        0,
        &["--cluster-only"],
        &["up to date in the cluster; the registry was not checked (--cluster-only)"],
    );
    assert_eq!(document["skipped"], json!(["registry", "publicTags"]));
    assert!(not_checked(&document).is_empty());
    status(lab, 0, &[], &[GOOD]);
}

#[test]
fn status_fails_if_workloads_use_another_registry() {
    let lab = &own_lab();
    let registry = format!("--registry={OCI}/mirror");
    sync(lab, 0, &[&registry]);
    settle(lab);
    status(lab, 0, &[&registry], &[GOOD]);
    let hint = format!("not checked: 4 images in {OCI}/mirror (check with --registry {OCI}/mirror)");
    let (table, document) = status(lab, 1, &[], &[&hint]);
    assert!(table.stdout.contains("other registry"), "{}", table.stdout);
    // The registry of the earlier run is offered, and not used.
    let offered =
        format!("hint: an earlier run used --registry {OCI}/mirror: add it to use the same names\n");
    let planned = plugin(lab, 0, &["sync-images", "--dry-run=client"]);
    for output in [&table, &planned, &plugin(lab, 0, &["images"]), &plugin(lab, 1, &["values", "kustomize"])]
    {
        assert!(output.stderr.contains(&offered), "{}", output.stderr);
    }
    assert!(planned.stdout.contains(MIRROR), "{}", planned.stdout);
    let given = plugin(lab, 0, &["images", &registry]);
    assert!(!given.stderr.contains("earlier run"), "{}", given.stderr);
    let other = json!({"type": "otherRegistry", "reason": format!("{OCI}/mirror")});
    assert_eq!(*state(&document, "castai-agent", "container/agent"), other);
    status(lab, 0, &["--cluster-only"], &["up to date in the cluster; the registry was not checked"]);

    let down = format!("not checked: 5 images in {OCI}/mirror: {OCI} cannot be reached");
    let refused = format!("not checked: 5 images in {OCI}/mirror: {OCI}/");
    let denied = format!("not checked: 5 images in {OCI}/mirror: access denied to {OCI}/");
    for (action, words) in [
        (json!({"kind": "reset"}), &down),
        (json!({"kind": "silence"}), &down),
        (json!({"kind": "status", "status": 503}), &refused),
        (json!({"kind": "status", "status": 401}), &refused),
        (json!({"kind": "status", "status": 403}), &denied),
    ] {
        add_fault(lab, "oci", &json!({"action": action}));
        status(lab, 1, &[&registry, "--idle-timeout=5s"], &[words]);
        clear_faults(lab);
    }
    // The registry cannot be reached: no server has this address.
    let gone = ["--registry=10.0.1.254/mirror", "--connect-timeout=1s"];
    let (table, _) = status(lab, 1, &gone, &["10.0.1.254"]);
    assert!(!table.stderr.contains("up to date"), "{}", table.stderr);
    status(lab, 0, &[&registry], &[GOOD]);
}

#[test]
fn status_with_upstream_fails_if_a_source_does_not_respond() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    settle(lab);
    status(lab, 0, &["--upstream"], &["up to date"]);
    let digest = mirrored_digest(lab, &format!("{KVISOR}:v1.164.8")).unwrap();

    for (action, words) in [
        (json!({"kind": "status", "status": 500}), "3 images: ghcr.io/"),
        (json!({"kind": "status", "status": 401}), "does not exist or requires a login"),
        (json!({"kind": "status", "status": 403}), "access denied"),
        (
            json!({"kind": "status", "status": 429, "headers": {"Retry-After": "7200"}}),
            "ghcr.io rate limit exceeded",
        ),
        (json!({"kind": "reset"}), "ghcr.io cannot be reached"),
        (json!({"kind": "silence"}), "ghcr.io cannot be reached: no data within --idle-timeout"),
    ] {
        add_fault(lab, "source", &json!({"host": "ghcr.io", "action": action}));
        let last = ["public tags not checked: ", words];
        let (table, document) = status(lab, 1, &["--upstream", "--idle-timeout=5s"], &last);
        assert!(!table.stderr.contains("up to date"), "{}", table.stderr);
        let kvisor = state(&document, "castai-kvisor-agent", "container/kvisor");
        assert_eq!(kvisor["type"], "unchecked", "{action}");
        assert!(not_checked(&document).iter().all(|(subject, _)| subject == "publicTags"), "{document}");
        // Images of other registries were compared. Without --upstream, no source gets requests.
        assert_eq!(state(&document, "castai-agent", "container/agent")["type"], "mirrored");
        status(lab, 0, &[], &[GOOD]);
        clear_faults(lab);
    }

    // A registry that does not support HEAD has the tag nevertheless.
    add_fault(
        lab,
        "source",
        &json!({"host": "ghcr.io", "method": "HEAD", "path": "/manifests/", "action": {"kind": "status", "status": 404}}),
    );
    status(lab, 0, &["--upstream"], &["up to date"]);
    clear_faults(lab);

    // A removed tag is a result that needs attention, and not a failed check.
    unpublish(lab, &format!("{KVISOR}:v1.164.8"));
    let (table, document) = status(lab, 1, &["--upstream"], &["the public tag of 1 image was removed"]);
    assert!(table.stdout.contains("tag removed"), "{}", table.stdout);
    assert_eq!(state(&document, "castai-kvisor-agent", "container/kvisor")["type"], "tagRemoved");
    status(lab, 0, &[], &[GOOD]);
    let synced = sync(lab, 1, &[]);
    assert!(synced.stdout.contains("tag removed"), "{}", synced.stdout);
    assert_stderr_contains(
        &synced,
        &[
            "note: ghcr.io/castai/kvisor/kvisor-agent:v1.164.8: tag v1.164.8 was removed from \
             ghcr.io/castai/kvisor/kvisor-agent: upgrade the component, or keep the copy in the registry",
            "incomplete: 1 image whose public tag was removed; ",
        ],
    );
    assert!(
        !synced.stderr.contains("not compared") && !synced.stderr.contains("check the name"),
        "{}",
        synced.stderr
    );

    // The last line contains both.
    add_fault(
        lab,
        "source",
        &json!({"host": "registry-1.docker.io", "action": {"kind": "status", "status": 500}}),
    );
    lab.control().put("/ecr/access", &json!({"credentials": "expired"})).unwrap();
    let both =
        ["not checked: 5 images", "the AWS credentials have expired", "; public tags not checked: 1 image"];
    status(lab, 1, &["--upstream"], &both);
    lab.control().put("/ecr/access", &json!({})).unwrap();
    clear_faults(lab);
    set_tag(lab, &format!("{KVISOR}:v1.164.8"), &digest);
    status(lab, 0, &["--upstream"], &["up to date"]);
}

/// Waits until all pods run, and no old pod is left.
#[track_caller]
fn settle(lab: &Lab) {
    wait_until_ready(lab);
    wait_for_pull_failures(lab, "castai-agent", "", 0);
}

#[track_caller]
fn wait_for_pull_failures(lab: &Lab, namespace: &str, prefix: &str, number: usize) {
    eventually(&format!("{number} pods of {prefix} cannot pull"), || {
        let pods = kubectl_json(lab, &["get", "pods", "-n", namespace]);
        let waits = |pod: &&Value| {
            let lists = ["initContainerStatuses", "containerStatuses"];
            let statuses = lists.iter().flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
            let mut reasons = statuses.filter_map(|status| status["state"]["waiting"]["reason"].as_str());
            pod["metadata"]["name"].as_str().unwrap().starts_with(prefix)
                && reasons.any(|reason| reason.contains("Image"))
        };
        pods["items"].as_array().unwrap().iter().filter(waits).count() == number
    });
}
