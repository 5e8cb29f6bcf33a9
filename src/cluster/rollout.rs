//! The progress of a rollout, by the rules and in the words of `kubectl rollout status`, and the state of its pods.

mod progress;
mod refusal;
mod updated;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::Selector;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::list::api;
use super::pages;
use super::pods::{self, PodProblem};
use crate::model::inventory::{WorkloadKind, WorkloadName};

pub use self::progress::without_pods;
pub use self::refusal::{Refusal, RefusedBy, refused_since};

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

/// Which pods the last change of a workload has reached, as its controller counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodsUpdated {
    All,
    Some,
    /// Its controller may not have seen the change yet.
    None,
}

/// A workload's rollout and its pods at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub progress: Progress,
    pub updated: PodsUpdated,
    /// The desired number of pods.
    pub desired: i32,
    /// A StatefulSet whose controller has observed the change and updates one pod after the other, waiting until each
    /// is ready.
    pub ordered: bool,
    /// Why the API server refused its last new pod, if the workload's status says so.
    pub refusal: Option<Refusal>,
    /// When its specification changed last, by the API server's clock.
    pub changed: Option<Timestamp>,
    /// `None` if listing pods is forbidden.
    pub pods: Option<Pods>,
}

impl Observation {
    /// Whether its last change does not reach pods that it should. Nodes come and go: missing pods of a DaemonSet say
    /// nothing, nor does a pod of a former template on a lost node.
    pub fn is_unfinished(&self, kind: WorkloadKind) -> bool {
        if !matches!(self.progress, Progress::Waiting(_) | Progress::Failed(_)) {
            return false;
        }
        match self.updated {
            PodsUpdated::All => false,
            PodsUpdated::Some if kind == WorkloadKind::DaemonSet => {
                let mut old = self.pods.iter().flat_map(|pods| &pods.old);
                let is_stuck = self.refusal.is_some() || !self.new_problems().is_empty();
                is_stuck && old.any(pods::is_ready)
            }
            PodsUpdated::Some | PodsUpdated::None => true,
        }
    }

    /// What keeps pods of the current template from running.
    pub fn new_problems(&self) -> Vec<PodProblem> {
        self.pods.iter().flat_map(|pods| &pods.new).flat_map(pods::problems).collect()
    }

    /// Whether new pods are missing, and the workload's controller reports refused pods only in events.
    pub fn may_be_refused(&self, kind: WorkloadKind) -> bool {
        use WorkloadKind::{DaemonSet, StatefulSet};
        let new = self.pods.as_ref().map_or(0, |pods| pods.new.len());
        matches!(kind, DaemonSet | StatefulSet)
            && matches!(self.progress, Progress::Waiting(_))
            && i32::try_from(new).is_ok_and(|new| new < self.desired)
    }
}

/// The workload's pods that are not being deleted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pods {
    /// Created from the current template.
    pub new: Vec<Pod>,
    pub old: Vec<Pod>,
    /// Those in `old` with an image of another repository. Once the rollout is complete, admission changed it.
    pub renamed: Vec<PodProblem>,
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
        updated: status.updated,
        desired: status.desired,
        ordered: status.ordered,
        refusal: status.refusal,
        changed: changed(&object),
        pods: Some(Pods::default()),
    };
    if name.kind == WorkloadKind::Pod {
        let pod = object.try_parse().map_err(|error| Error::malformed(name, &error))?;
        observation.pods = Some(Pods { new: vec![pod], ..Pods::default() });
    } else if let Some((selector, template)) = status.selector {
        observation.pods = match list(connection, name, &uid, selector).await {
            Ok(listed) => {
                let variables = &connection.image_variables;
                let is_new = |pod: &Pod| pods::is_made_from(pod, &template, variables);
                let (new, old): (Vec<_>, Vec<_>) = listed.into_iter().partition(is_new);
                let is_replaced = |pod: &&Pod| !status.keeps_old_pods && !pods::has_ended(pod);
                let renamed = old.iter().filter(is_replaced);
                let renamed = renamed.filter_map(|pod| pods::renamed(pod, &template)).collect();
                Some(Pods { new, old, renamed })
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => None,
            Err(error) => return Err(error),
        };
    }
    Ok(observation)
}

/// The last refusal of a new pod of this workload, by its status or else by the events of its controller.
///
/// # Errors
/// As [`observe`] and [`refused_since`].
pub async fn refusal(connection: &Connection, name: &WorkloadName) -> Result<Option<Refusal>, Error> {
    let now = observe(connection, name).await?;
    match now.refusal {
        None if now.may_be_refused(name.kind) => refused_since(connection, name, now.changed).await,
        refusal => Ok(refusal),
    }
}

/// The state of a rollout that is not finished, with why new pods are refused; `None` if it is finished, or there is none.
///
/// # Errors
/// As [`observe`].
pub async fn unfinished(connection: &Connection, name: &WorkloadName) -> Result<Option<Observation>, Error> {
    let mut now = observe(connection, name).await?;
    if now.refusal.is_none() && now.may_be_refused(name.kind) {
        // Without access to events, the reason stays unknown.
        now.refusal = refused_since(connection, name, now.changed).await.unwrap_or_default();
    }
    Ok(now.is_unfinished(name.kind).then_some(now))
}

/// The time of the last write to the object, except to its status.
fn changed(object: &DynamicObject) -> Option<Timestamp> {
    let entries = object.metadata.managed_fields.iter().flatten();
    let own = entries.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    own.filter_map(|entry| entry.time.as_ref().map(|time| time.0)).max()
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

#[cfg(test)]
mod tests;
