//! Pods of Cast AI that cannot pull an image, grouped by controller, even if the registry holds the image.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cluster::waiting::WaitingPod;
use crate::model::image_field::{Variables, locate_image_fields};
use crate::model::inventory::{ImageField, Inventory, Place, Reason, WorkloadKind};
use crate::model::workload::Workload;
use crate::sync::discover::owners::{find, top_controller};

/// A container that waits for its image in one or more pods of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PullFailure {
    /// The controller at the top, or the pod itself.
    pub place: Place,
    pub image_field: ImageField,
    /// As in the pods; it may not be a valid reference.
    pub image: String,
    /// Kubernetes' reason for the first pod: `ImagePullBackOff`.
    pub reason: String,
    /// The kubelet's message for the first pod; may be empty.
    pub message: String,
    /// Names of the pods, sorted.
    pub pods: Vec<String>,
    /// The controller's template has another image by now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
}

impl PullFailure {
    /// Whether its controller is replacing the pods, which takes a moment after each rewrite.
    pub fn is_being_replaced(&self) -> bool {
        use WorkloadKind::{DaemonSet, Deployment};
        let kind = match &self.place {
            Place::Workload(name) => Some(name.kind),
            _ => None,
        };
        self.outdated && matches!(kind, Some(Deployment | DaemonSet))
    }
}

/// The same pods without images of an earlier template: their workloads need other images by now.
pub fn without_outdated(pods: Vec<WaitingPod>, workloads: &[Workload]) -> Vec<WaitingPod> {
    let current = |mut pod: WaitingPod| {
        let place = top_controller(&pod, workloads);
        pod.images.retain(|waiting| !is_outdated(&place, &waiting.image_field, &waiting.image, workloads));
        (!pod.images.is_empty()).then_some(pod)
    };
    pods.into_iter().filter_map(current).collect()
}

/// The namespaces in which Cast AI was found.
pub fn namespaces(inventory: &Inventory, workloads: &[Workload]) -> BTreeSet<String> {
    let places = inventory.images.iter().flat_map(|wanted| &wanted.used_by).map(|used_by| &used_by.place);
    let known = workloads.iter().map(|workload| workload.name.namespace.as_str());
    let known = known.filter(|namespace| inventory.knowledge.is_namespace(namespace));
    places.filter_map(namespace).chain(known).map(str::to_owned).collect()
}

fn namespace(place: &Place) -> Option<&str> {
    let namespace = match place {
        Place::Workload(name) => &name.namespace,
        Place::Resource { namespace, .. } | Place::Release { namespace, .. } => namespace,
        Place::File { .. } | Place::Named => return None,
    };
    Some(namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

/// The Cast AI part of `pods`: every pod of a workload in its namespaces, included containers of other workloads, and
/// with `all_of_namespaces` every pod in a namespace that only Cast AI uses. Sorted by place.
pub fn pull_failures(
    pods: &[WaitingPod],
    workloads: &[Workload],
    inventory: &Inventory,
    all_of_namespaces: bool,
) -> Vec<PullFailure> {
    let (mut whole, mut fields) = (BTreeSet::new(), BTreeSet::new());
    for used_by in inventory.images.iter().flat_map(|wanted| &wanted.used_by) {
        fields.insert((&used_by.place, &used_by.image_field));
        // Elsewhere a tenant may write the labels, so only included images count.
        if matches!(used_by.reason, Reason::Namespace { .. }) {
            whole.insert(&used_by.place);
        }
    }
    let mut failures: BTreeMap<(Place, ImageField, String), PullFailure> = BTreeMap::new();
    for pod in pods {
        let place = top_controller(pod, workloads);
        let is_whole = whole.contains(&place)
            || (all_of_namespaces && inventory.knowledge.is_namespace(&pod.name.namespace));
        for waiting in &pod.images {
            if !is_whole && !fields.contains(&(&place, &waiting.image_field)) {
                continue;
            }
            let key = (place.clone(), waiting.image_field.clone(), waiting.image.clone());
            let failure = failures.entry(key).or_insert_with(|| PullFailure {
                place: place.clone(),
                image_field: waiting.image_field.clone(),
                image: waiting.image.clone(),
                reason: waiting.reason.clone(),
                message: waiting.message.clone(),
                pods: Vec::new(),
                outdated: is_outdated(&place, &waiting.image_field, &waiting.image, workloads),
            });
            failure.pods.push(pod.name.name.clone());
        }
    }
    failures.into_values().collect()
}

/// Whether the workload at `place` has another image in this field by now.
fn is_outdated(place: &Place, image_field: &ImageField, image: &str, workloads: &[Workload]) -> bool {
    let Place::Workload(name) = place else { return false };
    let Some(workload) = find(workloads, name) else { return false };
    // Pods wait for images of containers and volumes alone.
    locate_image_fields(&workload.pod, &Variables::default())
        .iter()
        .any(|field| field.image_field == *image_field && field.value != image)
}

#[cfg(test)]
mod tests;
