//! What users add by `--knowledge`, `--map` and `--registry`, in every command that it matters to.

use lab::host::Lab;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, HelmRelease, MIRROR, apply, assert_stderr_contains, complete_lab, ecr_tags, kubectl, kubectl_json,
    own_lab, parse_json, plugin, publish, recorded_images, sync, wait_until_ready, write_file,
};

const PROBE: &str = "ghcr.io/acme/probe";

fn file(lab: &Lab, content: &str) -> String {
    write_file(lab, "knowledge.yaml", content).display().to_string()
}

/// A Deployment that runs nothing.
fn deployment(namespace: &str, name: &str, container: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}}})
}

/// The container of the deployment `probe`.
fn container(lab: &Lab, namespace: &str) -> Value {
    let found = kubectl_json(lab, &["get", "deployment/probe", "--namespace", namespace]);
    found["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn names_of_the_users_own_are_read_back_in_every_namespace() {
    let lab = own_lab();
    publish(&lab, &format!("{PROBE}:v1"), &Recipe::default());
    let private = format!("{MIRROR}/probe");
    let map = format!("{private}={PROBE}");
    apply(&lab, &deployment("shop", "probe", &json!({"name": "probe", "image": format!("{private}:v1")})));
    let elsewhere = "registry.example/castai";
    let moved = format!("{elsewhere}/{AGENT}:v9");
    apply(&lab, &deployment("shop", "moved", &json!({"name": "agent", "image": moved})));

    let names = |flags: &[&str]| plugin(&lab, 0, &[&["images", "-o", "name"], flags].concat()).stdout;
    let without = names(&[]);
    assert!(!without.contains(PROBE) && !without.contains("v9"), "{without}");
    assert!(names(&["--registry", elsewhere]).contains(&format!("{AGENT}:v9\n")));
    let wide = plugin(&lab, 0, &["images", "-o", "wide", "--map", &map]);
    let line = wide.stdout.lines().find(|line| line.starts_with(PROBE)).unwrap_or_default().to_owned();
    for part in [
        "shop",
        "deployment.apps/probe",
        &format!("named by --map {map}; already private"),
        &format!("{private}:v1"),
    ] {
        assert!(line.contains(part), "{part}: {}", wide.stdout);
    }
    let unused = plugin(&lab, 0, &["images", "--map", &format!("{MIRROR}/other=acme/other")]);
    assert_stderr_contains(&unused, &["matches no image: check both names"]);
    let outside = plugin(&lab, 2, &["images", "--map", "e.example/x=acme/x"]);
    assert_stderr_contains(&outside, &["error: invalid --map e.example/x=acme/x", MIRROR]);

    // The same name is mirrored and judged.
    let place = "shop/deployment.apps/probe";
    let statuses = |flags: &[&str], code| {
        let report = parse_json(&plugin(&lab, code, &[&["status", "-o", "json"], flags].concat()));
        report["images"].as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    sync(&lab, 0, &["--map", &map, "--wait=false"]);
    wait_until_ready(&lab);
    assert!(ecr_tags(&lab).iter().any(|tag| tag.ends_with("/probe:v1")), "{:?}", ecr_tags(&lab));
    assert_eq!(container(&lab, "shop")["image"], format!("{private}:v1"));
    let is_judged = |lines: &[String]| lines.iter().any(|line| line.contains(PROBE));
    assert!(is_judged(&statuses(&["--map", &map], 0)), "{place}");
    assert!(!is_judged(&statuses(&[], 0)), "{place}");
    let kustomize = plugin(&lab, 0, &["values", "kustomize", "--map", &map]).stdout;
    assert!(kustomize.contains(&format!("newName: {private}")), "{kustomize}");
    let manifest = write_file(
        &lab,
        "probe.yaml",
        &format!(
            "kind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: p, image: '{PROBE}:v1'}}]}}\n"
        ),
    );
    let path = manifest.display().to_string();
    let rewritten = plugin(&lab, 0, &["rewrite", "-f", &path, "--registry", MIRROR, "--map", &map]).stdout;
    assert!(rewritten.contains(&format!("{private}:v1")), "{rewritten}");
}

#[test]
fn a_knowledge_file_reaches_helm_values_and_preflight() {
    let lab = complete_lab();
    HelmRelease::new("castai-agent", "acme", "acme-agents", "1.0.0")
        .with_workloads(&lab, &["deployment/castai-agent"])
        .store(&lab);
    let chart = "charts: [acme-agents]\n";
    let unknown = plugin(&lab, 1, &["values", "helm", "--knowledge", &file(&lab, chart)]);
    assert_stderr_contains(&unknown, &["no known value of the chart sets it"]);
    let values = "chartValues: [{chart: acme-agents, image: agent, key: runner.image}]\n";
    // The lab's own releases are not stored, so they are named.
    let known = plugin(&lab, 1, &["values", "helm", "--knowledge", &file(&lab, &format!("{chart}{values}"))]);
    assert!(!known.stderr.contains("no known value"), "{}", known.stderr);
    assert!(known.stdout.contains(&format!("runner:\n  image: {MIRROR}/{AGENT}\n")), "{}", known.stdout);

    let variable = json!({"name": "PROBE_ADDR", "value": "probe.cast.ai:443"});
    let container = json!({"name": "probe", "image": "acme/probe:v1", "env": [variable]});
    kubectl(&lab, &["create", "namespace", "tools"]);
    apply(&lab, &deployment("tools", "probe", &container));
    let before = plugin(&lab, 0, &["preflight", "-o", "json"]).stdout;
    assert!(!before.contains("probe.cast.ai"), "{before}");
    let knowledge = file(&lab, "namespaces: [tools]\nendpointVariables: {PROBE_ADDR: grpc}\n");
    let after = parse_json(&plugin(&lab, 1, &["preflight", "-o", "json", "--knowledge", &knowledge]));
    assert!(after.to_string().contains("probe.cast.ai"), "{after:#}");
}

#[test]
fn a_variable_of_a_knowledge_file_is_rewritten_and_rolled_back() {
    let lab = own_lab();
    publish(&lab, &format!("{PROBE}:v1"), &Recipe::default());
    let variable = json!([{"name": "PROBE_IMAGE", "value": format!("{PROBE}:v1")}]);
    let agent = json!({"name": "agent", "image": format!("{PROBE}:v1"), "env": variable});
    apply(&lab, &deployment("castai-agent", "probe", &agent));
    let knowledge = file(&lab, "variables: [PROBE_IMAGE]\n");
    sync(&lab, 0, &["--knowledge", &knowledge, "--wait=false"]);
    assert_eq!(container(&lab, "castai-agent")["env"][0]["value"], format!("{MIRROR}/{PROBE}:v1"));
    let recorded = recorded_images(&lab, "deployment/probe");
    let public = json!(format!("{PROBE}:v1"));
    assert_eq!(recorded["env/agent/PROBE_IMAGE"]["from"], public, "{recorded}");
    let flags = ["--yes", "--wait=false", "--knowledge", &knowledge];
    plugin(&lab, 0, &[&["rollback", "deployment/probe"][..], &flags].concat());
    let restored = container(&lab, "castai-agent");
    assert_eq!((&restored["image"], &restored["env"][0]["value"]), (&public, &public));
}
