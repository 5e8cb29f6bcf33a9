//! `images` lists every image with its reason and the workloads that use it, from the cluster or only from manifests.

use std::collections::BTreeSet;

use lab::host::{Lab, Output};
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use crate::harness::{
    HelmRelease, MIRROR, apply, assert_stderr_contains, clear_traffic, define_custom_resource, eventually,
    kubectl, kubectl_json, mirrored_tags, parse_json, plugin, plugin_without_aws, publish, shared_lab, sync,
    traffic, wait_for_failed_pull, whole_cluster_lab, workload_specs, write_file,
};

/// An image of another publisher that Cast AI is known to use, so that a customer's pending pod can select it.
const JMX: &str = "otel/ebpf-instrument:v1.0.0";
const ROLLOUT: &str = "ghcr.io/castai/live/gate:v0.1.0";
const AWS_NODE: &str = "ghcr.io/castai/live/aws-vpc-cni:v0.118.0";
const HOOK: &str = "ghcr.io/castai/live/kubectl:v1.35.0";
const NAMED: &str = "quay.io/acme/probe:v1";

/// Runs `images` without AWS credentials, and asserts that only the cluster got requests.
#[track_caller]
fn images(lab: &Lab, code: i32, arguments: &[&str]) -> Output {
    lab.control().delete("/aws/requests").unwrap();
    clear_traffic(lab);
    let output = plugin_without_aws(lab, code, &[&["images"], arguments].concat());
    let asked: Vec<Value> = lab.control().get("/aws/requests").unwrap();
    assert!(asked.is_empty(), "{asked:?}");
    assert!(traffic(lab, "source").is_empty(), "no registry gets requests");
    output
}

fn file(lab: &Lab, name: &str, content: &str) -> String {
    write_file(lab, &format!("images/{name}"), content).display().to_string()
}

/// Each use as `image namespace/object image_field: reason`.
fn uses(inventory: &Value) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let images = inventory["images"].as_array().unwrap().iter();
    images
        .flat_map(|wanted| wanted["usedBy"].as_array().unwrap().iter().map(move |used| (wanted, used)))
        .map(|(wanted, used)| {
            let place = &used["place"];
            let kind = if place["kind"].is_null() { &place["resource"] } else { &place["kind"] };
            let object = format!("{}/{}/{}", text(&place["namespace"]), text(kind), text(&place["name"]));
            let rule = text(&used["reason"]["rule"]);
            format!("{} {object} {}: {rule}", text(&wanted["image"]), text(&used["imageField"]))
        })
        .collect()
}

fn create(lab: &Lab, group: &str, plural: &str, kind: &str, name: &str) -> Value {
    define_custom_resource(lab, group, plural, kind, "Namespaced");
    let version = format!("{group}/v1alpha1");
    let metadata = json!({"name": name, "namespace": "shop"});
    // The API server publishes the kind slightly before it serves it.
    let path = file(
        lab,
        "owner.json",
        &json!({"apiVersion": version, "kind": kind, "metadata": metadata}).to_string(),
    );
    eventually("the kind is served", || lab.kubectl(&["create", "-f", &path]).unwrap().code == Some(0));
    let made = kubectl_json(lab, &["get", &format!("{plural}.{group}/{name}"), "-n", "shop"]);
    let uid = &made["metadata"]["uid"];
    json!([{"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true}])
}

/// Objects that no fixture has: a webhook's container in a customer's pod, a custom controller, castai-live's patch of
/// `aws-node`, and its hook.
fn add_hidden_images(lab: &Lab) {
    for image in [&format!("docker.io/{JMX}"), ROLLOUT, AWS_NODE, HOOK] {
        publish(lab, image, &Recipe { size: 20_000, ..Recipe::default() });
    }
    let rollout = create(lab, "argoproj.io", "rollouts", "Rollout", "checkout");
    apply(
        lab,
        &json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "checkout-5d9f", "namespace": "shop", "ownerReferences": rollout},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "checkout"}}, "template": {
            "metadata": {"labels": {"app": "checkout"}},
            "spec": {"containers": [
                {"name": "checkout", "image": "shop/checkout:1"}, {"name": "gate", "image": ROLLOUT},
            ]},
        }}}),
    );
    let clones = create(lab, "apps.kruise.io", "clonesets", "CloneSet", "jvm");
    for name in ["jvm-1", "jvm-2"] {
        apply(
            lab,
            &json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "ownerReferences": clones},
            "spec": {
                "initContainers": [{"name": "castai-jmx-exporter-init", "image": JMX}],
                "containers": [{"name": "jvm", "image": "docker.io/shopcorp/jvm:1"}],
            }}),
        );
    }
    kubectl(
        lab,
        &["set", "image", "-n", "kube-system", "daemonset/aws-node", &format!("aws-node={AWS_NODE}")],
    );
    HelmRelease::new("castai-live", "castai-live", "castai-live", "0.35.143")
        .with_hook("kubectl", HOOK, "pre-upgrade")
        .store(lab);
    eventually("both pods wait for the image", || {
        let pods = kubectl_json(lab, &["get", "pods", "-n", "shop"]);
        let waits = |pod: &&Value| {
            let reason = &pod["status"]["initContainerStatuses"][0]["state"]["waiting"]["reason"];
            reason == "ErrImagePull" || reason == "ImagePullBackOff"
        };
        pods["items"].as_array().unwrap().iter().filter(waits).count() == 2
    });
}

#[test]
fn every_image_has_a_reason_and_excluded_images_are_explained() {
    let lab = whole_cluster_lab();
    let before = uses(&parse_json(&images(&lab, 0, &["-o", "json"])));
    assert_eq!(before.len(), 25, "{before:#?}");
    kubectl(&lab, &["create", "namespace", "castai-live"]);
    add_hidden_images(&lab);

    let seen = parse_json(&images(&lab, 0, &["-o", "json", "--include-image", NAMED, "--explain"]));
    let added: Vec<_> = uses(&seen).difference(&before).cloned().collect();
    assert_eq!(
        added,
        [
            format!("{AWS_NODE} kube-system/DaemonSet/aws-node container/aws-node: patchedBy"),
            format!("{ROLLOUT} shop/rollout.argoproj.io/checkout container/gate: imagePrefix"),
            format!("{HOOK} castai-live// container/kubectl: release"),
            format!("{JMX} shop/cloneset.apps.kruise.io/jvm init/castai-jmx-exporter-init: failingPod"),
            format!("{NAMED} // named: named"),
        ],
    );
    let why = |object: &str, image_field: &str| {
        let excluded = seen["explanation"]["excluded"].as_array().unwrap();
        let is_it = |one: &&Value| one["place"]["name"] == object && one["imageField"] == json!(image_field);
        excluded.iter().find(is_it).map(|one| one["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert!(why("castai-db-agent", "env/db-agent/AGENT_IMAGE").contains("its value is a tag"));
    assert!(why("checkout", "container/checkout").contains("neither the workload nor the image"));
    let excluded = seen["explanation"]["excluded"].to_string();
    assert!(!excluded.contains("cloneset.apps"), "included images are not excluded: {excluded}");
    assert!(why("backup", "container/backup").contains("the workload does not belong to Cast AI"));
    let tables = images(&lab, 0, &["--explain"]);
    for words in [
        "pod jvm-1 cannot pull it (",
        "Cast AI injects containers with this name",
        "owned by Rollout checkout (argoproj.io): change it there",
        "patched by castai-live: Cast AI image prefix ghcr.io/castai/",
        "hook of castai-live-0.35.143",
        "EXCLUDED",
        "deployment.apps/castai-cost-report",
        "its name looks like Cast AI's",
    ] {
        assert!(tables.stdout.contains(words), "`{words}`:\n{}", tables.stdout);
    }
    let names = images(&lab, 0, &["-o", "name"]).stdout;
    assert_eq!(names.lines().filter(|line| *line == AWS_NODE).count(), 1, "{names}");

    // All of them are mirrored, and fields that are not rewritable keep their images.
    let shop =
        |lab: &Lab| kubectl_json(lab, &["get", "replicasets/checkout-5d9f", "-n", "shop"])["spec"].clone();
    let replica_set = shop(&lab);
    // The pod of a Job cannot pull its image.
    wait_for_failed_pull(&lab, "castai-agent", "castai-evictor-crd-upgrade-1");
    sync(&lab, 1, &["--include-cni"]);
    let tags = mirrored_tags(&lab);
    for image in [JMX, AWS_NODE, ROLLOUT, HOOK] {
        assert!(tags.contains(image), "{image}: {tags:?}");
    }
    assert_eq!(shop(&lab), replica_set);

    // The same images are listed by their public names when the cluster has the private ones.
    let after = images(&lab, 0, &["-o", "wide"]);
    assert!(after.stdout.contains(&format!("{MIRROR}/{AWS_NODE}")), "{}", after.stdout);
    assert_eq!(images(&lab, 0, &["-o", "name"]).stdout, names);
}

const MANIFESTS: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: castai-agent}
spec:
  template:
    spec:
      containers:
        - {name: agent, image: us-docker.pkg.dev/castai-hub/library/agent:v0.161.1}
        - {name: kvisor, image: e.example/ghcr.io/castai/kvisor/kvisor-controller:v1}
---
apiVersion: batch/v1
kind: Job
metadata: {name: crd-upgrade, annotations: {helm.sh/hook: pre-upgrade}}
spec: {template: {spec: {containers: [{name: kubectl, image: rancher/kubectl:v1.35.6}]}}}
";

#[test]
fn manifests_are_read_without_a_cluster_and_give_an_inventory() {
    let lab = shared_lab();
    let path = file(lab, "chart.yaml", MANIFESTS);
    let run = |code: i32, flags: &str| {
        let script =
            format!("kubectl castai-privatelink images -f - --server=http://127.0.0.1:1 {flags} <{path}");
        let output = lab.run("bash", &["-c", &script]).unwrap();
        assert_eq!(output.code, Some(code), "{flags}: {}{}", output.stdout, output.stderr);
        output
    };
    assert_eq!(
        run(0, "-o name").stdout.lines().collect::<Vec<_>>(),
        [
            // An image of another registry, although its path looks like the mirror's.
            "e.example/ghcr.io/castai/kvisor/kvisor-controller:v1",
            "e.example/ghcr.io/castai/kvisor/kvisor-scanners:v1",
            "rancher/kubectl:v1.35.6",
            "us-docker.pkg.dev/castai-hub/library/agent:v0.161.1",
        ]
    );
    let table = run(0, "").stdout;
    for words in ["Job/crd-upgrade", "hook in the standard input", "Deployment/castai-agent"] {
        assert!(table.contains(words), "{table}");
    }
    assert_stderr_contains(
        &run(1, "--only nothing"),
        &["no image of Cast AI found in the files given", "remove or change --only"],
    );
    assert_stderr_contains(&run(2, "-n castai-agent"), &["error: -n and -l cannot be used with -f"]);
    assert_stderr_contains(&run(2, "--explain -o name"), &["error: --explain cannot be used with -o name"]);

    // The inventory of a cluster, for a machine that reaches only the registries.
    let inventory = file(lab, "images.json", &plugin(lab, 0, &["images", "-o", "json"]).stdout);
    let handed_over =
        ["sync-images", "--no-discover", "--no-rewrite", "--dry-run", "--inventory", &inventory];
    let planned = plugin(lab, 0, &handed_over);
    assert!(planned.stdout.contains("castai/hibernate:v0.14"), "{}", planned.stdout);
}

#[test]
fn users_add_unknown_images() {
    let lab = shared_lab();
    let before = workload_specs(lab);
    let knowledge = file(
        lab,
        "knowledge.yaml",
        "# What the next version of Cast AI brings\nnamespaces: [shop]\nimagePrefixes: [quay.io/castai]\n\
         images: [ghcr.io/acme/probe:v1]\n",
    );
    let known = ["images", "-o", "json", "--knowledge", &knowledge];
    let found = parse_json(&plugin(lab, 0, &known));
    let uses = uses(&found);
    for (image, rule) in [("docker.io/shopcorp/cart:3.2", "namespace"), ("ghcr.io/acme/probe:v1", "named")] {
        assert!(uses.iter().any(|one| one.starts_with(image) && one.ends_with(rule)), "{image}: {uses:#?}");
    }
    assert_eq!(found["knowledge"]["imagePrefixes"], json!(["quay.io/castai"]));

    let prefixed = parse_json(&plugin(lab, 0, &["images", "-o", "json", "--image-prefix=shopcorp"]));
    let carts: Vec<_> = prefixed["images"].as_array().unwrap().iter().map(|one| &one["image"]).collect();
    assert!(carts.contains(&&json!("docker.io/shopcorp/cart:3.2")), "{carts:?}");

    for (content, words) in [
        ("prefixes: [x]", "unknown field `prefixes`"),
        ("imagePrefixes: [quay.io]", "it would match every image of that registry"),
        ("imagePrefixes: [", "line 1"),
        ("", "the file is empty"),
    ] {
        let bad = file(lab, "bad.yaml", content);
        for command in ["images", "sync-images"] {
            let output = plugin(lab, 2, &[command, "--knowledge", &bad]);
            assert_stderr_contains(&output, &["error: --knowledge", "bad.yaml", words, "docs/images.md"]);
        }
    }
    assert_stderr_contains(
        &plugin(lab, 2, &["images", "--knowledge", "nowhere.yaml"]),
        &["error: reading --knowledge nowhere.yaml"],
    );
    assert_stderr_contains(
        &plugin(lab, 2, &["images", "--image-prefix", "quay.io"]),
        &["add a path, such as quay.io/castai"],
    );
    assert_eq!(workload_specs(lab), before);
}
