//! The progress of a rollout, by the rules and in the words of `kubectl rollout status`, and the state of its pods.

mod progress;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::ListParams;
use kube::core::Selector;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::list::api;
use super::pages;
use super::pods;
use crate::model::inventory::{WorkloadKind, WorkloadName};

/// The progress of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Complete(String),
    Waiting(String),
    Failed(String),
    /// There is no rollout to watch; the text says what will happen instead.
    Unwatched(String),
}

impl Progress {
    /// The status text, which changes with the pod counts.
    pub fn text(&self) -> &str {
        match self {
            Self::Complete(text) | Self::Waiting(text) | Self::Failed(text) | Self::Unwatched(text) => text,
        }
    }
}

/// A workload's rollout and its pods at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub progress: Progress,
    /// The desired number of pods.
    pub desired: i32,
    /// A StatefulSet whose controller has observed the change and updates one pod after the other, waiting until each
    /// is ready.
    pub ordered: bool,
    /// `None` if listing pods is forbidden.
    pub pods: Option<Pods>,
}

/// The workload's pods that are not being deleted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pods {
    /// Created from the current template.
    pub new: Vec<Pod>,
    pub old: Vec<Pod>,
}

/// Reads the workload and its pods.
///
/// # Errors
/// The workload does not exist, reading it is forbidden, or the server cannot be reached.
pub async fn observe(connection: &Connection, name: &WorkloadName) -> Result<Observation, Error> {
    let api = api(connection, name.kind, Some(&name.namespace));
    let object = connection.read(|| api.get(&name.name)).await?;
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let status = progress::judge(name.kind, &object).map_err(|error| Error::malformed(name, &error))?;
    let mut observation = Observation {
        progress: status.progress,
        desired: status.desired,
        ordered: status.ordered,
        pods: Some(Pods::default()),
    };
    if name.kind == WorkloadKind::Pod {
        let pod = object.try_parse().map_err(|error| Error::malformed(name, &error))?;
        observation.pods = Some(Pods { new: vec![pod], old: Vec::new() });
    } else if let Some((selector, template)) = status.selector {
        observation.pods = match list(connection, name, &uid, selector).await {
            Ok(listed) => {
                let variables = &connection.image_variables;
                let is_new = |pod: &Pod| pods::is_made_from(pod, &template, variables);
                let (new, old) = listed.into_iter().partition(is_new);
                Some(Pods { new, old })
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => None,
            Err(error) => return Err(error),
        };
    }
    Ok(observation)
}

async fn list(
    connection: &Connection,
    name: &WorkloadName,
    uid: &str,
    selector: LabelSelector,
) -> Result<Vec<Pod>, Error> {
    let selector = Selector::try_from(selector)
        .map_err(|error| Error::other(format!("the selector of {name} cannot be parsed: {error}")))?;
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &name.namespace);
    let list = |parameters| async { api.list(&{ parameters }).await };
    let take = |pods: &mut Vec<Pod>, page: Vec<Pod>| {
        pods.extend(page.into_iter().filter(|pod| is_of(pod, name, uid)));
    };
    pages::collect(connection, ListParams::default().labels_from(&selector), list, take).await
}

/// Whether `pod` belongs to the workload and is not being deleted. A Deployment owns pods through a `ReplicaSet`, whose
/// name begins with the Deployment's.
fn is_of(pod: &Pod, name: &WorkloadName, uid: &str) -> bool {
    let mut owners =
        pod.metadata.owner_references.iter().flatten().filter(|owner| owner.controller == Some(true));
    pod.metadata.deletion_timestamp.is_none()
        && owners.any(|owner| match name.kind {
            WorkloadKind::Deployment => {
                owner.kind == "ReplicaSet"
                    && owner.name.rsplit_once('-').is_some_and(|(owner, _)| owner == name.name)
            }
            _ => owner.uid == uid,
        })
}
