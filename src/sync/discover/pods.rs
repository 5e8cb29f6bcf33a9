//! The safety net: images that pods cannot pull, that no workload contains, and that Cast AI added. They come from
//! webhooks, pod mutations, and components that we do not know yet.

use std::collections::BTreeMap;

use super::belonging::whole_workload;
use super::{Found, ImageFilter, owners};
use crate::cluster::waiting::{WaitingImage, WaitingPod};
use crate::model::image::Image;
use crate::model::image_field::{Variables, locate_image_fields};
use crate::model::inventory::{ExcludedImage, ImageField, Place, Reason, Use, WantedImage};
use crate::model::workload::Workload;

/// Adds images that pods cannot pull to `images`.
pub(super) fn add_failing(
    images: &mut BTreeMap<String, WantedImage>,
    found: Found<'_>,
    filter: &ImageFilter,
) {
    for (pod, waiting) in added(found) {
        let Ok(image) = waiting.image.parse::<Image>() else { continue };
        let Some(matched_by) = matched_by(pod, waiting, &image, images, found, filter) else { continue };
        if !filter.admits(&image, None) {
            continue;
        }
        let used_by = Use {
            place: owners::top_controller(pod, found.workloads),
            image_field: waiting.image_field.clone(),
            reason: Reason::FailingPod {
                pod: pod.name.name.clone(),
                waiting: waiting.reason.clone(),
                matched_by,
            },
            recorded_source: None,
            not_rewritable: Some(not_rewritable(pod, found.workloads).to_owned()),
        };
        let wanted = images.entry(image.as_written().to_owned());
        let wanted = wanted.or_insert_with(|| WantedImage {
            image,
            source: None,
            provenance: None,
            used_by: Vec::new(),
        });
        // One pod represents all pods of its controller.
        let is_there = |there: &Use| there.place == used_by.place && there.image_field == used_by.image_field;
        if !wanted.used_by.iter().any(is_there) {
            wanted.used_by.push(used_by);
        }
    }
}

/// Images that were injected into pods, cannot be pulled, and are not included.
pub(super) fn excluded(
    images: &BTreeMap<String, WantedImage>,
    found: Found<'_>,
    filter: &ImageFilter,
) -> Vec<ExcludedImage> {
    let mut excluded = Vec::new();
    for (pod, waiting) in added(found).filter(|(pod, _)| pod.controller.is_some()) {
        let image = waiting.image.parse::<Image>();
        let why = match &image {
            Err(error) => format!("pod {} cannot pull it ({}): {error}", pod.name.name, waiting.reason),
            Ok(image) if matched_by(pod, waiting, image, images, found, filter).is_some() => continue,
            Ok(_) => format!(
                "pod {} cannot pull it ({}), but it is not a known Cast AI image (include it with \
                 --include-image)",
                pod.name.name, waiting.reason
            ),
        };
        excluded.push(ExcludedImage {
            place: owners::top_controller(pod, found.workloads),
            image_field: Some(waiting.image_field.clone()),
            image: Some(waiting.image.clone()),
            why,
        });
    }
    excluded
}

/// Pods with images that they cannot pull, except images that their workload contains itself.
fn added(found: Found<'_>) -> impl Iterator<Item = (&WaitingPod, &WaitingImage)> {
    found.pods.iter().flat_map(move |pod| {
        let workload = workload_of(pod, found.workloads).filter(|_| pod.controller.is_some());
        // No variable is waited for.
        let fields = workload
            .map(|workload| locate_image_fields(&workload.pod, &Variables::default()))
            .unwrap_or_default();
        pod.images.iter().filter_map(move |waiting| {
            let is_shown = |image_field: &ImageField, image: &str| {
                *image_field == waiting.image_field && image == waiting.image
            };
            let is_new = !fields.iter().any(|field| is_shown(&field.image_field, &field.value));
            is_new.then_some((pod, waiting))
        })
    })
}

fn workload_of<'w>(pod: &WaitingPod, workloads: &'w [Workload]) -> Option<&'w Workload> {
    let kind = pod.controller.as_ref().and_then(|owner| Some((owner.workload_kind()?, &owner.name)));
    if let Some((kind, name)) = kind {
        let mut owner = pod.name.clone();
        owner.kind = kind;
        owner.name.clone_from(name);
        if let Some(workload) = owners::find(workloads, &owner) {
            return Some(workload);
        }
    }
    match owners::top_controller(pod, workloads) {
        Place::Workload(name) => owners::find(workloads, &name),
        _ => None,
    }
}

/// Why the image is not rewritten in place.
fn not_rewritable(pod: &WaitingPod, workloads: &[Workload]) -> &'static str {
    let is_ours = pod.controller.as_ref().is_some_and(|owner| owner.workload_kind().is_some());
    if is_ours && workload_of(pod, workloads).is_none() {
        return "its workload was not read";
    }
    "added when the pod was created: set the private image at its source, then delete the pod"
}

/// Why Cast AI is responsible for an image that a pod cannot pull, if it is.
fn matched_by(
    pod: &WaitingPod,
    waiting: &WaitingImage,
    image: &Image,
    images: &BTreeMap<String, WantedImage>,
    found: Found<'_>,
    filter: &ImageFilter,
) -> Option<String> {
    let knowledge = &filter.knowledge;
    if let Some(injector) = images.get(image.as_written()).and_then(injector) {
        return Some(injector);
    }
    let source = filter.source_of(image);
    if let Some(prefix) = knowledge.image_prefix(source.as_ref().unwrap_or(image)) {
        return Some(format!("Cast AI image prefix {prefix}"));
    }
    if let Some(map) = filter.map_of(image) {
        return Some(format!("named by --map {map}"));
    }
    // Everything below can be written by any user who may create pods there.
    if !filter.may_mirror(image, None, &owners::top_controller(pod, found.workloads)) {
        return None;
    }
    let container = waiting.image_field.container().unwrap_or_default();
    if knowledge.adds_container(container) {
        return Some("Cast AI injects containers with this name".to_owned());
    }
    if let Some(owner) = pod.controller.as_ref().filter(|owner| owner.group().ends_with("cast.ai")) {
        return Some(format!("owned by {}", owners::described(owner)));
    }
    if let Some(label) = knowledge.started_label(&pod.labels) {
        return Some(format!("label {label}"));
    }
    let whole = match workload_of(pod, found.workloads) {
        Some(workload) => whole_workload(workload, filter),
        None => knowledge
            .is_namespace(&pod.name.namespace)
            .then(|| Reason::Namespace { namespace: pod.name.namespace.clone() }),
    };
    whole.map(|reason| reason.to_string())
}

/// The component that injects an image into other pods, if it is included because of one.
fn injector(wanted: &WantedImage) -> Option<String> {
    wanted.used_by.iter().find_map(|used_by| match &used_by.place {
        Place::Resource { resource, name, .. } if used_by.image_field.is_of_resource() => {
            Some(format!("added by {resource}/{name}"))
        }
        Place::Workload(workload) => {
            let variable = used_by.image_field.variable()?;
            Some(format!("added by {workload}, variable {variable}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
