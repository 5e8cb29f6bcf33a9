//! `status`: drift, and which owner caused it.

use std::collections::BTreeMap;

use lab::host::Lab;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, CONTROLLER, HIBERNATE, KVISOR, MIRROR, SCANNERS, add_fault, assert_stderr_contains,
    castai_workloads, clear_faults, clear_traffic, ecr_writes, eventually, kubectl, kubectl_json, own_lab,
    parse_json, plugin, publish, shared_lab, snapshot_document, snapshot_in_pipe, snapshot_on_terminals,
    sync, traffic, wait_until_ready, write_file,
};

/// Each image's state by workload and image field.
fn states(report: &Value) -> BTreeMap<(String, String), String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let images = report["images"].as_array().unwrap().iter();
    images
        .map(|image| {
            let key = (text(&image["place"]["name"]), text(&image["imageField"]));
            (key, text(&image["state"]["type"]))
        })
        .collect()
}

fn of<'r>(report: &'r Value, workload: &str, image_field: &str) -> &'r Value {
    let mut images = report["images"].as_array().unwrap().iter();
    images.find(|image| image["place"]["name"] == workload && image["imageField"] == image_field).unwrap()
}

fn set_image(lab: &Lab, workload: &str, image: &str, manager: &str) {
    let manager = format!("--field-manager={manager}");
    kubectl(lab, &["set", "image", "-n", "castai-agent", workload, image, &manager]);
}

#[test]
fn workloads_never_rewritten_are_reported_and_unchanged() {
    let lab = shared_lab();
    let before = castai_workloads(lab);
    let output = plugin(lab, 1, &["status"]);
    assert_eq!(output.stdout.matches("not rewritten").count(), 7, "{}", output.stdout);
    assert!(
        output.stdout.contains(&format!("{MIRROR}/{SCANNERS}:v1.164.8 not found in the registry")),
        "{}",
        output.stdout
    );
    assert_stderr_contains(
        &output,
        &[
            "5 images are not mirrored yet, and not used from the registry: run kubectl castai-privatelink sync-images",
        ],
    );
    let names = plugin(lab, 1, &["status", "-l", "app.kubernetes.io/name=castai-agent", "-o", "name"]).stdout;
    assert_eq!(names, "deployment.apps/castai-agent\n");
    // Without AWS credentials, `status` reports what the cluster shows.
    let alone = plugin(lab, 1, &["status", "--cluster-only"]);
    assert_stderr_contains(&alone, &["7 not rewritten: run"]);
    let none = plugin(lab, 1, &["status", "-n", "shop"]);
    assert_stderr_contains(
        &none,
        &["error: no image of Cast AI found in namespace shop", "hint: remove or change -n"],
    );
    assert_eq!(castai_workloads(lab), before);
}

#[test]
fn reverted_missing_and_outdated_images_are_reported_with_the_owner() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    clear_traffic(lab);
    let good = plugin(lab, 0, &["status"]);
    assert_eq!(good.stdout.matches(" mirrored ").count(), 8, "{}", good.stdout);
    assert_stderr_contains(&good, &["up to date; public tags not checked (use --upstream)"]);
    assert!(traffic(lab, "source").is_empty(), "sources get requests only with --upstream");
    assert_stderr_contains(
        &plugin(lab, 0, &["status", "--upstream"]),
        &["up to date; not read: Helm releases\n"],
    );

    // New pods wait, so that no kubelet reports a failed pull during the test.
    lab.control().post("/kubelet/pulls/pause", &json!({})).unwrap();
    // The field managers of Helm 3 and 4, of kubectl, and of an upgrade to a private name.
    let public = format!("{AGENT}:v0.161.1");
    set_image(lab, "deployment/castai-agent", &format!("agent={public}"), "helm");
    let applied = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "castai-kvisor-controller", "namespace": "castai-agent"},
        "spec": {"template": {"spec": {
            "containers": [{"name": "controller", "image": format!("{CONTROLLER}:v1.164.8")}],
        }}},
    });
    let path = write_file(lab, "applied.json", &applied.to_string());
    let applying = ["apply", "--server-side", "--force-conflicts", "--field-manager=helm-controller", "-f"];
    kubectl(lab, &[&applying[..], &[path.to_str().unwrap()]].concat());
    set_image(lab, "cronjob/hibernate-resume", &format!("pauser={HIBERNATE}:v0.14"), "kubectl-set");
    set_image(lab, "daemonset/castai-kvisor-agent", &format!("kvisor={MIRROR}/{KVISOR}:v9"), "kubectl-set");
    // Their rollouts wait for the pulls.
    for (workload, count) in [
        ("deployment/castai-agent", "updatedReplicas"),
        ("deployment/castai-kvisor-controller", "updatedReplicas"),
        ("daemonset/castai-kvisor-agent", "updatedNumberScheduled"),
    ] {
        eventually("a pod is updated", || {
            let object = kubectl_json(lab, &["get", "-n", "castai-agent", workload]);
            let status = &object["status"];
            status["observedGeneration"] == object["metadata"]["generation"] && status[count] == 1
        });
    }
    // The public tag moves.
    publish(lab, &format!("docker.io/{HIBERNATE}:v0.14"), &Recipe { size: 5_000, ..Recipe::default() });

    let output = snapshot_in_pipe(lab, "status-drift", 1, &["status", "--upstream"]);
    snapshot_on_terminals(lab, "status-drift", &["status", "--upstream"], "");
    snapshot_document(lab, "status-drift", 1, &["status", "--upstream"]);
    assert_stderr_contains(
        &output,
        &["3 reverted", "1 missing", "1 behind", "3 Helm releases (castai-agent, "],
    );
    for manager in ["helm", "helm-controller", "kubectl-set"] {
        let words = format!("(field manager {manager:?})");
        assert!(output.stdout.contains(&words), "{words}: {}", output.stdout);
    }
    let report = parse_json(&plugin(lab, 1, &["status", "--upstream", "-o", "json"]));
    assert_eq!(report["kind"], "StatusReport");
    let expected = [
        ("castai-agent", "container/agent", "reverted"),
        ("castai-agent", "container/monitor", "mirrored"),
        ("castai-kvisor-agent", "container/kvisor", "missing"),
        ("castai-kvisor-agent", "init/gpu-feature-discovery", "mirrored"),
        ("castai-kvisor-controller", "container/controller", "reverted"),
        ("castai-kvisor-controller", "derived/controller/kvisor-scanners", "mirrored"),
        ("hibernate-pause", "container/pauser", "behind"),
        ("hibernate-resume", "container/pauser", "reverted"),
    ];
    let expected = expected.map(|(workload, image_field, state)| {
        ((workload.to_owned(), image_field.to_owned()), state.to_owned())
    });
    assert_eq!(states(&report), BTreeMap::from(expected));
    let agent = of(&report, "castai-agent", "container/agent");
    assert_eq!((&agent["changedBy"]["manager"], &agent["mirrored"]), (&json!("helm"), &json!(true)));
    assert_eq!(agent["destination"], format!("{MIRROR}/{public}"));

    // If a registry does not respond, `status` still reports what the cluster shows.
    add_fault(lab, "ecr", &json!({"operation": "ListImages", "action": {"kind": "status", "status": 500}}));
    let deaf = plugin(lab, 1, &["status", "--retries=0", "-o", "json"]);
    assert_eq!(of(&parse_json(&deaf), "castai-agent", "container/agent")["state"]["type"], "reverted");
    assert_eq!(of(&parse_json(&deaf), "castai-agent", "container/monitor")["state"]["type"], "unchecked");
    clear_faults(lab);
    assert!(ecr_writes(lab).is_empty());
}

#[test]
fn archived_images_are_told_from_missing_ones_and_restored_by_a_copy() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    wait_until_ready(lab);
    let repository = format!("castai-privatelink/{AGENT}");
    let tag = json!({"repository": repository, "tag": "v0.161.1"});
    lab.control().post("/ecr/archive", &tag).unwrap();
    let output = snapshot_in_pipe(lab, "status-archived", 1, &["status"]);
    assert_stderr_contains(
        &output,
        &["2 archived in the registry: run kubectl castai-privatelink sync-images"],
    );
    let report = parse_json(&plugin(lab, 1, &["status", "-o", "json"]));
    let agent = of(&report, "castai-agent", "container/agent");
    assert_eq!((&agent["state"]["type"], &agent["mirrored"]), (&json!("archived"), &json!(false)));
    let command = agent["restoreCommand"].as_str().unwrap();
    assert!(command.starts_with("aws ecr update-image-storage-class --region us-east-1 "), "{command}");
    sync(lab, 0, &[]);
    assert_stderr_contains(&plugin(lab, 0, &["status"]), &["up to date"]);
}

#[test]
fn upgrades_older_digests_and_newer_versions_are_told_apart() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    wait_until_ready(lab);

    // Newer versions are news, and nothing to fix.
    for version in ["v0.162.0", "v0.163.0", "v0.164.0-rc1"] {
        publish(lab, &format!("{AGENT}:{version}"), &Recipe::default());
    }
    let output = plugin(lab, 0, &["status", "--upstream"]);
    assert_stderr_contains(
        &output,
        &["up to date; 1 image has newer versions at its source; not read: Helm releases\n"],
    );
    assert!(output.stdout.contains("2 newer at the source, latest v0.163.0"), "{}", output.stdout);
    let report = parse_json(&plugin(lab, 0, &["status", "--upstream", "-o", "json"]));
    let agent = of(&report, "castai-agent", "container/agent");
    assert_eq!(agent["newer"], json!({"count": 2, "latest": "v0.163.0"}));
    assert!(of(&report, "hibernate-pause", "container/pauser")["newer"].is_null());
    // A source that does not list its tags was not checked.
    let fault = json!({"path": "/tags/list", "action": {"kind": "status", "status": 500}});
    add_fault(lab, "source", &fault);
    let unread = plugin(lab, 1, &["status", "--upstream", "--retries=0"]);
    assert_stderr_contains(&unread, &["public tags not checked: ", "cannot list versions: "]);
    clear_faults(lab);

    // The tag moves in the registry, and pods run what they pulled before.
    publish(lab, &format!("{AGENT}:v0.161.1"), &Recipe { size: 5_000, ..Recipe::default() });
    let moved = sync(lab, 0, &[]);
    assert_stderr_contains(&moved, &["running pods keep the previous content until they are restarted"]);
    let output = plugin(lab, 1, &["status"]);
    assert_stderr_contains(
        &output,
        &[
            "hint: with imagePullPolicy IfNotPresent, a node does not pull a tag again that it has",
            "2 pods of deployment.apps/castai-agent run an older digest of the image's tag: see the hint above",
        ],
    );
    assert!(output.stdout.contains("RUNNING DIGEST"), "{}", output.stdout);
    let names = plugin(lab, 1, &["status", "-o", "name"]).stdout;
    assert_eq!(names, "deployment.apps/castai-agent\n");
    // Nodes have the old image under the tag: the printed command helps all the same.
    let command = output.stderr.lines().find(|line| line.starts_with("  kubectl ")).unwrap();
    let done = lab.run("sh", &["-c", command]).unwrap();
    assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
    let ready = ["rollout", "status", "-n", "castai-agent", "deployment/castai-agent", "--timeout=300s"];
    kubectl(lab, &ready);
    eventually("no pod runs the older digest", || {
        lab.plugin(&["status"]).unwrap().stderr.contains("up to date")
    });

    // An upgrade with the chart's own images is not a reversion.
    lab.control().post("/kubelet/pulls/pause", &json!({})).unwrap();
    set_image(lab, "deployment/castai-agent", &format!("agent={AGENT}:v0.162.0"), "helm");
    let output = plugin(lab, 1, &["status"]);
    assert_stderr_contains(&output, &["1 upgraded: run kubectl castai-privatelink sync-images"]);
    assert!(output.stdout.contains("from v0.161.1 by Helm (field manager \"helm\")"), "{}", output.stdout);
}
