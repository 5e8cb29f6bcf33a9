//! How each version of Helm handles an image that another field manager set, step by step.

use std::path::Path;

use lab::host::Lab;
use serde_json::json;

use super::{Helm, NAMESPACE, chart_path, private};
use crate::harness::{
    AGENT, assert_stderr_contains, container_image, kubectl, kubectl_json, parse_json, plugin,
    recorded_images, sync, wait_until_ready, write_file,
};

const OURS: &str = "kubectl-castai_privatelink";
const BY_HELM: &str = "by Helm (field manager \"helm\") at 20";
const CPVPA: &str = "registry.k8s.io/cpa/cpvpa";

#[test]
fn helm_3_reverts_images_silently_and_ignores_ownership() {
    upgrades_after_a_rewrite("helm3");
}

#[test]
fn helm_4_conflicts_until_its_values_name_the_image_and_ownership_is_relinquished() {
    upgrades_after_a_rewrite("helm4");
}

fn upgrades_after_a_rewrite(program: &'static str) {
    let next = format!("{AGENT}:v0.162.0");
    let helm = Helm::new(program, &["registry.k8s.io/cpa/cpvpa:v0.8.4", &next]);
    let (lab, chart) = (&helm.lab, chart_path("castai-agent"));
    let now = || container_image(lab, "castai-agent", "agent");
    let public = format!("{AGENT}:v0.161.1");
    helm.install("castai-agent");
    let first = sync(lab, 0, &["--wait=false"]);
    assert_eq!(now(), private(&public));
    let guarded = "note: upgrades by Helm that set another image of deployment.apps/castai-agent, \
                   deployment.apps/castai-agent-cpvpa will fail with a conflict; use the values of `values helm`, \
                   and run sync-images again afterwards";
    assert_eq!(first.stderr.contains(guarded), helm.applies(), "{}", first.stderr);

    // Without our values.
    let status = |code| plugin(lab, code, &["status"]);
    if helm.applies() {
        wait_until_ready(lab);
        assert!(status(0).stdout.contains("owned by this plugin: another image from Helm conflicts"));
        let refused = helm.upgrade(1, &chart, &[]);
        assert_stderr_contains(&refused, &[OURS, r#".spec.template.spec.containers[name="agent"].image"#]);
        assert_eq!(now(), private(&public));
    } else {
        helm.upgrade(0, &chart, &[]);
        assert_eq!(now(), public);
        let reverted = status(1);
        assert!(reverted.stdout.contains(BY_HELM), "{}", reverted.stdout);
        sync(lab, 0, &["--wait=false"]);
        assert_eq!(now(), private(&public));
    }

    // With equal values.
    let repository = format!("--set=image.repository={}", private(AGENT));
    let sizes = format!("--set=clusterVPA.repository={}", private(CPVPA));
    let values = [repository.as_str(), sizes.as_str()];
    helm.upgrade(0, &chart, &values);
    assert_eq!(now(), private(&public));
    let both: &[&str] = if helm.applies() { &["helm", OURS] } else { &[OURS] };
    assert_eq!(helm.field_owners("castai-agent", "agent"), both);

    // With a new tag, whose image is mirrored.
    let next_chart = helm.next_version("castai-agent", "v0.162.0");
    helm.render_and_sync(&next_chart, "", "--no-rewrite");
    if helm.applies() {
        assert_stderr_contains(
            &helm.upgrade(1, &next_chart, &values),
            &[OURS, r#"containers[name="agent"].image"#],
        );
        assert_eq!(now(), private(&public));
        relinquish_ownership(&helm);
    } else {
        remove_our_entry(lab);
        assert_eq!(now(), private(&public));
    }
    helm.upgrade(0, &next_chart, &values);
    assert_eq!(now(), private(&next));

    // Again without our values: Helm has no conflict now.
    sync(lab, 0, &["--wait=false"]);
    helm.upgrade(0, &next_chart, &["--reset-values"]);
    assert_eq!(now(), next);
    let reverted = status(1);
    assert_stderr_contains(&reverted, &["3 reverted", "note: Helm release castai-agent reverts the image"]);
    assert!(reverted.stdout.contains(BY_HELM), "{}", reverted.stdout);
    roll_back(&helm, &chart);
}

/// Helm owns the restored images again, and its next upgrade has no conflict.
fn roll_back(helm: &Helm, chart: &Path) {
    let lab = &helm.lab;
    let before = container_image(lab, "castai-agent", "agent");
    sync(lab, 0, &["--wait=false"]);
    assert_eq!(container_image(lab, "castai-agent", "agent"), private(&before));
    plugin(lab, 0, &["rollback", "--yes", "--wait=false"]);
    assert_eq!(container_image(lab, "castai-agent", "agent"), before);
    if helm.applies() {
        assert!(helm.field_owners("castai-agent", "agent").is_empty());
    }
    let again = plugin(lab, 0, &["rollback", "--yes"]);
    assert!(again.stdout.starts_with("nothing to do"), "{}", again.stdout);
    helm.upgrade(0, chart, &["--reset-values"]);
    assert_ne!(container_image(lab, "castai-agent", "agent"), before);
}

/// `status` recommends it, a dry run shows it, and a run does it: images and records are kept. A second run does nothing.
fn relinquish_ownership(helm: &Helm) {
    let lab = &helm.lab;
    let before = container_image(lab, "castai-agent", "agent");
    let shared = plugin(lab, 1, &["status"]);
    assert_stderr_contains(
        &shared,
        &["3 with field ownership to relinquish: run kubectl castai-privatelink sync-images"],
    );
    let planned = sync(lab, 0, &["--dry-run"]);
    assert_eq!(
        planned.stdout.matches("ownership relinquished (server dry run)").count(),
        2,
        "{}",
        planned.stdout
    );
    assert_eq!(
        helm.field_owners("castai-agent", "agent"),
        ["helm", OURS],
        "a dry run relinquishes no ownership"
    );

    let report = parse_json(&sync(lab, 0, &["-o", "json"]));
    let agent = &report["workloads"][0];
    assert_eq!(agent["relinquished"], json!(["container/agent", "container/monitor"]));
    assert_eq!(agent["ownership"], json!({"ownedBy": "owner", "owner": "helm"}));
    assert_eq!((&agent["changes"], &agent["outcome"]["type"]), (&json!([]), &json!("updated")));
    assert_eq!(helm.field_owners("castai-agent", "agent"), ["helm"]);
    assert_eq!(container_image(lab, "castai-agent", "agent"), before);
    let kept = recorded_images(lab, "deployment/castai-agent");
    assert_eq!(kept["container/agent"]["to"], before, "the records for rollback are kept");

    let again = sync(lab, 0, &[]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
    wait_until_ready(lab);
    let good = plugin(lab, 0, &["status"]);
    assert!(good.stdout.contains("owned by Helm"), "{}", good.stdout);
}

/// By hand, for a field that `sync-images` does not relinquish.
fn remove_our_entry(lab: &Lab) {
    let arguments = ["get", "deployment", "castai-agent", "-n", NAMESPACE, "--show-managed-fields"];
    let object = kubectl_json(lab, &arguments);
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let index = entries.iter().position(|entry| entry["manager"] == OURS).unwrap();
    let entry = format!("/metadata/managedFields/{index}");
    let patch = json!([
        {"op": "test", "path": format!("{entry}/manager"), "value": OURS},
        {"op": "remove", "path": entry},
    ]);
    let patch = format!("--patch={patch}");
    kubectl(lab, &["patch", "deployment", "castai-agent", "-n", NAMESPACE, "--type=json", &patch]);
}

#[test]
fn ownership_by_apply_cannot_be_relinquished_when_helm_3_merges() {
    apply_instead("helm3");
}

#[test]
fn ownership_by_apply_can_be_relinquished_when_helm_4_shares_it() {
    apply_instead("helm4");
}

/// The reason for owning fields by patches: a field that an apply omits is removed if no other manager owns it.
fn apply_instead(program: &'static str) {
    let helm = Helm::new(program, &[]);
    let lab = &helm.lab;
    helm.install("castai-agent");
    let wanted = private(&format!("{AGENT}:v0.161.1"));
    let apply = |container| {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "castai-agent", "namespace": NAMESPACE},
            "spec": {"template": {"spec": {"containers": [container]}}},
        });
        let path = write_file(lab, "ours.json", &object.to_string());
        let manager = format!("--field-manager={OURS}");
        let arguments =
            ["apply", "--server-side", "--force-conflicts", &manager, "-f", path.to_str().unwrap()];
        lab.kubectl(&arguments).unwrap()
    };
    assert_eq!(apply(json!({"name": "agent", "image": wanted})).code, Some(0));
    if !helm.applies() {
        assert_stderr_contains(&apply(json!({"name": "agent"})), &["image: Required value"]);
        return;
    }
    let repository = format!("--set=image.repository={}", private(AGENT));
    helm.upgrade(0, &chart_path("castai-agent"), &[&repository]);
    assert_eq!(apply(json!({"name": "agent"})).code, Some(0));
    assert_eq!(container_image(lab, "castai-agent", "agent"), wanted);
    assert_eq!(helm.field_owners("castai-agent", "agent"), ["helm"]);
}
