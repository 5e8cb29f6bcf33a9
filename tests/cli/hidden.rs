//! Images that no workload shows: those of Helm's hooks and of Cast AI's custom resources.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use lab::host::Lab;
use serde_json::{Value, json};

use crate::support::{json, kubectl, kubectl_json, mirrored_tags, own_lab, plugin, says, sync};

const HOOK: &str = "rancher/kubectl:v1.35.6";

#[test]
fn images_of_hooks_are_mirrored_where_secrets_may_be_listed() {
    let lab = own_lab();
    let image = json!({"host": "docker.io", "repository": "rancher/kubectl", "tag": "v1.35.6",
        "recipe": {"size": 20_000}});
    lab.control().post("/source/images", &image).unwrap();
    release(
        &lab,
        "castai-agent",
        "castai-evictor",
        1,
        "superseded",
        "castai-evictor",
        "rancher/kubectl:v1.0.0",
    );
    release(&lab, "castai-agent", "castai-evictor", 2, "deployed", "castai-evictor", HOOK);
    release(&lab, "shop", "web", 1, "deployed", "web", "shop/migrate:v1");

    // Without the right to list Secrets the rest is done, and what was not seen is said.
    kubectl(
        &lab,
        &[
            "create",
            "clusterrole",
            "no-secrets",
            "--verb=get,list,patch",
            "--resource=deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,cronjobs.batch,\
             jobs.batch,pods,replicationcontrollers,nodes",
        ],
    );
    kubectl(
        &lab,
        &["create", "clusterrolebinding", "no-secrets", "--clusterrole=no-secrets", "--user=limited"],
    );
    let kubeconfig = format!("--kubeconfig={}", lab.kubeconfig_for("limited", None).unwrap().display());
    let limited = sync(&lab, 0, &[&kubeconfig]);
    says(
        &limited,
        &[
            "warning: cannot list secrets: Error from server (Forbidden)",
            "images of Helm releases and their hooks are not seen there",
        ],
    );
    assert!(!mirrored_tags(&lab).contains(HOOK));

    // The printed roles allow it in Cast AI's namespace alone, and that is enough.
    let script = "kubectl castai-privatelink permissions rbac --subject user:operator | kubectl apply -f -";
    let applied = lab.run("bash", &["-c", script]).unwrap();
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let may = ["auth", "can-i", "list", "secrets", "--all-namespaces", "--as=operator"];
    assert_eq!(lab.kubectl(&may).unwrap().stdout.trim(), "no");
    let kubeconfig = format!("--kubeconfig={}", lab.kubeconfig_for("operator", None).unwrap().display());
    let arguments = ["sync-images", "--no-mirror", "--no-rewrite", "-o", "json", &kubeconfig];
    let found = plugin(&lab, 0, &arguments);
    assert!(!found.stderr.contains("warning"), "{}", found.stderr);
    let images = json(&found)["images"].as_array().unwrap().clone();
    assert!(images.iter().any(|wanted| wanted["image"] == HOOK), "{images:?}");

    let inventory = json(&plugin(&lab, 0, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json"]));
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
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

#[test]
fn images_of_custom_resources_are_mirrored_and_left_to_their_operators() {
    let lab = own_lab();
    for (repository, tag) in [("castai/jmx-exporter", "v1.0.0"), ("castai/next", "v2.0.0")] {
        let image =
            json!({"host": "docker.io", "repository": repository, "tag": tag, "recipe": {"size": 20_000}});
        lab.control().post("/source/images", &image).unwrap();
    }
    apply(&lab, &definition("castware.cast.ai", "components", "Component", "Namespaced"));
    apply(&lab, &definition("pod-mutations.cast.ai", "podmutations", "PodMutation", "Cluster"));
    for kind in ["components.castware.cast.ai", "podmutations.pod-mutations.cast.ai"] {
        kubectl(&lab, &["wait", "--for=condition=Established", "--timeout=300s", &format!("crd/{kind}")]);
    }
    let component = json!({"apiVersion": "castware.cast.ai/v1alpha1", "kind": "Component",
        "metadata": {"name": "next", "namespace": "castai-agent"},
        "spec": {"values": {"image": {"repository": "castai/next", "tag": "v2.0.0"}}}});
    let mutation = json!({"apiVersion": "pod-mutations.cast.ai/v1alpha1", "kind": "PodMutation",
        "metadata": {"name": "jmx"},
        "spec": {"patches": [{"op": "add", "path": "/spec/initContainers/-",
            "value": {"name": "jmx", "image": "castai/jmx-exporter:v1.0.0"}}]}});
    apply(&lab, &component);
    apply(&lab, &mutation);
    let inventory = json(&plugin(&lab, 0, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json"]));
    let of = |image: &str| {
        let images = inventory["images"].as_array().unwrap().iter();
        images
            .filter(|wanted| wanted["image"] == image)
            .map(|wanted| wanted["usedBy"][0].clone())
            .next()
            .unwrap()
    };
    assert_eq!(of("castai/next:v2.0.0")["carrier"], "field/spec/values/image");
    assert_eq!(of("castai/next:v2.0.0")["place"]["resource"], "component.castware.cast.ai");
    assert_eq!(of("castai/jmx-exporter:v1.0.0")["carrier"], "field/spec/patches/0/value/image");
    sync(&lab, 0, &[]);
    let tags = mirrored_tags(&lab);
    assert!(tags.contains("castai/next:v2.0.0") && tags.contains("castai/jmx-exporter:v1.0.0"), "{tags:?}");
    let after = kubectl_json(&lab, &["get", "components.castware.cast.ai/next", "--namespace=castai-agent"]);
    assert_eq!(after["spec"], component["spec"]);
}

/// A definition that takes any content.
pub(crate) fn definition(group: &str, plural: &str, kind: &str, scope: &str) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope, "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": open}}],
        },
    })
}

pub(crate) fn apply(lab: &Lab, manifest: &Value) {
    let path = lab.folder().home().join("manifest.json");
    std::fs::write(&path, manifest.to_string()).unwrap();
    kubectl(lab, &["create", "-f", path.to_str().unwrap()]);
}

/// Makes the Secret that Helm would keep of a release with one hook.
pub(crate) fn release(
    lab: &Lab,
    namespace: &str,
    name: &str,
    revision: u32,
    status: &str,
    chart: &str,
    hook_image: &str,
) {
    let hook = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "hook"},
        "spec": {"template": {"spec": {"containers": [{"name": "kubectl", "image": hook_image}]}}}});
    let content = json!({
        "name": name, "namespace": namespace, "version": revision, "info": {"status": status}, "config": {},
        "chart": {"metadata": {"name": chart, "version": "0.35.143"}, "templates": [], "values": {}},
        "manifest": "---\nkind: ConfigMap\n",
        "hooks": [{"name": "hook", "kind": "Job", "path": format!("{chart}/templates/hook.yaml"),
            "manifest": hook.to_string(), "events": ["pre-upgrade"]}],
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {
            "name": format!("sh.helm.release.v1.{name}.v{revision}"), "namespace": namespace,
            "labels": {"name": name, "owner": "helm", "status": status, "version": revision.to_string()},
        },
        "stringData": {"release": packed(&content)},
    });
    apply(lab, &secret);
}

pub(crate) fn packed(content: &Value) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.to_string().as_bytes()).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}
