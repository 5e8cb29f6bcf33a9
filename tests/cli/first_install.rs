//! The first installation, in any namespace: before a release exists, and with objects that no label identifies.

use lab::host::Lab;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, HelmRelease, MIRROR, apply, assert_stderr_contains, define_custom_resource, empty_lab, kubectl,
    kubectl_json, mirrored_tags, own_lab, parse_json, plugin, plugin_without_kubeconfig, publish, shared_lab,
    snapshot_text, sync, wait_for_failed_pull, write_file,
};

const CPVPA: &str = "registry.k8s.io/cpa/cpvpa:v0.8.4";
const HOOK: &str = "rancher/kubectl:v1.35.6";
const CNI: &str = "ghcr.io/castai/live/aws-vpc-cni:v1";

/// Output of `helm template` with a Deployment, a hook whose image a value sets, and one whose image no value sets.
const RENDERED: &str = "---
# Source: castai-evictor/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: castai-evictor
  namespace: castai-agent
  labels: {helm.sh/chart: castai-evictor-0.35.143, app.kubernetes.io/instance: castai-evictor}
spec: {template: {spec: {containers: [{name: e, image: 'us-docker.pkg.dev/castai-hub/library/evictor:v1'}]}}}
---
# Source: castai-evictor/templates/crd-upgrade-job.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: castai-evictor-crd-upgrade-1, annotations: {helm.sh/hook: pre-install}}
spec: {template: {spec: {containers: [{name: k, image: 'rancher/kubectl:v1.35.6'}]}}}
---
# Source: castai/charts/kent/templates/preflight.yaml
apiVersion: batch/v1
kind: Job
metadata: {name: castai-kent-preflight, annotations: {helm.sh/hook: pre-install}}
spec: {template: {spec: {containers: [{name: k, image: 'bitnami/kubectl:latest'}]}}}
";

#[test]
fn values_are_printed_before_a_release_exists() {
    let lab = shared_lab();
    let flags = ["values", "helm", "-f", "-", "--registry", "registry.corp.example/cast"];
    // Neither a cluster nor AWS is needed.
    let printed = plugin_without_kubeconfig(lab, &flags, RENDERED);
    let screen = format!(
        "$ helm template … | kubectl castai-privatelink {}\n{}--- stderr\n{}--- exit code {}\n",
        flags.join(" "),
        printed.stdout,
        printed.stderr,
        printed.code.unwrap_or_default()
    );
    snapshot_text("values-helm-rendered", &screen);
    assert_eq!(printed.code, Some(1), "one image is not covered: {}", printed.stderr);

    // Where values cover everything, no policy is needed.
    let evictor = RENDERED.split("---\n# Source: castai/").next().unwrap();
    let covered = plugin_without_kubeconfig(lab, &flags, evictor);
    assert_eq!(covered.code, Some(0), "{}", covered.stderr);
    assert!(!covered.stderr.contains("values policy"), "{}", covered.stderr);
    assert!(covered.stdout.contains("registry.corp.example/cast/rancher/kubectl"), "{}", covered.stdout);

    // The printed commands use the same names.
    write_file(lab, "our knowledge.yaml", "charts: [acme]\n");
    let map = "registry.corp.example/cast/pinner=us-docker.pkg.dev/castai-hub/library/pod-pinner";
    let naming = ["--map", map, "--image-prefix", "quay.io/acme/", "--knowledge", "our knowledge.yaml"];
    let named = plugin_without_kubeconfig(lab, &[&flags[..], &naming].concat(), RENDERED);
    let same = format!(
        "--registry registry.corp.example/cast --map {map} --image-prefix quay.io/acme/ --knowledge 'our knowledge.yaml'"
    );
    assert_stderr_contains(
        &named,
        &[
            &format!("kubectl castai-privatelink sync-images -f - {same} --no-discover --no-rewrite\n"),
            &format!("kubectl castai-privatelink values policy --extent=prefixes --apply {same}\n"),
        ],
    );

    let unusable = plugin_without_kubeconfig(lab, &flags, "kind: Pod\nspec: {containers: []}\n");
    assert_eq!((unusable.code, &*unusable.stdout), (Some(2), ""));
    assert_stderr_contains(&unusable, &["pass the unchanged output of helm template"]);

    // Without --registry, only the cluster's account and region are read.
    let path = write_file(lab, "rendered.yaml", evictor);
    let file = path.to_str().unwrap();
    let online = plugin(lab, 0, &["values", "helm", "-f", file, "-n", "cast"]);
    assert!(online.stdout.contains(&format!("{MIRROR}/rancher/kubectl")), "{}", online.stdout);
    assert_stderr_contains(
        &online,
        &[
            &format!("  kubectl castai-privatelink sync-images -f {file} --no-rewrite"),
            "  helm upgrade --install castai-evictor castai-helm/castai-evictor --version 0.35.143 --namespace cast -f FILE",
        ],
    );
}

#[test]
fn a_script_is_answered_with_the_commands_to_use() {
    let lab = shared_lab();
    let script = "#!/bin/bash\nset -e\ncurl -H \"Authorization: Token $T\" 'https://api.cast.ai/v1/agent.yaml' | \
                  kubectl apply -f -\nhelm upgrade -i castai-evictor castai-helm/castai-evictor\n";
    for command in ["images", "sync-images", "rewrite", "values helm"] {
        let flags: Vec<_> = command.split(' ').chain(["-f", "-"]).collect();
        let refused = plugin_without_kubeconfig(lab, &flags, script);
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{command}: {}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 2, "{command}: {}", refused.stderr);
        assert_stderr_contains(
            &refused,
            &[
                "error: - is a shell script, not manifests",
                "curl … | kubectl castai-privatelink rewrite -f - | kubectl apply -f -",
                "helm template … | kubectl castai-privatelink rewrite -f - | kubectl apply -f -",
            ],
        );
    }
}

#[test]
fn an_image_of_cast_ai_that_stays_public_is_no_success() {
    let lab = shared_lab();
    let component = format!(
        "apiVersion: castware.cast.ai/v1alpha1\nkind: Component\nmetadata: {{name: agent}}\nspec:\n  values: {{image: \
         {{repository: {AGENT}, tag: v1}}}}\n"
    );
    let listed = plugin_without_kubeconfig(lab, &["images", "-f", "-"], &component);
    assert_eq!((listed.code, &*listed.stdout), (Some(1), ""));
    assert_stderr_contains(
        &listed,
        &[&format!("{AGENT} at .spec.values.image.repository of Component/agent in - is not listed")],
    );
    let rewrite = ["rewrite", "-f", "-", "--registry", MIRROR];
    let refused = plugin_without_kubeconfig(lab, &rewrite, &component);
    assert_eq!((refused.code, &*refused.stdout), (Some(1), ""));
    let place = "of Component/agent in the standard input stays public at .spec.values.image.repository";
    assert_stderr_contains(
        &refused,
        &[&format!("error: image {AGENT} {place}"), "error: nothing printed", "--exclude IMAGE"],
    );
    let accepted =
        plugin_without_kubeconfig(lab, &[&rewrite[..], &["--exclude", AGENT]].concat(), &component);
    assert_eq!((accepted.code, &*accepted.stdout), (Some(0), &*component));
    assert_stderr_contains(
        &accepted,
        &[&format!("note: {AGENT} stays public: excluded by --only or --exclude")],
    );
}

fn deployment(namespace: &str, name: &str, image: &str, account: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": image}]}}}})
}

fn image_of(lab: &Lab, namespace: &str, workload: &str) -> String {
    let object = kubectl_json(lab, &["get", workload, "-n", namespace]);
    object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[test]
fn workloads_without_labels_are_recognised_in_any_namespace() {
    let lab = empty_lab();
    for image in [&format!("{AGENT}:v0.161.1"), CPVPA] {
        publish(&lab, image, &Recipe { size: 20_000, ..Recipe::default() });
    }
    for namespace in ["cast", "accounts", "tenant"] {
        kubectl(&lab, &["create", "namespace", namespace]);
    }
    // Beside a component, with its service account, and with nothing but the name.
    apply(&lab, &deployment("cast", "castai-agent", &format!("{AGENT}:v0.161.1"), "default"));
    for (namespace, account) in [("cast", "default"), ("accounts", "castai-agent"), ("tenant", "default")] {
        apply(&lab, &deployment(namespace, "castai-agent-cpvpa", CPVPA, account));
    }
    let found = parse_json(&plugin(&lab, 0, &["images", "-o", "json", "--explain"]));
    let wanted = found["images"].as_array().unwrap().iter().find(|wanted| wanted["image"] == CPVPA).unwrap();
    let reasons: Vec<_> = wanted["usedBy"]
        .as_array()
        .unwrap()
        .iter()
        .map(|used| (used["place"]["namespace"].clone(), used["reason"].clone()))
        .collect();
    let reason =
        |evidence: &str| json!({"rule": "component", "component": "castai-agent", "evidence": evidence});
    assert_eq!(
        reasons,
        [
            (json!("accounts"), reason("service account castai-agent")),
            (json!("cast"), reason("Cast AI's components run in namespace cast")),
        ]
    );
    let excluded = found["explanation"]["excluded"].as_array().unwrap();
    let tenant = excluded.iter().find(|one| one["place"]["namespace"] == "tenant").unwrap();
    assert!(tenant["reason"].as_str().unwrap().contains("named like a workload of castai-agent"), "{tenant}");

    sync(&lab, 0, &[]);
    let cpvpa = "deployment/castai-agent-cpvpa";
    for namespace in ["cast", "accounts"] {
        assert_eq!(image_of(&lab, namespace, cpvpa), format!("{MIRROR}/{CPVPA}"), "{namespace}");
    }
    assert_eq!(image_of(&lab, "tenant", cpvpa), CPVPA, "a look-alike is not changed");
    // The decision is the same after the rewrite.
    let again = sync(&lab, 0, &[]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
}

#[test]
fn the_network_plugin_is_rewritten_only_on_request() {
    let lab = own_lab();
    publish(&lab, CNI, &Recipe { size: 20_000, ..Recipe::default() });
    kubectl(&lab, &["set", "image", "-n", "kube-system", "daemonset/aws-node", &format!("aws-node={CNI}")]);
    wait_for_failed_pull(&lab, "kube-system", "aws-node");
    // Its pods cannot pull the image, which needs attention whoever owns it.
    let named = sync(&lab, 1, &[]);
    assert!(mirrored_tags(&lab).contains(CNI), "it is mirrored");
    assert_eq!(image_of(&lab, "kube-system", "daemonset/aws-node"), CNI);
    let note = "error: daemonset.apps/aws-node in namespace kube-system not rewritable: not a workload of Cast AI: to rewrite it, add --include-cni";
    assert!(format!("{}{}", named.stdout, named.stderr).contains(note), "{}{}", named.stdout, named.stderr);
    sync(&lab, 0, &["--include-cni"]);
    assert_eq!(image_of(&lab, "kube-system", "daemonset/aws-node"), format!("{MIRROR}/{CNI}"));
    plugin(&lab, 0, &["rollback", "daemonset/aws-node", "-n", "kube-system", "--yes", "--wait=false"]);
    assert_eq!(image_of(&lab, "kube-system", "daemonset/aws-node"), CNI);
    // The order is in the plan: last.
    let plan =
        parse_json(&plugin(&lab, 0, &["sync-images", "--dry-run=client", "-o", "json", "--include-cni"]));
    let workloads = plan["clusterPlans"][0]["workloads"].as_array().unwrap();
    assert_eq!(workloads.last().unwrap()["workload"]["name"], "aws-node", "{workloads:#?}");
}

#[test]
fn releases_in_config_maps_are_read_and_others_are_named() {
    let lab = own_lab();
    // The lab's workloads name releases that are not stored, as with Helm's SQL driver.
    let sql = "Helm releases that are not stored in Secrets or ConfigMaps cannot be read (HELM_DRIVER=sql?): castai-agent/castai-agent";
    assert_stderr_contains(
        &plugin(&lab, 1, &["values", "helm"]),
        &["no Helm release of Cast AI", sql, "helm get manifest"],
    );
    HelmRelease::new("castai-agent", "castai-agent", "castai-agent", "0.161.1")
        .with_workloads(&lab, &["deployment/castai-agent"])
        .with_hook("kubectl", HOOK, "pre-upgrade")
        .store_in_config_map(&lab);
    // A ConfigMap of others with Helm's label is ignored.
    apply(
        &lab,
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "castai-agent",
            "labels": {"owner": "helm", "name": "x", "status": "deployed", "version": "1"}}}),
    );
    let found = parse_json(&plugin(&lab, 0, &["images", "-o", "json", "--explain"]));
    let hook = found["images"].as_array().unwrap().iter().find(|wanted| wanted["image"] == HOOK).unwrap();
    assert_eq!(hook["usedBy"][0]["reason"]["rule"], "release");
    let searched = found["explanation"]["searched"].to_string();
    assert!(
        searched.contains("Helm releases not read, because they are not in Secrets or ConfigMaps"),
        "{searched}"
    );
    assert!(!searched.contains("castai-agent/castai-agent"), "{searched}");
    let values = plugin(&lab, 1, &["values", "helm"]);
    assert!(values.stdout.contains(&format!("{MIRROR}/{AGENT}")), "{}", values.stdout);
    assert_stderr_contains(&values, &["castai-agent/castai-hibernate", "values helm -f -"]);
}

#[test]
fn the_operators_webhook_is_named() {
    let lab = own_lab();
    HelmRelease::new("castai-agent", "castai-agent", "castai-agent", "0.161.1")
        .with_workloads(&lab, &["deployment/castai-agent"])
        .store(&lab);
    define_custom_resource(&lab, "castware.cast.ai", "components", "Component", "Namespaced");
    let component = |readonly: bool| {
        json!({"apiVersion": "castware.cast.ai/v1alpha1", "kind": "Component",
            "metadata": {"name": "agent", "namespace": "castai-agent"},
            "spec": {"component": "castai-agent", "readonly": readonly}})
    };
    let note =
        "note: castware-operator's webhook loads the chart from spec.helmRepoURL of its Cluster object";
    apply(&lab, &component(false));
    let printed = plugin(&lab, 1, &["values", "helm"]);
    assert_stderr_contains(&printed, &[note]);
    assert!(!printed.stderr.contains("is readonly"), "{}", printed.stderr);
    assert!(printed.stdout.contains("# castware-operator's webhook loads the chart"), "{}", printed.stdout);
    apply(&lab, &component(true));
    let readonly = plugin(&lab, 1, &["values", "helm"]);
    assert_stderr_contains(
        &readonly,
        &["component.castware.cast.ai/agent in namespace castai-agent is readonly", note],
    );
    assert!(
        readonly.stdout.contains("# changes are rejected while spec.readonly is true"),
        "{}",
        readonly.stdout
    );
}
