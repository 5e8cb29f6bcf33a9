//! Workloads, and the images in them.

use std::collections::BTreeMap;

use lab::host::Lab;
use serde_json::{Value, json};

use super::cluster::{TIMEOUT, kubectl_json};

const NAMESPACE: &str = "castai-agent";
const KINDS: &str =
    "deployments,daemonsets,statefulsets,replicasets,replicationcontrollers,cronjobs,jobs,pods,podtemplates";

/// Metadata and specification by `namespace kind/name`. The resource version is omitted, because it also changes with the
/// status that controllers write.
pub(crate) type Workloads = BTreeMap<String, Value>;

/// Every workload that is not Cast AI's.
pub(crate) fn other_workloads(lab: &Lab) -> Workloads {
    list_workloads(lab, |namespace| namespace != NAMESPACE)
}

/// Every workload in Cast AI's namespace.
pub(crate) fn castai_workloads(lab: &Lab) -> Workloads {
    list_workloads(lab, |namespace| namespace == NAMESPACE)
}

fn list_workloads(lab: &Lab, is_wanted: impl Fn(&str) -> bool) -> Workloads {
    let items = list(lab, KINDS, &["--all-namespaces"]).into_iter();
    let found: Workloads = items
        .filter(|item| is_wanted(text(&item["metadata"]["namespace"])))
        .map(|mut item| {
            let mut metadata = item["metadata"].take();
            metadata.as_object_mut().expect("an object").remove("resourceVersion");
            let (namespace, kind, name) =
                (text(&metadata["namespace"]), text(&item["kind"]), text(&metadata["name"]));
            let key = format!("{namespace} {kind}/{name}");
            (key, json!({"metadata": metadata, "spec": item["spec"]}))
        })
        .collect();
    assert!(!found.is_empty(), "there are workloads to compare");
    found
}

/// The parts of workloads that users change: specification and annotations, by `kind/name`. Unlike [`Workloads`], they
/// are equal again after a change and its rollback.
pub(crate) fn workload_specs(lab: &Lab) -> BTreeMap<String, Value> {
    let items =
        list(lab, "deployments,daemonsets,statefulsets,cronjobs,jobs", &["--all-namespaces"]).into_iter();
    items
        .map(|item| {
            let metadata = &item["metadata"];
            let mut annotations = metadata["annotations"].clone();
            if let Some(annotations) = annotations.as_object_mut() {
                // Controllers count rollouts in this annotation.
                annotations.remove("deployment.kubernetes.io/revision");
                annotations.remove("deprecated.daemonset.template.generation");
            }
            let name = format!("{}/{}", text(&item["kind"]), text(&metadata["name"]));
            (name, json!({"spec": item["spec"], "annotations": annotations}))
        })
        .collect()
}

/// The time of this plugin's last write to each of Cast AI's workloads, from the API server.
pub(crate) fn our_writes(lab: &Lab) -> BTreeMap<String, String> {
    let items =
        list(lab, "deployments,daemonsets,cronjobs", &["--namespace", NAMESPACE, "--show-managed-fields"]);
    let ours = |item: &Value| {
        let entries = item["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let ours = entries.into_iter().find(|entry| entry["manager"] == "kubectl-castai_privatelink")?;
        Some((text(&item["metadata"]["name"]).to_owned(), text(&ours["time"]).to_owned()))
    };
    items.iter().filter_map(ours).collect()
}

/// The images of Cast AI's containers and init containers, by workload and container.
pub(crate) fn castai_images(lab: &Lab) -> BTreeMap<(String, String), String> {
    let mut images = BTreeMap::new();
    for item in list(lab, "deployments,daemonsets,cronjobs", &["--namespace", NAMESPACE]) {
        let spec = pod_spec(&item);
        let lists = ["initContainers", "containers"];
        for container in lists.into_iter().filter_map(|list| spec[list].as_array()).flatten() {
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
pub(crate) fn container_image(lab: &Lab, workload: &str, container: &str) -> String {
    castai_images(lab).remove(&(workload.to_owned(), container.to_owned())).expect("the container exists")
}

/// The record in a workload's annotation: `{image field: {from, to}}`.
pub(crate) fn recorded_images(lab: &Lab, workload: &str) -> Value {
    let object = kubectl_json(lab, &["get", workload, "--namespace", NAMESPACE]);
    let annotation = &object["metadata"]["annotations"]["privatelink.cast.ai/images"];
    annotation.as_str().map_or(Value::Null, |annotation| serde_json::from_str(annotation).expect("JSON"))
}

/// Waits until all of Cast AI's pods are ready, in the wanted number.
#[track_caller]
pub(crate) fn wait_until_ready(lab: &Lab) {
    lab.wait_for(&["deployments,daemonsets", "--namespace", NAMESPACE], TIMEOUT, |list| {
        list["items"].as_array().is_some_and(|items| items.iter().all(is_ready))
    })
    .expect("Cast AI's pods become ready");
}

fn is_ready(workload: &Value) -> bool {
    let status = &workload["status"];
    let is_current = status["observedGeneration"] == workload["metadata"]["generation"];
    let (wanted, counts) = if workload["kind"] == "DaemonSet" {
        (&status["desiredNumberScheduled"], ["updatedNumberScheduled", "numberReady"])
    } else {
        (&workload["spec"]["replicas"], ["updatedReplicas", "readyReplicas"])
    };
    is_current
        && counts.iter().all(|count| &status[count] == wanted)
        && status["unavailableReplicas"].is_null()
}

#[track_caller]
fn list(lab: &Lab, kinds: &str, flags: &[&str]) -> Vec<Value> {
    let mut list = kubectl_json(lab, &[&["get", kinds], flags].concat());
    serde_json::from_value(list["items"].take()).expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
