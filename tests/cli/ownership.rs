//! Owners that will revert an image are named before anything is changed.

use serde_json::{Value, json};

use crate::harness::{
    AGENT, CONTROLLER, MIRROR, apply, assert_stderr_contains, container_image, define_custom_resource,
    kubectl, own_lab, parse_json, plugin, shared_lab, snapshot_in_pipe, snapshot_on_terminals,
    snapshot_output, sync,
};

#[test]
fn a_dry_run_names_the_owner_that_reverts_images() {
    let lab = shared_lab();
    let output = plugin(lab, 0, &["sync-images", "--dry-run"]);
    let notes: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
    assert_eq!(
        notes,
        [
            "note: 3 Helm releases (castai-agent, castai-hibernate, castai-kvisor) will revert these images at \
             their next upgrade, unless their values set the same images"
        ]
    );
    let wide = plugin(lab, 0, &["sync-images", "--dry-run=client", "-o", "wide"]).stdout;
    let mut rows = wide.lines().filter(|line| line.contains("Helm release castai-kvisor"));
    assert!(
        rows.next().is_some_and(|row| row.contains("deployment.apps/castai-kvisor-controller")),
        "{wide}"
    );
    assert!(rows.next().is_some_and(|row| row.contains("daemonset.apps/castai-kvisor-agent")), "{wide}");
}

#[test]
fn self_healing_workloads_are_skipped_unless_forced() {
    let lab = own_lab();
    let label = |workload: &str, label: &str| {
        kubectl(&lab, &["label", "-n", "castai-agent", workload, label]);
    };
    label("deployment/castai-agent", "argocd.argoproj.io/instance=cast");
    label("deployment/castai-kvisor-controller", "kustomize.toolkit.fluxcd.io/name=cast");
    let arguments: &[&str] =
        &["-l", "argocd.argoproj.io/instance in (cast)", "--settle-time=1s", "--wait=false"];
    // It is unknown whether the application self-heals.
    let unknown = sync(&lab, 1, arguments);
    snapshot_output("argocd-unknown", &format!("sync-images --yes {}", arguments.join(" ")), &unknown);
    assert_stderr_contains(
        &unknown,
        &["deployment.apps/castai-agent", "not updated: ", "Argo CD application cast", "--force"],
    );
    assert_eq!(container_image(&lab, "castai-agent", "agent"), format!("{AGENT}:v0.161.1"));

    define_custom_resource(&lab, "argoproj.io", "applications", "Application", "Namespaced");
    let application = |automated: &Value| {
        apply(
            &lab,
            &json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {"name": "cast", "namespace": "default"},
                "spec": {"syncPolicy": {"automated": automated}},
            }),
        );
    };
    application(&json!({"selfHeal": true}));
    let selector = ["-l", "argocd.argoproj.io/instance"];
    snapshot_in_pipe(&lab, "argocd-self-heals", 1, &[&["sync-images", "--dry-run"], &selector[..]].concat());
    snapshot_in_pipe(
        &lab,
        "argocd-self-heals-wide",
        1,
        &[&["sync-images", "--dry-run", "-o", "wide"], &selector[..]].concat(),
    );
    assert_stderr_contains(
        &sync(&lab, 1, arguments),
        &["not updated: Argo CD application cast", "selfHeal is enabled"],
    );
    application(&json!({"selfHeal": false}));
    snapshot_on_terminals(&lab, "argocd-question", &[&["sync-images"], &selector[..]].concat(), "n\n");
    sync(&lab, 0, arguments);
    assert_eq!(container_image(&lab, "castai-agent", "agent"), format!("{MIRROR}/{AGENT}:v0.161.1"));

    let flux: &[&str] = &["-l", "kustomize.toolkit.fluxcd.io/name", "--wait=false"];
    assert_stderr_contains(
        &sync(&lab, 1, flux),
        &["not updated: Flux Kustomization cast reverts the image within minutes"],
    );
    let report = parse_json(&sync(&lab, 0, &[flux, &["--force", "-o", "json"]].concat()));
    assert_eq!(report["workloads"][0]["owners"][0]["name"], "Flux Kustomization cast");
    assert_eq!(
        container_image(&lab, "castai-kvisor-controller", "controller"),
        format!("{MIRROR}/{CONTROLLER}:v1.164.8")
    );
}
