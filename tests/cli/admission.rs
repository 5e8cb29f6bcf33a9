//! The admission policy that `values policy` applies: what it renames, and what it leaves alone.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use castai_privatelink::castai::built_in;
use castai_privatelink::model::image::{Image, Mirror};
use castai_privatelink::model::inventory::{ImageField, WorkloadKind, WorkloadName};
use castai_privatelink::model::name_map::NameMap;
use castai_privatelink::model::workload::Workload;
use castai_privatelink::sync::discover::{Found, ImageFilter, discover};
use castai_privatelink::sync::plan::assignment::{ImageSource, assign};
use jiff::Timestamp;
use lab::host::Lab;
use lab::settings::{Fixture, Settings};
use lab::{address, injector};
use serde_json::{Value, json};

use crate::harness::{
    MIRROR, add_fault, assert_stderr_contains, define_custom_resource_version, ecr_tags, eventually,
    grant_access, kubectl, kubectl_json, own_lab, plugin, sync, wait_until_ready, workload_specs, write_file,
};
use crate::interruption::Random;

const POLICY: &str = "mutatingadmissionpolicy.admissionregistration.k8s.io/castai-privatelink";

#[test]
fn the_policy_renames_the_same_images_as_rewriting_and_no_others() {
    let lab = Lab::start(&Settings { fixture: Fixture::WholeCluster, ..Settings::default() }).unwrap();

    // Without a mirror, there is nothing to rename.
    let early = plugin(&lab, 1, &["values", "policy"]);
    assert_stderr_contains(
        &early,
        &["no image that Cast AI needs in this cluster", "sync-images --no-rewrite"],
    );

    sync(&lab, 0, &["--no-rewrite"]);
    let printed = plugin(&lab, 0, &["values", "policy"]);
    assert!(printed.stdout.contains("failurePolicy: Ignore"), "{}", printed.stdout);
    let path = lab.folder().home().join("policy.yaml");
    std::fs::write(&path, &printed.stdout).unwrap();
    kubectl(&lab, &["apply", "--dry-run=server", "-f", path.to_str().unwrap()]);
    let dry = plugin(&lab, 0, &["values", "policy", "--apply", "--dry-run"]);
    assert!(dry.stdout.contains(&format!("{POLICY} applied (server dry run)")), "{}", dry.stdout);
    let refused = plugin(&lab, 2, &["values", "policy", "--apply"]);
    assert_stderr_contains(
        &refused,
        &["error: stdin is not a terminal: pass --yes to confirm", "this would apply"],
    );
    let absent = lab.kubectl(&["get", POLICY]).unwrap();
    assert_eq!(absent.code, Some(1), "{}", absent.stdout);

    // A server before Kubernetes 1.36 serves no such policies. The policy is then Kyverno's, which is not installed.
    let none = json!({"kind": "APIResourceList", "apiVersion": "v1", "resources": [],
        "groupVersion": "admissionregistration.k8s.io/v1"});
    let headers = json!({"content-type": "application/json"});
    let action = json!({"kind": "status", "status": 200, "headers": headers, "body": none.to_string()});
    add_fault(
        &lab,
        "kubernetes",
        &json!({"path": "/apis/admissionregistration.k8s.io/v1", "action": action}),
    );
    let server = format!("--server=http://{}", address::API_SERVER_FRONT);
    let kyverno = plugin(&lab, 0, &["values", "policy", &server]);
    assert_stderr_contains(&kyverno, &["does not serve MutatingAdmissionPolicy"]);
    assert!(kyverno.stdout.contains("kind: ClusterPolicy"), "{}", kyverno.stdout);
    let unserved = plugin(&lab, 2, &["values", "policy", "--apply", "--yes", &server]);
    assert_stderr_contains(&unserved, &["Kyverno is not installed", "install Kyverno first"]);

    let applied = plugin(&lab, 0, &["values", "policy", "--apply", "--yes"]);
    assert_stderr_contains(&applied, &["to undo: kubectl delete"]);
    kubectl(
        &lab,
        &[
            "apply",
            "--server-side",
            "-f",
            write_file(&lab, "webhook.json", &injecting(&lab).to_string()).to_str().unwrap(),
        ],
    );
    let hibernate = "castai/hibernate:v0.14";
    eventually("the policy and the webhook are active", || {
        let pods = create(&lab, &[pod("x", "default", &[], &[hibernate], Some(hibernate))]);
        images(&pods[0]) == [format!("{MIRROR}/{hibernate}"), format!("{MIRROR}/{hibernate}")]
    });

    // A pod that is actually created runs, with the init container that the webhook injected after the policy.
    let kvisor = "ghcr.io/castai/kvisor/kvisor-agent:v1.164.8";
    let customers = pod("customer", "default", &[], &[hibernate], Some(kvisor));
    kubectl(
        &lab,
        &["create", "-f", write_file(&lab, "customers.json", &customers.to_string()).to_str().unwrap()],
    );
    kubectl(&lab, &["wait", "--for=condition=Ready", "--timeout=300s", "pod/customer"]);
    let created = kubectl_json(&lab, &["get", "pod", "customer"]);
    assert_eq!(images(&created), [format!("{MIRROR}/{kvisor}"), format!("{MIRROR}/{hibernate}")]);

    let mut random = Random::from_environment();
    let held: BTreeSet<String> =
        ecr_tags(&lab).iter().filter_map(|tag| Some(tag.rsplit_once(':')?.0.to_owned())).collect();
    let is_held = |image: &Image, _: &Image| held.contains(image.path());
    compare(&lab, &mut random, &[], is_held);

    // With prefixes, images are renamed whether they are mirrored or not, and so is a name that the user added.
    let map = format!("{MIRROR}/own-pinner=us-docker.pkg.dev/castai-hub/library/pod-pinner");
    let prefixes =
        plugin(&lab, 0, &["values", "policy", "--extent=prefixes", "--map", &map, "--apply", "--yes"]);
    assert_stderr_contains(&prefixes, &["warning: --extent=prefixes also renames images", "does not hold"]);
    let pinner = "us-docker.pkg.dev/castai-hub/library/pod-pinner";
    eventually("the new policy is active", || {
        let pods = create(&lab, &[pod("x", "default", &[], &[pinner], None)]);
        images(&pods[0]) == [format!("{MIRROR}/own-pinner:latest")]
    });
    compare(&lab, &mut random, &[map.parse().unwrap()], |_, source| built_in().knows(source));
}

/// Creates generated pods as server dry runs, and expects the same images as from rewriting.
/// `is_covered` gets the name in the mirror and the source.
fn compare(lab: &Lab, random: &mut Random, maps: &[NameMap], is_covered: impl Fn(&Image, &Image) -> bool) {
    let pods: Vec<_> = (0..Random::rounds(10)).map(|index| generated(random, index)).collect();
    let created = create(lab, &pods);
    assert_eq!(created.len(), pods.len());
    let mut renamed = 0;
    for (pod, created) in pods.iter().zip(&created) {
        let expected = rewritten(pod, maps, &is_covered);
        assert_eq!(images(created), expected, "seed {}: {pod:#}", random.seed);
        renamed += usize::from(expected != images(pod));
    }
    assert!(renamed > 0, "seed {}: nothing was renamed", random.seed);
}

/// The images that discovery and rewriting would give to a pod.
fn rewritten(pod: &Value, maps: &[NameMap], is_covered: &impl Fn(&Image, &Image) -> bool) -> Vec<String> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let workload = Workload {
        name: WorkloadName {
            cluster: "demo".to_owned(),
            namespace: text("/metadata/namespace"),
            kind: WorkloadKind::Pod,
            name: text("/metadata/name"),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        managers: Vec::new(),
        controller: None,
        pod: serde_json::from_value(pod.clone()).unwrap(),
        has_ended: false,
        replicas: None,
    };
    let found = Found { workloads: &[workload], ..Found::default() };
    let inventory =
        discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), Timestamp::UNIX_EPOCH);
    let mirror: Mirror = MIRROR.parse().unwrap();
    let mut names = BTreeMap::new();
    for assigned in assign(&inventory, &mirror, maps, Some(address::REGION)) {
        let ImageSource::Known(source) = &assigned.source else { continue };
        if is_covered(&assigned.destination, source) {
            for used in assigned.used_by {
                names.insert(used.used_by.image_field, assigned.destination.to_string());
            }
        }
    }
    let image_fields: [fn(&str) -> ImageField; 3] =
        [ImageField::of_init_container, ImageField::of_container, ImageField::of_volume];
    let renamed = |(list, name, image): (usize, String, String)| {
        let renamed = names.get(&image_fields[list](&name)).cloned();
        renamed.unwrap_or(image)
    };
    items(pod).into_iter().map(renamed).collect()
}

/// Images of a pod, those of init containers first and those of volumes last.
fn images(pod: &Value) -> Vec<String> {
    items(pod).into_iter().map(|(.., image)| image).collect()
}

/// Parts of a pod that have an image: the index in their list, their name, and the image.
fn items(pod: &Value) -> Vec<(usize, String, String)> {
    let lists = [("initContainers", "/image"), ("containers", "/image"), ("volumes", "/image/reference")];
    let mut found = Vec::new();
    for (list, (member, image)) in lists.into_iter().enumerate() {
        for item in pod["spec"][member].as_array().into_iter().flatten() {
            if let Some(image) = item.pointer(image).and_then(Value::as_str) {
                found.push((list, item["name"].as_str().unwrap().to_owned(), image.to_owned()));
            }
        }
    }
    found
}

fn generated(random: &mut Random, index: usize) -> Value {
    let namespace = ["castai-agent", "default", "kube-system"][random.below(3)];
    let mut draw = |least: usize, spread: usize| -> Vec<String> {
        (0..least + random.below(spread)).map(|_| image(random)).collect()
    };
    let (init, containers, volumes) = (draw(0, 3), draw(1, 3), draw(0, 2));
    let mut pod = pod(&format!("p{index}"), namespace, &names(&init), &names(&containers), None);
    let volumes = volumes.iter().enumerate();
    let mut volumes: Vec<_> = volumes
        .map(|(index, image)| json!({"name": format!("v{index}"), "image": {"reference": image}}))
        .collect();
    volumes.insert(0, json!({"name": "scratch", "emptyDir": {}}));
    pod["spec"]["volumes"] = volumes.into();
    pod
}

fn names(images: &[String]) -> Vec<&str> {
    images.iter().map(String::as_str).collect()
}

fn image(random: &mut Random) -> String {
    const REPOSITORIES: &[&str] = &[
        "us-docker.pkg.dev/castai-hub/library/agent",
        "us-docker.pkg.dev/castai-hub/library/pod-pinner",
        "us-docker.pkg.dev/castai-hub/library/never-mirrored",
        "us-docker.pkg.dev/castai-hubble/agent",
        "ghcr.io/castai/kvisor/kvisor-agent",
        "ghcr.io/castai/kvisor/kvisor-scanners",
        "ghcr.io/castai/Upper",
        "ghcr.io/castai/double__under--dash.dot",
        "ghcr.io/acme/castai/agent",
        "castai/hibernate",
        "docker.io/castai/hibernate",
        "index.docker.io/castai/next",
        "castai",
        "localhost:5000/castai/hibernate",
        "registry.k8s.io/cpa/cpvpa",
        "rancher/kubectl",
        "docker.io/rancher/kubectl",
        "nvcr.io/nvidia/k8s/dcgm-exporter",
        "nginx",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink/castai/hibernate",
        "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/pause",
    ];
    const DIGEST: &str = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let repository = REPOSITORIES[random.below(REPOSITORIES.len())];
    let tag = ["", ":v1", ":v0.161.1", ":V1_x.y-z", ":latest", ":-bad", ":a:b"][random.below(7)];
    let digest = ["", "", "", DIGEST, "@sha256:0123"][random.below(5)];
    format!("{repository}{tag}{digest}")
}

/// A pod; the webhook injects an init container with the image `injected`.
fn pod(name: &str, namespace: &str, init: &[&str], containers: &[&str], injected: Option<&str>) -> Value {
    let list = |prefix: &str, images: &[&str]| -> Vec<Value> {
        let named = images.iter().enumerate();
        named.map(|(index, image)| json!({"name": format!("{prefix}{index}"), "image": image})).collect()
    };
    let annotations = injected.map(|image| json!({injector::ANNOTATION: image}));
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"initContainers": list("i", init), "containers": list("c", containers)},
    })
}

/// The pods as the server would store them.
fn create(lab: &Lab, pods: &[Value]) -> Vec<Value> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
    let made = lab
        .kubectl(&[
            "create",
            "--dry-run=server",
            "-o",
            "json",
            "-f",
            write_file(lab, "manifest.json", &list.to_string()).to_str().unwrap(),
        ])
        .unwrap();
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    // kubectl prints one object after the other.
    serde_json::Deserializer::from_str(&made.stdout).into_iter().map(Result::unwrap).collect()
}

/// The configuration of the lab's webhook, which runs after policies and requests no reinvocation.
fn injecting(lab: &Lab) -> Value {
    let authority = STANDARD.encode(std::fs::read(lab.folder().authority_certificate()).unwrap());
    let url = format!("https://{}/inject", address::INJECTOR.0);
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "injector"},
        "webhooks": [{
            "name": address::INJECTOR.0, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": url, "caBundle": authority},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        }],
    })
}

/// Under the policy, new pods keep their private images whatever their workload says.
#[test]
fn a_rollback_that_the_policy_would_undo_changes_nothing() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    wait_until_ready(lab);
    plugin(lab, 0, &["values", "policy", "--apply", "--yes"]);
    let public = "castai/hibernate:v0.14";
    let is_active = || {
        let pods = create(lab, &[pod("x", "castai-agent", &[], &[public], None)]);
        images(&pods[0]) == [format!("{MIRROR}/{public}")]
    };
    eventually("the policy is active", is_active);
    let before = workload_specs(lab);
    let delete = "kubectl delete mutatingadmissionpolicy.admissionregistration.k8s.io/castai-privatelink \
                  mutatingadmissionpolicybinding.admissionregistration.k8s.io/castai-privatelink";
    for flags in [&["--yes"][..], &["--yes", "--wait=false"], &["--dry-run=server"], &["--dry-run=client"]] {
        let output = plugin(lab, 1, &[&["rollback"], flags].concat());
        assert_stderr_contains(
            &output,
            &[
                "error: 5 workloads in namespace castai-agent not updated (",
                "new pods would keep private images, because ",
                delete,
            ],
        );
        assert!(!output.stderr.contains("warning: nodes will pull"), "{}", output.stderr);
        assert!(!output.stdout.contains("rolled back"), "{}", output.stdout);
        assert_eq!(workload_specs(lab), before, "nothing was changed");
    }

    // A user who cannot read policies learns it from the pods, and the record is kept.
    let kinds = "deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,cronjobs.batch,\
                 jobs.batch,replicationcontrollers,nodes,pods";
    let blind = grant_access(lab, "blind", "get,list,patch", kinds);
    let output = plugin(lab, 1, &["rollback", "--yes", "--settle-time=2s", &blind, "deploy/castai-agent"]);
    assert_stderr_contains(
        &output,
        &[
            "note: cannot read admission policies: ",
            "error: deployment.apps/castai-agent in namespace castai-agent was restored to its private images: \
             pod castai-agent-",
            &format!("it runs {MIRROR}/"),
            "because an admission policy or webhook changes images of new pods",
        ],
    );
    assert_eq!(workload_specs(lab), before);

    // Nor can such a user learn it before. Who may create pods asks admission instead.
    let output = plugin(lab, 1, &["rollback", "--dry-run", &blind]);
    assert_eq!(output.stderr.lines().last(), Some("error: incomplete: cannot read admission policies"));
    let creator = grant_access(lab, "creator", "get,list,patch", kinds);
    grant_access(lab, "creator", "create", "pods");
    let output = plugin(lab, 1, &["rollback", "--dry-run", &creator]);
    assert_stderr_contains(
        &output,
        &[
            "error: 5 workloads in namespace castai-agent not updated (",
            "because an admission policy renames them; remove it first, if it is the one of `values policy`: ",
            delete,
        ],
    );
    assert_eq!(workload_specs(lab), before);

    // As the message says.
    kubectl(lab, &delete.split(' ').skip(1).collect::<Vec<_>>());
    eventually("the policy is gone", || !is_active());
    let output = plugin(lab, 0, &["rollback", "--yes", "--wait=false"]);
    assert!(output.stdout.contains("image rolled back"), "{}", output.stdout);
}

/// Kyverno's policy is noticed as an object. Whether it renames anything is what new pods show, where they may be created.
#[test]
fn a_rollback_notices_the_policy_of_kyverno() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    wait_until_ready(lab);
    define_custom_resource_version(lab, "kyverno.io", "v1", ("clusterpolicies", "ClusterPolicy"), "Cluster");
    let applied = plugin(lab, 0, &["values", "policy", "--engine=kyverno", "--apply", "--yes"]);
    let object = "clusterpolicy.kyverno.io/castai-privatelink";
    assert_stderr_contains(&applied, &[&format!("to undo: kubectl delete {object}")]);
    let before = workload_specs(lab);
    let kinds = "deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,cronjobs.batch,\
                 jobs.batch,replicationcontrollers,nodes,pods";
    grant_access(lab, "operator", "get,list,patch", kinds);
    let policies = "clusterpolicies.kyverno.io,mutatingadmissionpolicies.admissionregistration.k8s.io,\
                    mutatingadmissionpolicybindings.admissionregistration.k8s.io";
    let operator = grant_access(lab, "operator", "get", policies);
    for flags in [&["--yes"][..], &["--dry-run=server"]] {
        let output = plugin(lab, 1, &[&["rollback", &operator], flags].concat());
        let cause = format!("because {object} renames them; remove it first: kubectl delete {object}");
        assert_stderr_contains(
            &output,
            &["error: 5 workloads in namespace castai-agent not updated (", &cause],
        );
        assert_eq!(workload_specs(lab), before, "nothing was changed");
    }
    // Kyverno does not run here, so new pods get what their workloads say.
    let output = plugin(lab, 0, &["rollback", "--dry-run=server"]);
    assert!(output.stdout.contains("image rolled back (server dry run)"), "{}", output.stdout);
}
