//! Helm releases as Helm stores them: a Secret with a packed document.

use lab::helm::{pack_release, release_secret};
use lab::host::Lab;
use serde_json::{Value, json};

use super::cluster::{apply, kubectl_json};

/// A release of a chart.
pub(crate) struct HelmRelease<'r> {
    pub(crate) namespace: &'r str,
    pub(crate) name: &'r str,
    pub(crate) revision: u32,
    pub(crate) status: &'r str,
    pub(crate) chart: &'r str,
    pub(crate) version: &'r str,
    pub(crate) manifest: String,
    pub(crate) hooks: Vec<Value>,
}

impl<'r> HelmRelease<'r> {
    /// The first revision of a release without manifests and hooks.
    pub(crate) fn new(namespace: &'r str, name: &'r str, chart: &'r str, version: &'r str) -> Self {
        let manifest = "---\nkind: ConfigMap\n".to_owned();
        Self { namespace, name, revision: 1, status: "deployed", chart, version, manifest, hooks: Vec::new() }
    }

    /// Adds a Job that runs `image` at `event`.
    pub(crate) fn with_hook(mut self, container: &str, image: &str, event: &str) -> Self {
        let containers = json!([{"name": container, "image": image}]);
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "hook"},
            "spec": {"template": {"spec": {"containers": containers}}}});
        self.hooks.push(
            json!({"name": "hook", "kind": "Job", "path": format!("{}/templates/hook.yaml", self.chart),
            "manifest": job.to_string(), "events": [event]}),
        );
        self
    }

    /// Takes the manifests from workloads of the cluster, such as `deployment/castai-agent`.
    pub(crate) fn with_workloads(mut self, lab: &Lab, workloads: &[&str]) -> Self {
        let manifests = workloads.iter().map(|workload| {
            let found = kubectl_json(lab, &["get", workload, "--namespace", self.namespace]);
            let content = json!({"apiVersion": found["apiVersion"], "kind": found["kind"],
                "metadata": {"name": found["metadata"]["name"]}, "spec": found["spec"]});
            format!("---\n# Source: {}/templates/workload.yaml\n{content}\n", self.chart)
        });
        self.manifest = manifests.collect();
        self
    }

    /// The Secret that Helm would store.
    pub(crate) fn secret(&self) -> Value {
        let content = json!({
            "name": self.name, "namespace": self.namespace, "version": self.revision,
            "info": {"status": self.status}, "config": {}, "manifest": self.manifest, "hooks": self.hooks,
            "chart": {"metadata": {"name": self.chart, "version": self.version}, "templates": [], "values": {}},
        });
        let packed = pack_release(&content.to_string());
        release_secret(self.namespace, self.name, self.revision, self.status, &packed)
    }

    /// Stores the release as Helm does with `HELM_DRIVER=configmap`.
    #[track_caller]
    pub(crate) fn store_in_config_map(&self, lab: &Lab) {
        let mut object = self.secret();
        object["kind"] = "ConfigMap".into();
        object["data"] = object["stringData"].take();
        let members = object.as_object_mut().expect("an object");
        members.remove("stringData");
        members.remove("type");
        apply(lab, &object);
    }

    /// Stores the release in the cluster.
    #[track_caller]
    pub(crate) fn store(&self, lab: &Lab) {
        apply(lab, &self.secret());
    }
}
