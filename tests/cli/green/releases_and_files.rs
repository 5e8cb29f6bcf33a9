//! The same for Helm releases, `rollback` and files.

use serde_json::json;

use super::{
    COMPONENTS, DAEMONSETS, Fault, NO_COMPONENTS, NO_PODS, NODES, NONE, PODS, Row, UNLISTED, assert_all,
    synced_lab,
};
use crate::harness::{AGENT, HelmRelease, MIRROR, own_lab, sync, write_file};

#[test]
fn commands_on_helm_releases_are_green_only_if_everything_was_looked_at() {
    let lab = synced_lab();
    for (name, workloads) in [
        ("castai-agent", &["deployment/castai-agent"][..]),
        ("castai-kvisor", &["daemonset/castai-kvisor-agent", "deployment/castai-kvisor-controller"]),
        ("castai-hibernate", &["cronjob/hibernate-pause", "cronjob/hibernate-resume"]),
    ] {
        HelmRelease::new("castai-agent", name, name, "0.161.1").with_workloads(&lab, workloads).store(&lab);
    }
    let rows: &[Row<'_>] = &[
        (DAEMONSETS, "values helm", 1, UNLISTED, NONE),
        (PODS, "values helm", 1, NO_PODS, NONE),
        (COMPONENTS, "values helm", 1, NO_COMPONENTS, NONE),
        (PODS, "values kustomize", 1, NO_PODS, NONE),
        (PODS, "values patches", 1, NO_PODS, NONE),
        (COMPONENTS, "values patches", 1, NO_COMPONENTS, NONE),
        (PODS, "values policy", 1, NO_PODS, NONE),
        (COMPONENTS, "values policy", 1, NO_COMPONENTS, NONE),
        (COMPONENTS, "values policy --extent=prefixes", 1, NO_COMPONENTS, NONE),
        (DAEMONSETS, "rollback --dry-run=client", 1, UNLISTED, ("/unlisted", "daemonsets.apps")),
        (DAEMONSETS, "rollback --dry-run deploy/castai-agent", 1, UNLISTED, ("/unlisted", "daemonsets.apps")),
        (
            Fault::Nothing,
            "rollback --dry-run deploy/gone",
            1,
            &["incomplete: 1 workload not found"],
            ("/notFound", "gone"),
        ),
    ];
    assert_all(&lab, rows);
}

#[test]
fn commands_on_files_are_green_only_if_everything_was_looked_at() {
    let lab = own_lab();
    sync(&lab, 0, &["--no-rewrite"]);
    let file = |name: &str, value: &serde_json::Value| {
        write_file(&lab, name, &value.to_string()).display().to_string()
    };
    let pod = |image: &str| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "castai-agent"},
            "spec": {"containers": [{"name": "main", "image": image}]}})
    };
    let good = file("good.json", &pod(&format!("{AGENT}:v0.161.1")));
    let broken = file("broken.json", &pod("us-docker.pkg.dev/castai-hub/library/Agent:v1"));
    let component = json!({"apiVersion": "castware.cast.ai/v1alpha1", "kind": "Component",
        "metadata": {"name": "agent"}, "spec": {"values": {"image": {"repository": AGENT, "tag": "v1"}}}});
    let public = file("public.json", &component);
    let wrapper = json!({"apiVersion": "acme.example/v1", "kind": "Wrapper", "metadata": {"name": "w"},
        "spec": {"template": pod(&format!("{AGENT}:v0.161.1"))}});
    let unknown = file("unknown.json", &wrapper);
    let rendered = format!(
        "---\n# Source: castai-agent/templates/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  \
         name: castai-agent\n  labels: {{helm.sh/chart: castai-agent-0.161.1}}\nspec: {{template: {{spec: {{containers: \
         [{{name: agent, image: '{AGENT}:v0.161.1'}}]}}}}}}\n"
    );
    let values_helm = format!("values helm -f {}", write_file(&lab, "rendered.yaml", &rendered).display());
    let values_helm_region = format!("{values_helm} --region=us-east-1");
    let [good_images, broken_images] = [&good, &broken].map(|file| format!("images -f {file}"));
    let [good, public, unknown] = [&good, &public, &unknown].map(|file| format!("rewrite -f {file}"));
    let alone = format!("{good} --registry={MIRROR}");
    let rows: &[Row<'_>] = &[
        (Fault::Nothing, &good_images, 0, &[], ("/images", "agent")),
        (Fault::Nothing, &broken_images, 1, &["hint: "], ("/unreadable", "Pod/p")),
        (Fault::Nothing, &good, 0, &[], NONE),
        (Fault::Nothing, &public, 1, &["--exclude IMAGE"], NONE),
        // A pod in another object is rewritten too.
        (Fault::Nothing, &unknown, 0, &[MIRROR], NONE),
        (Fault::Denied("ListImages"), &good, 1, &["nothing printed: "], NONE),
        (Fault::Sts("expired-token"), &good, 2, &[], NONE),
        // With --registry, neither the cluster nor STS is needed.
        (Fault::Forbidden("/"), &alone, 0, &[], NONE),
        (Fault::Sts("expired-token"), &alone, 0, &[], NONE),
        (Fault::Nothing, &values_helm, 0, &["helm upgrade --install castai-agent"], NONE),
        (Fault::Sts("expired-token"), &values_helm, 2, &[], NONE),
        (NODES, &values_helm_region, 0, &["helm upgrade --install castai-agent"], NONE),
    ];
    assert_all(&lab, rows);
}
