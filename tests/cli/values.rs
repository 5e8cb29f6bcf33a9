//! `values helm`, `kustomize` and `patches` persist the rewrite with the same names that `sync-images` sets.

use std::collections::BTreeMap;

use lab::host::Lab;
use serde_json::{Value, json};

use crate::harness::{
    HelmRelease, MIRROR, apply, assert_stderr_contains, castai_images, define_custom_resource, empty_lab,
    kubectl, kubectl_json, own_lab, plugin, snapshot_document, snapshot_in_pipe, snapshot_on_terminals, sync,
};

const NAMESPACE: &str = "castai-agent";

#[test]
fn values_and_manifests_contain_the_names_of_sync_images() {
    let lab = own_lab();
    // Without Helm releases, the error names the alternatives.
    assert_stderr_contains(
        &plugin(&lab, 1, &["values", "helm"]),
        &["no Helm release of Cast AI", "values kustomize"],
    );

    HelmRelease::new(NAMESPACE, "castai-agent", "castai-agent", "0.161.1")
        .with_workloads(&lab, &["deployment/castai-agent"])
        .store(&lab);
    let kvisor = ["deployment/castai-kvisor-controller", "daemonset/castai-kvisor-agent"];
    HelmRelease::new(NAMESPACE, "castai-kvisor", "castai-kvisor", "1.164.8")
        .with_workloads(&lab, &kvisor)
        .with_hook("hook", "ghcr.io/castai/images/unheard-of:v1", "pre-delete")
        .store(&lab);
    let component = json!({"apiVersion": "castware.cast.ai/v1alpha1", "kind": "Component",
        "metadata": {"name": "agent", "namespace": NAMESPACE}, "spec": {"component": "castai-agent"}});
    define_custom_resource(&lab, "castware.cast.ai", "components", "Component", "Namespaced");
    apply(&lab, &component);

    snapshot_in_pipe(&lab, "images-helm-release", 0, &["images", "--explain"]);
    snapshot_on_terminals(&lab, "images-helm-release", &["images"], "");
    snapshot_document(&lab, "images-helm-release", 0, &["images"]);
    snapshot_in_pipe(&lab, "values-helm", 1, &["values", "helm"]);

    let folder = lab.folder().home().join("values");
    let written = plugin(&lab, 1, &["values", "helm", "--directory", folder.to_str().unwrap()]);
    assert_eq!(written.stdout.lines().count(), 3, "{}", written.stdout);
    assert_stderr_contains(
        &written,
        &["warning: Helm release castai-kvisor in namespace castai-agent", "(a hook) needs", "values policy"],
    );
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let agent = read("castai-agent_castai-agent.yaml");
    assert!(
        agent.contains("# helm upgrade castai-agent ") && agent.contains(" --version 0.161.1 "),
        "{agent}"
    );
    // The command is complete.
    let path = folder.join("castai-agent_castai-agent.yaml");
    assert!(agent.contains(&format!(" -f {}\n", path.display())), "{agent}");
    let repository = format!("{MIRROR}/us-docker.pkg.dev/castai-hub/library/agent");
    assert_eq!(yaml(&agent), [json!({"image": {"repository": repository}})]);
    // The hook's image has no key, so every other image has its own key.
    let kvisor = read("castai-agent_castai-kvisor.yaml");
    assert!(kvisor.contains("# not covered: container/hook"), "{kvisor}");
    let stem = format!("{MIRROR}/ghcr.io/castai/kvisor/kvisor");
    assert_eq!(yaml(&kvisor), [json!({"image": {"repository": stem}})]);
    let patch = yaml(&read("castai-agent_agent_component.yaml"));
    assert_eq!(patch[0], json!({"spec": {"values": {"image": {"repository": repository}}}}));
    // The operator's resource accepts the printed patch.
    let path = folder.join("castai-agent_agent_component.yaml");
    let path = format!("--patch-file={}", path.display());
    kubectl(
        &lab,
        &["patch", "components.castware.cast.ai", "agent", "--namespace=castai-agent", "--type=merge", &path],
    );

    // Printed output consists of the same documents.
    let printed = plugin(&lab, 1, &["values", "helm"]);
    assert_eq!(yaml(&printed.stdout).len(), 3);

    builds_with_kustomize(&lab);

    // A controller that would lose its scanners keeps its name, with a warning.
    let elsewhere = format!("{MIRROR}/my-controller");
    for kind in ["kustomize", "patches"] {
        let partial = plugin(&lab, 1, &["values", kind, "--registry", &elsewhere]);
        assert_stderr_contains(
            &partial,
            &[
                "kvisor-controller",
                "deployment.apps/castai-kvisor-controller",
                "keeps its name here",
                "set SCANNERS_IMAGE to",
            ],
        );
        assert!(
            partial.stdout.contains("my-controller/ghcr.io/castai/kvisor/kvisor-agent"),
            "{}",
            partial.stdout
        );
        assert!(!partial.stdout.contains("kvisor/kvisor-controller"), "{}", partial.stdout);
    }

    // The names are the same before and after the rewrite, and they are those that workloads get.
    let kustomize = plugin(&lab, 1, &["values", "kustomize"]).stdout;
    let patches = plugin(&lab, 1, &["values", "patches"]).stdout;
    let before = castai_images(&lab);
    sync(&lab, 0, &["--wait=false", "--exclude=*unheard-of*"]);
    let after = castai_images(&lab);
    assert_eq!(plugin(&lab, 1, &["values", "kustomize"]).stdout, kustomize);
    assert_eq!(plugin(&lab, 1, &["values", "patches"]).stdout, patches);
    let names: BTreeMap<String, String> = yaml(&kustomize)[0]["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(&entry["name"]), text(&entry["newName"])))
        .collect();
    assert!(before.len() > 5 && before != after, "{before:#?}");
    for (place, image) in &before {
        let (name, tag) = image.rsplit_once(':').unwrap();
        assert_eq!(after[place], format!("{}:{tag}", names[name]), "{place:?}");
    }
    let patched: Vec<Value> = yaml(&patches)[0]["patches"].as_array().unwrap().clone();
    let mut values: Vec<_> = patched
        .iter()
        .flat_map(|entry| serde_json::from_str::<Vec<Value>>(entry["patch"].as_str().unwrap()).unwrap())
        .filter(|operation| operation["op"] == "replace")
        .map(|operation| text(&operation["value"]))
        .collect();
    let mut expected: Vec<_> = after.into_values().collect();
    expected.sort();
    values.sort();
    assert_eq!(values, expected);
}

/// kubectl accepts the output as a part of a kustomization with a Deployment and a `DaemonSet`, and renames their images.
fn builds_with_kustomize(lab: &Lab) {
    let folder = lab.folder().home().join("kustomization");
    std::fs::create_dir(&folder).unwrap();
    let names = ["deployment/castai-agent", "daemonset/castai-kvisor-agent"];
    let files: Vec<String> = names.iter().map(|name| format!("{}.json", name.replace('/', "-"))).collect();
    for (name, file) in names.iter().zip(&files) {
        let found = kubectl_json(lab, &["get", name, "--namespace", NAMESPACE]);
        std::fs::write(folder.join(file), found.to_string()).unwrap();
    }
    let built = |printed: &str| -> Vec<String> {
        let whole = format!("resources: {}\n{printed}", json!(files));
        std::fs::write(folder.join("kustomization.yaml"), whole).unwrap();
        let built = lab.kubectl(&["kustomize", folder.to_str().unwrap()]).unwrap();
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        let manifests = yaml(&built.stdout);
        assert_eq!(manifests.len(), 2, "{}", built.stdout);
        let pods = manifests.iter().map(|manifest| &manifest["spec"]["template"]["spec"]["containers"]);
        pods.flat_map(|list| list.as_array().unwrap()).map(|one| text(&one["image"])).collect()
    };
    let images = built(&plugin(lab, 1, &["values", "kustomize"]).stdout);
    assert!(images.len() > 2 && images.iter().all(|image| image.starts_with(MIRROR)), "{images:?}");
    // A patch must have a target among the resources, and this folder has only some of them.
    let patches = yaml(&plugin(lab, 1, &["values", "patches"]).stdout).remove(0);
    let is_here = |entry: &&Value| {
        let target = &entry["target"];
        let name = format!("{}/{}", text(&target["kind"]).to_lowercase(), text(&target["name"]));
        names.contains(&name.as_str())
    };
    let here: Vec<&Value> = patches["patches"].as_array().unwrap().iter().filter(is_here).collect();
    assert_eq!(here.len(), 2, "{patches:#}");
    assert_eq!(built(&format!("patches: {}", json!(here))), images);
}

#[test]
fn without_cast_ai_values_prints_nothing() {
    let lab = empty_lab();
    // With prefixes, the policy can be applied before the first installation.
    let beforehand = plugin(&lab, 0, &["values", "policy", "--extent=prefixes"]);
    assert!(beforehand.stdout.contains("/castai-hub/"), "{}", beforehand.stdout);
    for kind in ["helm", "kustomize", "patches", "policy"] {
        let refused = plugin(&lab, 1, &["values", kind]);
        assert_stderr_contains(
            &refused,
            &["no image of Cast AI to mirror found", "before the first installation"],
        );
        assert_eq!(refused.stdout, "");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}
