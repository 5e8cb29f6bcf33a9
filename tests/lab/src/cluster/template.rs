//! The objects from which the large cluster is copied: a workload of each kind with a pod, a node and a namespace.

use anyhow::Context as _;
use http::{Method, Request};
use serde_json::{Value, json};

/// Values in the templates that are replaced in copies.
pub(super) const WORKLOAD: &str = "service-00000";
pub(super) const NAMESPACE: &str = "team-00";
pub(super) const NODE: &str = "ip-10-1-0-000";
pub(super) const POD: &str = "p0000";
/// The position of a pod's own uid in [`Template::uids`].
pub(super) const POD_UID: usize = 3;

const POD_TEMPLATE: &str = include_str!("crowd.yaml");
/// Times of the API server's clock differ between runs; those of a template do not.
const START: &str = "2026-11-01T08:00:00Z";
const HASH: &str = "7d4b9c6f5x";
const HASH_BEFORE: &str = "6c8f5d9b7z";

/// An object that was created to be copied.
pub(super) struct Template {
    /// The plural of the kind of its workload.
    pub(super) workload: &'static str,
    /// Its key in etcd.
    pub(super) key: String,
    /// Its own uid and those of its owners, each at its position; empty if there is none.
    pub(super) uids: Vec<String>,
    pub(super) is_pod: bool,
}

/// Creates the templates through the API server.
pub(super) async fn create(client: &kube::Client) -> anyhow::Result<Vec<Template>> {
    let maker = Maker { client, pod: serde_saphyr::from_str(POD_TEMPLATE)? };
    let mut made = vec![maker.namespace().await?, maker.node().await?];
    for (plural, kind) in
        [("deployments", "Deployment"), ("statefulsets", "StatefulSet"), ("daemonsets", "DaemonSet")]
    {
        made.extend(maker.running(plural, kind).await?);
    }
    made.extend(maker.batch().await?);
    Ok(made)
}

struct Maker<'a> {
    client: &'a kube::Client,
    pod: Value,
}

impl Maker<'_> {
    async fn namespace(&self) -> anyhow::Result<Template> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let made = self.post("/api/v1/namespaces", "kubectl-create", &object).await?;
        // The controller that creates service accounts does not run, and pods are not admitted without one.
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        self.post(&format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts"), "lab", &account).await?;
        Ok(Template {
            workload: "namespaces",
            key: format!("/registry/namespaces/{NAMESPACE}"),
            uids: vec![uid(&made)?],
            is_pod: false,
        })
    }

    /// With the same content as the existing nodes.
    async fn node(&self) -> anyhow::Result<Template> {
        let mut object = self.send(Method::GET, "/api/v1/nodes?limit=1", None).await?["items"][0].take();
        let name = format!("{NODE}.us-east-1.compute.internal");
        object["metadata"] = json!({"name": name, "labels": object["metadata"]["labels"]});
        object["metadata"]["labels"]["kubernetes.io/hostname"] = json!(name);
        let made = self.post("/api/v1/nodes", "kubelet", &object).await?;
        self.report("/api/v1/nodes", "kubelet", &made, &object["status"]).await?;
        Ok(Template {
            workload: "minions",
            key: format!("/registry/minions/{name}"),
            uids: vec![uid(&made)?],
            is_pod: false,
        })
    }

    /// A workload that runs pods: the workload, the objects between, and a pod.
    async fn running(&self, plural: &'static str, kind: &str) -> anyhow::Result<Vec<Template>> {
        let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/{plural}");
        let name = format!("{WORKLOAD}-{}", kind.to_lowercase());
        let mut spec = json!({"selector": selector(&json!({})), "template": self.pod});
        match kind {
            "Deployment" => spec["replicas"] = json!(10),
            "StatefulSet" => {
                spec["replicas"] = json!(10);
                spec["serviceName"] = json!(WORKLOAD);
            }
            _ => {}
        }
        let object = object("apps/v1", kind, &name, &spec);
        let made = self.post(&path, "helm", &object).await?;
        self.report(&path, "kube-controller-manager", &made, &running_status(kind)).await?;
        let mut uids = vec![uid(&made)?];
        let own = |key: String, uids: &[String]| Template {
            workload: plural,
            key,
            uids: uids.to_vec(),
            is_pod: false,
        };
        let mut templates = vec![own(format!("/registry/{plural}/{NAMESPACE}/{name}"), &uids)];
        let mut owner = owner("apps/v1", kind, &name, &uids[0]);
        let mut labels = json!({"controller-revision-hash": HASH});
        let mut pod_name = format!("{name}-{POD}");
        if kind == "Deployment" {
            // The previous one is created first, so that the pod's owner is the last.
            for (hash, replicas) in [(HASH_BEFORE, 0), (HASH, 10)] {
                labels = json!({"pod-template-hash": hash});
                let set = format!("{name}-{hash}");
                let made = self.replica_set(&set, &labels, replicas, &owner).await?;
                let index = templates.len();
                let mut with_own = uids.clone();
                with_own.resize(index, String::new());
                with_own.push(uid(&made)?);
                templates.push(own(format!("/registry/replicasets/{NAMESPACE}/{set}"), &with_own));
                uids = if replicas == 0 { uids } else { with_own };
                if replicas > 0 {
                    owner = self::owner("apps/v1", "ReplicaSet", &set, uids.last().context("no uid")?);
                    pod_name = format!("{set}-{POD}");
                }
            }
        }
        let made = self.pod(&pod_name, &labels, &owner).await?;
        uids.resize(POD_UID, String::new());
        uids.push(uid(&made)?);
        let key = format!("/registry/pods/{NAMESPACE}/{pod_name}");
        templates.push(Template { workload: plural, key, uids, is_pod: true });
        Ok(templates)
    }

    async fn replica_set(
        &self,
        name: &str,
        labels: &Value,
        replicas: u8,
        owner: &Value,
    ) -> anyhow::Result<Value> {
        let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/replicasets");
        let mut template = self.pod.clone();
        merge(&mut template["metadata"]["labels"], labels);
        let spec = json!({"replicas": replicas, "selector": selector(labels), "template": template});
        let mut object = object("apps/v1", "ReplicaSet", name, &spec);
        merge(&mut object["metadata"]["labels"], labels);
        object["metadata"]["ownerReferences"] = json!([owner]);
        let made = self.post(&path, "kube-controller-manager", &object).await?;
        let status = json!({"replicas": replicas, "fullyLabeledReplicas": replicas, "readyReplicas": replicas,
            "availableReplicas": replicas, "observedGeneration": 1});
        self.report(&path, "kube-controller-manager", &made, &status).await?;
        Ok(made)
    }

    async fn pod(&self, name: &str, labels: &Value, owner: &Value) -> anyhow::Result<Value> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let mut object = json!({"apiVersion": "v1", "kind": "Pod"});
        merge(&mut object, &self.pod);
        object["metadata"]["name"] = json!(name);
        object["metadata"]["ownerReferences"] = json!([owner]);
        merge(&mut object["metadata"]["labels"], labels);
        object["spec"]["nodeName"] = json!(format!("{NODE}.us-east-1.compute.internal"));
        let made = self.post(&path, "kube-controller-manager", &object).await?;
        self.report(&path, "kubelet", &made, &pod_status(&made["spec"])).await?;
        Ok(made)
    }

    /// A CronJob, and a Job without an owner.
    async fn batch(&self) -> anyhow::Result<[Template; 2]> {
        let mut pod = self.pod.clone();
        pod["spec"]["restartPolicy"] = json!("Never");
        let cron_job = json!({"schedule": "*/15 * * * *", "jobTemplate": {"spec": {"template": pod}}});
        let job = json!({"template": pod, "suspend": true});
        let make = async |plural: &'static str, kind: &str, spec: &Value| {
            let name = format!("{WORKLOAD}-{}", kind.to_lowercase());
            let path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/{plural}");
            let made = self.post(&path, "helm", &object("batch/v1", kind, &name, spec)).await?;
            let key = format!("/registry/{plural}/{NAMESPACE}/{name}");
            anyhow::Ok(Template { workload: plural, key, uids: vec![uid(&made)?], is_pod: false })
        };
        Ok([make("cronjobs", "CronJob", &cron_job).await?, make("jobs", "Job", &job).await?])
    }

    async fn post(&self, path: &str, manager: &str, object: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, &format!("{path}?fieldManager={manager}"), Some(object)).await
    }

    async fn report(&self, path: &str, manager: &str, made: &Value, status: &Value) -> anyhow::Result<()> {
        let mut object = made.clone();
        object["status"] = status.clone();
        let name = made["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{path}/{name}/status?fieldManager={manager}");
        self.send(Method::PUT, &path, Some(&object)).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)?;
        self.client
            .request(request)
            .await
            .with_context(|| format!("creating the templates of the large cluster: {path}"))
    }
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    let labels = json!({
        "app.kubernetes.io/name": "checkout", "app.kubernetes.io/instance": WORKLOAD,
        "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "checkout-4.12.0", "team": NAMESPACE,
    });
    let annotations = json!({
        "meta.helm.sh/release-name": WORKLOAD, "meta.helm.sh/release-namespace": NAMESPACE,
        "deployment.kubernetes.io/revision": "7",
    });
    json!({
        "apiVersion": api_version, "kind": kind, "spec": spec,
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
    })
}

fn selector(more: &Value) -> Value {
    let mut labels = json!({"app.kubernetes.io/name": "checkout", "app.kubernetes.io/instance": WORKLOAD});
    merge(&mut labels, more);
    json!({"matchLabels": labels})
}

fn owner(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true,
        "blockOwnerDeletion": true})
}

fn running_status(kind: &str) -> Value {
    let condition = |kind: &str, reason: &str| {
        json!({"type": kind, "status": "True", "reason": reason, "message": "it runs", "lastUpdateTime": START,
            "lastTransitionTime": START})
    };
    match kind {
        "Deployment" => json!({
            "replicas": 10, "updatedReplicas": 10, "readyReplicas": 10, "availableReplicas": 10, "observedGeneration": 1,
            "conditions": [
                condition("Available", "MinimumReplicasAvailable"),
                condition("Progressing", "NewReplicaSetAvailable"),
            ],
        }),
        "StatefulSet" => json!({
            "replicas": 10, "currentReplicas": 10, "updatedReplicas": 10, "readyReplicas": 10, "availableReplicas": 10,
            "observedGeneration": 1, "collisionCount": 0, "currentRevision": HASH, "updateRevision": HASH,
        }),
        _ => json!({
            "currentNumberScheduled": 100, "desiredNumberScheduled": 100, "numberReady": 100, "numberMisscheduled": 0,
            "numberAvailable": 100, "updatedNumberScheduled": 100, "observedGeneration": 1,
        }),
    }
}

fn pod_status(spec: &Value) -> Value {
    let status = |container: &Value, state: Value| {
        json!({
            "name": container["name"], "image": container["image"], "ready": true, "started": true, "restartCount": 0,
            "imageID": format!("{}@sha256:{}", container["image"].as_str().unwrap_or_default(), "5f2a".repeat(16)),
            "containerID": format!("containerd://{}", "9b8d".repeat(16)), "state": state,
        })
    };
    let containers = |list: &str, state: &Value| -> Vec<Value> {
        spec[list]
            .as_array()
            .into_iter()
            .flatten()
            .map(|container| status(container, state.clone()))
            .collect()
    };
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": START, "finishedAt": START,
        "containerID": format!("containerd://{}", "9b8d".repeat(16))}});
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": START}));
    json!({
        "phase": "Running", "conditions": conditions, "hostIP": "10.1.0.10", "hostIPs": [{"ip": "10.1.0.10"}],
        "podIP": "10.1.64.20", "podIPs": [{"ip": "10.1.64.20"}], "startTime": START, "qosClass": "Burstable",
        "initContainerStatuses": containers("initContainers", &ended),
        "containerStatuses": containers("containers", &json!({"running": {"startedAt": START}})),
    })
}

fn uid(object: &Value) -> anyhow::Result<String> {
    Ok(object["metadata"]["uid"].as_str().context("an object without uid")?.to_owned())
}

/// Adds the members of `more` to the object `into`.
fn merge(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}
