//! Pods that run another digest of a tag than the registry has: they were started before the tag moved.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{RegistrySnapshot, held_digest};
use crate::cluster::waiting::WaitingPod;
use crate::model::image::{Digest, Image};
use crate::model::inventory::{ImageField, Place};
use crate::model::workload::Workload;
use crate::sync::discover::owners::top_controller;
use crate::sync::plan::assignment::Assignment;

/// A container that runs an older digest of its tag, in one or more pods of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OlderDigest {
    /// The controller at the top, or the pod itself.
    pub place: Place,
    pub image_field: ImageField,
    pub image: Image,
    /// What the pods run.
    pub running: String,
    /// What the registry has under the tag.
    pub current: String,
    /// The container's `imagePullPolicy` in the first pod.
    pub image_pull_policy: String,
    /// Names of the pods, sorted.
    pub pods: Vec<String>,
}

/// The pods of `pods` that run another digest than the registry has under the tag of their private image, by place.
pub(super) fn older_digests(
    pods: &[WaitingPod],
    workloads: &[Workload],
    assignments: &[Assignment],
    seen: &RegistrySnapshot,
) -> Vec<OlderDigest> {
    let mut current: BTreeMap<(&Place, &ImageField), (&Image, &Digest)> = BTreeMap::new();
    for assignment in assignments {
        let Ok(Some(digest)) = held_digest(assignment, Some(seen)) else { continue };
        let private =
            |image: &Image| assignment.destination.is_same(image) && image.version().digest().is_none();
        for used in assignment.used_by.iter().filter(|used| private(&used.image)) {
            current.insert((&used.used_by.place, &used.used_by.image_field), (&used.image, digest));
        }
    }
    let mut older: BTreeMap<(Place, ImageField, String), OlderDigest> = BTreeMap::new();
    for pod in pods {
        let place = top_controller(pod, workloads);
        for running in &pod.running {
            let Some((image, digest)) = current.get(&(&place, &running.image_field)) else { continue };
            // A pod with another image is about to be replaced.
            if image.as_written() != running.image || **digest == running.digest {
                continue;
            }
            let key = (place.clone(), running.image_field.clone(), running.digest.to_string());
            let older = older.entry(key).or_insert_with(|| OlderDigest {
                place: place.clone(),
                image_field: running.image_field.clone(),
                image: (*image).clone(),
                running: running.digest.to_string(),
                current: digest.to_string(),
                image_pull_policy: running.pull_policy.clone(),
                pods: Vec::new(),
            });
            older.pods.push(pod.name.name.clone());
        }
    }
    older.into_values().collect()
}

/// Whether an index contains the manifest `digest`: some container runtimes report the digest of the platform's manifest.
pub(super) fn contains(index: &[u8], digest: &str) -> bool {
    let index: serde_json::Value = serde_json::from_slice(index).unwrap_or_default();
    let mut children = index["manifests"].as_array().into_iter().flatten();
    children.any(|child| child["digest"] == digest)
}

#[cfg(test)]
mod tests;
