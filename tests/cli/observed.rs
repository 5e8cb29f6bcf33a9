//! What a test looks at: workloads, the registries' content, and their traffic.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::address;
use lab::host::Lab;
use lab::registry::ecr::state::State;
use lab::registry::fault::Rule;
use lab::registry::image::Recipe;
use lab::registry::traffic::Record;
use serde_json::{Value, json};

use super::support::{PATH, kubectl_json};

pub(crate) const ECR: &str = address::ECR.0;
pub(crate) const AGENT: &str = "us-docker.pkg.dev/castai-hub/library/agent";
pub(crate) const CONTROLLER: &str = "ghcr.io/castai/kvisor/kvisor-controller";
pub(crate) const KVISOR: &str = "ghcr.io/castai/kvisor/kvisor-agent";
pub(crate) const SCANNERS: &str = "ghcr.io/castai/kvisor/kvisor-scanners";
pub(crate) const HIBERNATE: &str = "castai/hibernate";

/// The images of the lab's first cluster, as written.
pub(crate) fn first_images() -> [String; 5] {
    [
        format!("{HIBERNATE}:v0.14"),
        format!("{KVISOR}:v1.164.8"),
        format!("{CONTROLLER}:v1.164.8"),
        format!("{SCANNERS}:v1.164.8"),
        format!("{AGENT}:v0.161.1"),
    ]
}

const NAMESPACE: &str = "castai-agent";
const KINDS: &str =
    "deployments,daemonsets,statefulsets,replicasets,replicationcontrollers,cronjobs,jobs,pods,podtemplates";
const LIMIT: Duration = Duration::from_mins(5);

/// Metadata and specification by `namespace kind/name`. The resource version also counts what controllers write
/// into the status, so that it is left out.
pub(crate) type Workloads = BTreeMap<String, Value>;

/// Every workload that is not Cast AI's.
pub(crate) fn other_workloads(lab: &Lab) -> Workloads {
    workloads(lab, |namespace| namespace != NAMESPACE)
}

pub(crate) fn castai_workloads(lab: &Lab) -> Workloads {
    workloads(lab, |namespace| namespace == NAMESPACE)
}

fn workloads(lab: &Lab, wanted: impl Fn(&str) -> bool) -> Workloads {
    let list = kubectl_json(lab, &["get", KINDS, "--all-namespaces"]);
    let items = list["items"].as_array().expect("a list");
    let found: Workloads = items
        .iter()
        .filter(|item| wanted(text(&item["metadata"]["namespace"])))
        .map(|item| {
            let mut metadata = item["metadata"].clone();
            metadata.as_object_mut().expect("an object").remove("resourceVersion");
            let name = format!(
                "{} {}/{}",
                text(&metadata["namespace"]),
                text(&item["kind"]),
                text(&metadata["name"])
            );
            (name, json!({"metadata": metadata, "spec": item["spec"]}))
        })
        .collect();
    assert!(!found.is_empty(), "there are workloads to compare");
    found
}

/// When this plugin last wrote to each of Cast AI's workloads, as the API server has it.
pub(crate) fn our_writes(lab: &Lab) -> BTreeMap<String, String> {
    let list = kubectl_json(
        lab,
        &["get", "deployments,daemonsets,cronjobs", "-n", NAMESPACE, "--show-managed-fields"],
    );
    let items = list["items"].as_array().expect("a list");
    let ours = |item: &Value| {
        let entries = item["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let ours = entries.into_iter().find(|entry| entry["manager"] == "kubectl-castai_privatelink")?;
        Some((text(&item["metadata"]["name"]).to_owned(), text(&ours["time"]).to_owned()))
    };
    items.iter().filter_map(ours).collect()
}

/// The image of a container or init container, by workload and container.
pub(crate) fn images(lab: &Lab) -> BTreeMap<(String, String), String> {
    let list = kubectl_json(lab, &["get", "deployments,daemonsets,cronjobs", "-n", NAMESPACE]);
    let mut images = BTreeMap::new();
    for item in list["items"].as_array().expect("a list") {
        let spec = pod_spec(item);
        for container in
            ["initContainers", "containers"].into_iter().filter_map(|list| spec[list].as_array()).flatten()
        {
            let key = (text(&item["metadata"]["name"]).to_owned(), text(&container["name"]).to_owned());
            images.insert(key, text(&container["image"]).to_owned());
        }
    }
    images
}

fn pod_spec(workload: &Value) -> &Value {
    let template = workload.pointer("/spec/jobTemplate/spec/template/spec");
    template.unwrap_or(&workload["spec"]["template"]["spec"])
}

/// The image of one container of one of Cast AI's workloads.
#[track_caller]
pub(crate) fn image(lab: &Lab, workload: &str, container: &str) -> String {
    images(lab).remove(&(workload.to_owned(), container.to_owned())).expect("the container is there")
}

/// What is recorded on a workload: `{carrier: {from, to}}`.
pub(crate) fn record(lab: &Lab, workload: &str) -> Value {
    let object = kubectl_json(lab, &["get", workload, "-n", NAMESPACE]);
    let annotation = &object["metadata"]["annotations"]["privatelink.cast.ai/images"];
    annotation.as_str().map_or(Value::Null, |annotation| serde_json::from_str(annotation).expect("JSON"))
}

/// Waits until all of Cast AI's pods are ready, and there are as many as wanted.
#[track_caller]
pub(crate) fn wait_until_ready(lab: &Lab) {
    lab.wait_for(&["deployments,daemonsets", "-n", NAMESPACE], LIMIT, |list| {
        list["items"].as_array().is_some_and(|items| items.iter().all(is_ready))
    })
    .expect("Cast AI's pods become ready");
}

fn is_ready(workload: &Value) -> bool {
    let status = &workload["status"];
    let current = status["observedGeneration"] == workload["metadata"]["generation"];
    let (wanted, counts) = if workload["kind"] == "DaemonSet" {
        (&status["desiredNumberScheduled"], ["updatedNumberScheduled", "numberReady"])
    } else {
        (&workload["spec"]["replicas"], ["updatedReplicas", "readyReplicas"])
    };
    current && counts.iter().all(|count| &status[count] == wanted) && status["unavailableReplicas"].is_null()
}

#[track_caller]
pub(crate) fn kubectl(lab: &Lab, arguments: &[&str]) {
    let output = lab.kubectl(arguments).expect("kubectl runs");
    assert_eq!(output.code, Some(0), "kubectl {}: {}", arguments.join(" "), output.stderr);
}

/// Puts an object into the cluster.
#[track_caller]
pub(crate) fn apply(lab: &Lab, object: &Value) {
    let path = file(lab, "applied.json", &object.to_string());
    kubectl(lab, &["apply", "-f", path.to_str().expect("a path in UTF-8")]);
}

/// Writes a file into the folder in which the plugin is started, and returns its path.
#[track_caller]
pub(crate) fn file(lab: &Lab, name: &str, content: &str) -> PathBuf {
    let path = lab.folder().home().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the file");
    std::fs::write(&path, content).expect("the file is written");
    path
}

/// A file that the plugin wrote.
#[track_caller]
pub(crate) fn read_json(lab: &Lab, name: &str) -> Value {
    let bytes = std::fs::read(lab.folder().home().join(name)).expect("the file is there");
    serde_json::from_slice(&bytes).expect("the file is JSON")
}

pub(crate) fn ecr(lab: &Lab) -> State {
    lab.control().get("/ecr/state").expect("ECR's state")
}

/// The digest that ECR holds under `repository:tag`.
pub(crate) fn ecr_digest(lab: &Lab, image: &str) -> Option<String> {
    let (repository, tag) = image.rsplit_once(':').expect("a tag");
    ecr(lab).repositories.get(repository)?.tags.get(tag).cloned()
}

/// The digest that the mirror holds for an image, which is written by its public name.
pub(crate) fn mirrored_digest(lab: &Lab, image: &str) -> Option<String> {
    ecr_digest(lab, &format!("{PATH}/{image}"))
}

/// Requests to a registry since the last [`forget_traffic`]: `source`, `ecr` or `oci`.
pub(crate) fn traffic(lab: &Lab, registry: &str) -> Vec<Record> {
    lab.control().get(&format!("/{registry}/traffic")).expect("traffic")
}

/// The ECR actions among [`traffic`] that change something.
pub(crate) fn ecr_writes(lab: &Lab) -> Vec<Record> {
    // The API takes every call as a POST.
    let reading = |record: &Record| match &record.operation {
        Some(operation) if record.host == address::ECR_API.0 => {
            ["Get", "Describe", "List", "BatchGet", "BatchCheck"]
                .iter()
                .any(|verb| operation.starts_with(verb))
        }
        _ => record.method == "GET" || record.method == "HEAD",
    };
    let writing = |record: &Record| !reading(record);
    traffic(lab, "ecr").into_iter().filter(writing).collect()
}

pub(crate) fn forget_traffic(lab: &Lab) {
    for registry in ["source", "ecr", "oci"] {
        lab.control().delete(&format!("/{registry}/traffic")).expect("traffic is forgotten");
    }
}

pub(crate) fn fault(lab: &Lab, registry: &str, rule: &Rule) {
    lab.control().post(&format!("/{registry}/faults"), rule).expect("the rule is taken");
}

pub(crate) fn end_faults(lab: &Lab, registry: &str) {
    lab.control().delete(&format!("/{registry}/faults")).expect("the rules end");
}

/// Publishes an image at its source; `name` is written in full, with host and tag. Returns its digest.
pub(crate) fn publish(lab: &Lab, name: &str, recipe: &Recipe) -> String {
    let (host, rest) = name.split_once('/').expect("a host");
    let (repository, tag) = rest.rsplit_once(':').expect("a tag");
    let order = json!({"host": host, "repository": repository, "tag": tag, "recipe": recipe});
    let answer = lab.control().post("/source/images", &order).expect("the image is published");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    text(&answer["digest"]).to_owned()
}

/// Removes a tag at its source.
pub(crate) fn unpublish(lab: &Lab, name: &str) {
    let (host, rest) = name.split_once('/').expect("a host");
    let (repository, tag) = rest.rsplit_once(':').expect("a tag");
    let path = format!("/source/images?host={host}&repository={repository}&tag={tag}");
    lab.control().delete(&path).expect("the tag is removed");
}

/// Polls until `condition` holds.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "tests run without a runtime")]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
