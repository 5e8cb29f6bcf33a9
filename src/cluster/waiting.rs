//! Pods that wait for an image, reduced to what is needed, because there may be thousands of them.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus, Pod, PodSpec, PodStatus};
use kube::Api;
use kube::api::ListParams;

use super::connect::Connection;
use super::error::{Error, ErrorKind, plain};
use super::pages;
use super::pods::{self, PodProblem, ProblemKind};
use crate::model::image::Digest;
use crate::model::image_field::{ImageField, LocatedField, Variables, locate_image_fields};
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::workload::ControllerReference;

/// Waiting reasons of a container whose image cannot be pulled (Kubernetes `pkg/kubelet/images/types.go`, and
/// `pkg/errors/errors.go` of `k8s.io/cri-api`).
const PULLING: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// Finished pods pull no images.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Number of namespaces whose pods are listed concurrently.
const CONCURRENCY: usize = 4;

/// A pod with containers whose image cannot be pulled, or that run an image, or that does not run for another reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingPod {
    pub name: WorkloadName,
    pub labels: BTreeMap<String, String>,
    /// The controller that created it, if any.
    pub controller: Option<ControllerReference>,
    pub images: Vec<WaitingImage>,
    pub running: Vec<RunningImage>,
    /// What else keeps it from running.
    pub problems: Vec<PodProblem>,
}

/// An image that a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningImage {
    pub image_field: ImageField,
    /// As in the pod's spec.
    pub image: String,
    /// What the node pulled under that name.
    pub digest: Digest,
    /// The container's `imagePullPolicy`; the API server sets a default.
    pub pull_policy: String,
}

/// An image that a container waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingImage {
    /// Usually a container of some kind.
    pub image_field: ImageField,
    /// As in the pod's spec.
    pub image: String,
    /// Kubernetes' reason: `ImagePullBackOff`.
    pub reason: String,
    /// The kubelet's message, on one line; may be empty.
    pub message: String,
}

/// Pods of `namespace`, or of all namespaces, that wait for an image, sorted. What is forbidden becomes a note.
///
/// Lists only pending pods: a container that never started keeps its pod pending, and only few of tens of thousands of
/// pods are pending. A pod whose image cannot be pulled again at a restart is missed, but its image was available
/// before.
///
/// # Errors
/// The server cannot be reached.
pub async fn list_waiting_pods(
    connection: &Connection,
    namespace: Option<&str>,
) -> Result<(Vec<WaitingPod>, Vec<String>), Error> {
    match list(connection, namespace, "status.phase=Pending").await {
        Ok(mut pods) => {
            pods.retain(|pod| !pod.images.is_empty());
            pods.sort_by(|left, right| left.name.cmp(&right.name));
            Ok((pods, Vec::new()))
        }
        Err(error) if error.kind() == ErrorKind::Forbidden => Ok((
            Vec::new(),
            vec![format!("cannot list pods: {error}; images that pods cannot pull are not found there")],
        )),
        Err(error) => Err(error),
    }
}

/// Pods of `namespaces` with containers whose image cannot be pulled, or that run one, sorted. The former include pods that ran before, for
/// example after a restart with `imagePullPolicy: Always`, whose phase is still `Running`. What is forbidden becomes a
/// note.
///
/// # Errors
/// The server cannot be reached.
pub async fn list_pods_with_images(
    connection: &Connection,
    namespaces: &BTreeSet<String>,
) -> Result<(Vec<WaitingPod>, Vec<String>), Error> {
    let lists = stream::iter(namespaces).map(async |namespace| {
        match list(connection, Some(namespace), NOT_ENDED).await {
            Ok(pods) => Ok((pods, None)),
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok((
                Vec::new(),
                Some(format!("cannot list pods: {error}; pods that cannot pull are not found there")),
            )),
            Err(error) => Err(error),
        }
    });
    let lists: Vec<(Vec<WaitingPod>, Option<String>)> = lists.buffered(CONCURRENCY).try_collect().await?;
    let (pods, notes): (Vec<_>, Vec<_>) = lists.into_iter().unzip();
    let mut pods = pods.concat();
    pods.sort_by(|left, right| left.name.cmp(&right.name));
    Ok((pods, notes.into_iter().flatten().collect()))
}

async fn list(
    connection: &Connection,
    namespace: Option<&str>,
    fields: &str,
) -> Result<Vec<WaitingPod>, Error> {
    let client = connection.client.clone();
    let api: Api<Pod> =
        namespace.map_or_else(|| Api::all(client.clone()), |name| Api::namespaced(client.clone(), name));
    let list = |parameters| async { api.list(&{ parameters }).await };
    let take = |waiting: &mut Vec<_>, page: Vec<Pod>| {
        waiting.extend(page.into_iter().filter_map(|pod| waiting_pod(&connection.name, pod)));
    };
    pages::collect(connection, ListParams::default().fields(fields), list, take).await
}

fn waiting_pod(cluster: &str, pod: Pod) -> Option<WaitingPod> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let fields = locate_image_fields(&(&pod).into(), &Variables::default());
    let mut problems = pods::problems(&pod);
    problems.retain(|problem| problem.kind != ProblemKind::Image);
    problems.extend(pods::failed_containers(&pod));
    let (metadata, status) = (pod.metadata, pod.status?);
    let policies = pull_policies(&pod.spec.unwrap_or_default());
    let (images, running) = (waiting_images(&fields, &status), running_images(&fields, &status, &policies));
    if images.is_empty() && running.is_empty() && problems.is_empty() {
        return None;
    }
    let owners = metadata.owner_references.unwrap_or_default();
    Some(WaitingPod {
        name: WorkloadName {
            cluster: cluster.to_owned(),
            namespace: metadata.namespace.unwrap_or_default(),
            kind: WorkloadKind::Pod,
            name: metadata.name.unwrap_or_default(),
        },
        labels: metadata.labels.unwrap_or_default(),
        controller: owners.into_iter().find(|owner| owner.controller == Some(true)).map(|owner| {
            ControllerReference { api_version: owner.api_version, kind: owner.kind, name: owner.name }
        }),
        images,
        running,
        problems,
    })
}

/// By container.
fn pull_policies(pod: &PodSpec) -> BTreeMap<String, String> {
    let containers = pod.init_containers.iter().flatten().chain(&pod.containers);
    containers.filter_map(|of| Some((of.name.clone(), of.image_pull_policy.clone()?))).collect()
}

/// The kubelet reports what it pulled as `repository@digest` (`imageID` in Kubernetes `pkg/kubelet/kuberuntime`).
fn running_images(
    fields: &[LocatedField],
    status: &PodStatus,
    policies: &BTreeMap<String, String>,
) -> Vec<RunningImage> {
    let lists = [&status.init_container_statuses, &status.container_statuses];
    let statuses: Vec<_> = lists.into_iter().flatten().flatten().collect();
    fields
        .iter()
        .filter(|field| field.image_field.is_container_image())
        .filter_map(|field| {
            let name = field.image_field.container()?;
            let status = statuses.iter().find(|status| status.name == name)?;
            status.state.as_ref()?.running.as_ref()?;
            let digest = status.image_id.rsplit_once('@')?.1.parse().ok()?;
            let (image_field, image) = (field.image_field.clone(), field.value.clone());
            let pull_policy = policies.get(name).cloned().unwrap_or_default();
            Some(RunningImage { image_field, image, digest, pull_policy })
        })
        .collect()
}

/// The status may spell an image differently than the spec; the spec counts.
fn waiting_images(fields: &[LocatedField], status: &PodStatus) -> Vec<WaitingImage> {
    let waiting = |name: &str| {
        let lists = [
            &status.init_container_statuses,
            &status.container_statuses,
            &status.ephemeral_container_statuses,
        ];
        lists.into_iter().flatten().flatten().find(|status| status.name == name).and_then(pulling)
    };
    // The kubelet pulls no image of a variable. If it cannot pull the image of another field, the containers that need
    // it wait, and only the message names the image (Kubernetes `pkg/kubelet/kuberuntime/kuberuntime_manager.go`).
    let (own, others): (Vec<_>, Vec<_>) =
        fields.iter().partition(|field| field.image_field.is_container_image());
    own.into_iter()
        .filter_map(|field| {
            let waiting = waiting(field.image_field.container()?)?;
            let message = plain(waiting.message.as_deref().unwrap_or_default());
            let names = |field: &LocatedField| message.contains(&field.value);
            let other = others.iter().find(|other| names(other) && !names(field));
            let field = other.unwrap_or(&field);
            let (image_field, image) = (field.image_field.clone(), field.value.clone());
            Some(WaitingImage { image_field, image, reason: waiting.reason.clone()?, message })
        })
        .collect()
}

fn pulling(status: &ContainerStatus) -> Option<&ContainerStateWaiting> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    waiting.reason.as_deref().is_some_and(|reason| PULLING.contains(&reason)).then_some(waiting)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn waiting_containers_and_their_images_are_found_in_a_pod() {
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "403\u{7}Forbidden"}});
        let status = |name: &str, state: serde_json::Value| json!({"name": name, "image": "other", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let pod = |deleted: Option<&str>| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "p", "namespace": "shop", "deletionTimestamp": deleted, "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u", "controller": true},
                ]},
                "spec": {
                    "initContainers": [{"name": "jmx", "image": "castai/jmx:v1"}],
                    "containers": [{"name": "web", "image": "shop/web:1"}, {"name": "side", "image": "side:1"}],
                },
                "status": {
                    "initContainerStatuses": [status("jmx", waiting("ImagePullBackOff"))],
                    "containerStatuses": [
                        status("web", waiting("PodInitializing")), status("side", waiting("ErrImagePull")),
                    ],
                },
            }))
            .unwrap()
        };
        let seen = waiting_pod("c", pod(None)).unwrap();
        let images: Vec<_> =
            seen.images.iter().map(|one| (one.image_field.to_string(), &*one.image, &*one.reason)).collect();
        assert_eq!(
            images,
            [
                ("init/jmx".to_owned(), "castai/jmx:v1", "ImagePullBackOff"),
                ("container/side".to_owned(), "side:1", "ErrImagePull"),
            ]
        );
        assert_eq!(seen.images[0].message, "403 Forbidden", "it is one line");
        assert_eq!(seen.controller.unwrap().name, "web-1");
        assert_eq!(waiting_pod("c", pod(Some("2026-01-01T00:00:00Z"))), None, "it goes away");
    }

    #[test]
    fn a_running_container_has_the_digest_that_its_node_pulled() {
        let digest = Digest::compute(b"x");
        let pod = |id: &str, state: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": "p", "namespace": "shop"},
                "spec": {"containers": [{"name": "web", "image": "shop/web:1", "imagePullPolicy": "Always"}]},
                "status": {"containerStatuses": [{
                    "name": "web", "image": "", "imageID": id, "ready": true, "restartCount": 0, "state": {state: {}},
                }]},
            }))
            .unwrap()
        };
        let id = format!("docker.io/shop/web@{digest}");
        let seen = waiting_pod("c", pod(&id, "running")).unwrap();
        assert_eq!((seen.running[0].image.as_str(), &seen.running[0].digest), ("shop/web:1", &digest));
        assert_eq!(seen.running[0].pull_policy, "Always");
        assert_eq!(waiting_pod("c", pod(&id, "waiting")), None);
        assert_eq!(
            waiting_pod("c", pod("sha256:0", "running")),
            None,
            "an id that is no digest of a manifest"
        );
    }

    #[test]
    fn the_image_of_a_volume_differs_from_that_of_its_container() {
        let pod = |message: &str| -> Pod {
            let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
            serde_json::from_value(json!({
                "metadata": {"name": "p", "namespace": "shop"},
                "spec": {
                    "containers": [{"name": "web", "image": "shop/web:1"}],
                    "volumes": [{"name": "model", "image": {"reference": "castai/model:v1"}}],
                },
                "status": {"containerStatuses": [
                    {"name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": waiting},
                ]},
            }))
            .unwrap()
        };
        for (message, expected) in [
            ("Back-off pulling image \"castai/model:v1\"", "volume/model"),
            ("Back-off pulling image \"shop/web:1\"", "container/web"),
            ("", "container/web"),
        ] {
            let seen = waiting_pod("c", pod(message)).unwrap();
            assert_eq!(seen.images[0].image_field.to_string(), expected, "{message}");
        }
    }
}
