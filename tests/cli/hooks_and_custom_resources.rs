//! Images that are in no workload: those of Helm's hooks and of Cast AI's custom resources.

use lab::registry::image::Recipe;
use serde_json::json;

use crate::harness::{
    HelmRelease, apply, assert_stderr_contains, define_custom_resource, grant_access, kubeconfig_flag,
    kubectl_json, mirrored_tags, own_lab, parse_json, plugin, publish, snapshot_in_pipe,
    snapshot_on_terminals, sync,
};

const HOOK: &str = "rancher/kubectl:v1.35.6";

#[test]
fn images_of_hooks_are_mirrored_if_secrets_can_be_listed() {
    let lab = own_lab();
    publish(&lab, &format!("docker.io/{HOOK}"), &Recipe { size: 20_000, ..Recipe::default() });
    let evictor = |image| {
        HelmRelease::new("castai-agent", "castai-evictor", "castai-evictor", "0.35.143").with_hook(
            "kubectl",
            image,
            "pre-upgrade",
        )
    };
    HelmRelease { status: "superseded", ..evictor("rancher/kubectl:v1.0.0") }.store(&lab);
    HelmRelease { revision: 2, ..evictor(HOOK) }.store(&lab);
    HelmRelease::new("shop", "web", "web", "0.35.143")
        .with_hook("kubectl", "shop/migrate:v1", "pre-upgrade")
        .store(&lab);

    // Without permission to list Secrets, everything else is done, and a message names what was not read.
    let kinds = "deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,cronjobs.batch,jobs.batch,pods,\
                 replicationcontrollers,nodes";
    let kubeconfig = grant_access(&lab, "limited", "get,list,patch", kinds);
    let limited = sync(&lab, 0, &[&kubeconfig]);
    assert_stderr_contains(
        &limited,
        &[
            "warning: cannot list secrets: Error from server (Forbidden)",
            "images of Helm releases and their hooks are not found there",
        ],
    );
    assert!(!mirrored_tags(&lab).contains(HOOK));

    // The printed roles allow it only in Cast AI's namespace, which is sufficient.
    let script = "kubectl castai-privatelink permissions rbac --subject user:operator | kubectl apply -f -";
    let applied = lab.run("bash", &["-c", script]).unwrap();
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let may = ["auth", "can-i", "list", "secrets", "--all-namespaces", "--as=operator"];
    assert_eq!(lab.kubectl(&may).unwrap().stdout.trim(), "no");
    let kubeconfig = kubeconfig_flag(&lab, "operator");
    let arguments = ["sync-images", "--no-mirror", "--no-rewrite", "-o", "json", &kubeconfig];
    let found = plugin(&lab, 0, &arguments);
    assert!(!found.stderr.contains("warning"), "{}", found.stderr);
    let images = parse_json(&found)["images"].as_array().unwrap().clone();
    assert!(images.iter().any(|wanted| wanted["image"] == HOOK), "{images:?}");

    let inventory =
        parse_json(&plugin(&lab, 0, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json"]));
    let images = inventory["images"].as_array().unwrap();
    let hook: Vec<_> = images.iter().filter(|wanted| wanted["image"] == HOOK).collect();
    assert_eq!(hook.len(), 1, "{inventory:#}");
    let used = &hook[0]["usedBy"][0];
    assert_eq!(used["reason"], json!({"rule": "release", "chart": "castai-evictor-0.35.143", "hook": true}));
    let names: Vec<_> = images.iter().filter_map(|wanted| wanted["image"].as_str()).collect();
    assert!(!names.contains(&"shop/migrate:v1") && !names.contains(&"rancher/kubectl:v1.0.0"), "{names:?}");

    sync(&lab, 0, &[]);
    assert!(mirrored_tags(&lab).contains(HOOK), "{:?}", mirrored_tags(&lab));
    let again = sync(&lab, 0, &[]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
}

#[test]
fn images_of_custom_resources_are_mirrored_and_not_rewritten() {
    let lab = own_lab();
    for image in ["castai/jmx-exporter:v1.0.0", "castai/next:v2.0.0"] {
        publish(&lab, &format!("docker.io/{image}"), &Recipe { size: 20_000, ..Recipe::default() });
    }
    define_custom_resource(&lab, "castware.cast.ai", "components", "Component", "Namespaced");
    define_custom_resource(&lab, "pod-mutations.cast.ai", "podmutations", "PodMutation", "Cluster");
    let component = json!({"apiVersion": "castware.cast.ai/v1alpha1", "kind": "Component",
        "metadata": {"name": "next", "namespace": "castai-agent"},
        "spec": {"values": {"image": {"repository": "castai/next", "tag": "v2.0.0"}}}});
    let mutation = json!({"apiVersion": "pod-mutations.cast.ai/v1alpha1", "kind": "PodMutation",
        "metadata": {"name": "jmx"},
        "spec": {"patches": [{"op": "add", "path": "/spec/initContainers/-",
            "value": {"name": "jmx", "image": "castai/jmx-exporter:v1.0.0"}}]}});
    apply(&lab, &component);
    apply(&lab, &mutation);
    snapshot_in_pipe(&lab, "images-custom-resource", 0, &["images", "--explain"]);
    snapshot_on_terminals(&lab, "images-custom-resource", &["images"], "");
    let inventory =
        parse_json(&plugin(&lab, 0, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json"]));
    let of = |image: &str| {
        let images = inventory["images"].as_array().unwrap().iter();
        images
            .filter(|wanted| wanted["image"] == image)
            .map(|wanted| wanted["usedBy"][0].clone())
            .next()
            .unwrap()
    };
    assert_eq!(of("castai/next:v2.0.0")["imageField"], "field/spec/values/image");
    assert_eq!(of("castai/next:v2.0.0")["place"]["resource"], "component.castware.cast.ai");
    assert_eq!(of("castai/jmx-exporter:v1.0.0")["imageField"], "field/spec/patches/0/value/image");
    sync(&lab, 0, &[]);
    let tags = mirrored_tags(&lab);
    assert!(tags.contains("castai/next:v2.0.0") && tags.contains("castai/jmx-exporter:v1.0.0"), "{tags:?}");
    let after = kubectl_json(&lab, &["get", "components.castware.cast.ai/next", "--namespace=castai-agent"]);
    assert_eq!(after["spec"], component["spec"]);
}
