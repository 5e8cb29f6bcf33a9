//! The safety net: images that pods wait for, that no workload shows, and that Cast AI put there. They come from its
//! webhooks, its pod mutations, and whatever of it we do not know yet.

use std::collections::BTreeMap;

use super::{Found, ImageFilter, owners, whole_workload};
use crate::castai::components::image_variables;
use crate::cluster::waiting::{WaitingImage, WaitingPod};
use crate::model::image::Image;
use crate::model::image_field::carried;
use crate::model::inventory::{Carrier, LeftOut, Place, Reason, Use, WantedImage};
use crate::model::workload::Workload;

/// Adds to `images` what pods wait for.
pub(super) fn take(images: &mut BTreeMap<String, WantedImage>, found: Found<'_>, filter: &ImageFilter) {
    for (pod, waiting) in added(found) {
        let Ok(image) = waiting.image.parse::<Image>() else { continue };
        let Some(because) = because(pod, waiting, &image, images, found, filter) else { continue };
        if !filter.admits(&image, None) {
            continue;
        }
        let used_by = Use {
            place: owners::top_controller(pod, found.workloads),
            carrier: waiting.carrier.clone(),
            reason: Reason::FailingPod {
                pod: pod.name.name.clone(),
                waiting: waiting.reason.clone(),
                because,
            },
            recorded_source: None,
            fixed: Some(fixed(pod, found.workloads).to_owned()),
        };
        let wanted = images.entry(image.as_written().to_owned());
        let wanted =
            wanted.or_insert_with(|| WantedImage { image, source: None, origin: None, used_by: Vec::new() });
        // One pod stands for all of its controller's.
        let is_there = |there: &Use| there.place == used_by.place && there.carrier == used_by.carrier;
        if !wanted.used_by.iter().any(is_there) {
            wanted.used_by.push(used_by);
        }
    }
}

/// What pods wait for that somebody added to them, and that was not taken.
pub(super) fn left_out(
    images: &BTreeMap<String, WantedImage>,
    found: Found<'_>,
    filter: &ImageFilter,
) -> Vec<LeftOut> {
    let mut left_out = Vec::new();
    for (pod, waiting) in added(found).filter(|(pod, _)| pod.owner.is_some()) {
        let image = waiting.image.parse::<Image>();
        let why = match &image {
            Err(error) => format!("pod {} waits for it ({}): {error}", pod.name.name, waiting.reason),
            Ok(image) if because(pod, waiting, image, images, found, filter).is_some() => continue,
            Ok(_) => format!(
                "pod {} waits for it ({}), but Cast AI is not known to add it: --include-image does",
                pod.name.name, waiting.reason
            ),
        };
        left_out.push(LeftOut {
            place: owners::top_controller(pod, found.workloads),
            carrier: Some(waiting.carrier.clone()),
            image: Some(waiting.image.clone()),
            why,
        });
    }
    left_out
}

/// Pods with what they wait for, without what the workload that they belong to shows itself.
fn added(found: Found<'_>) -> impl Iterator<Item = (&WaitingPod, &WaitingImage)> {
    found.pods.iter().flat_map(move |pod| {
        let workload = workload_of(pod, found.workloads).filter(|_| pod.owner.is_some());
        let fields = workload.map(|workload| carried(&workload.pod, &image_variables())).unwrap_or_default();
        pod.images.iter().filter_map(move |waiting| {
            let is_shown =
                |carrier: &Carrier, image: &str| *carrier == waiting.carrier && image == waiting.image;
            let is_new = !fields.iter().any(|field| is_shown(&field.carrier, &field.value));
            is_new.then_some((pod, waiting))
        })
    })
}

fn workload_of<'w>(pod: &WaitingPod, workloads: &'w [Workload]) -> Option<&'w Workload> {
    let kind = pod.owner.as_ref().and_then(|owner| Some((owner.workload_kind()?, &owner.name)));
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

/// Why it is not rewritten where it was found.
fn fixed(pod: &WaitingPod, workloads: &[Workload]) -> &'static str {
    let is_ours = pod.owner.as_ref().is_some_and(|owner| owner.workload_kind().is_some());
    if is_ours && workload_of(pod, workloads).is_none() {
        return "its workload was not read";
    }
    "it was added as the pod was created: once what adds it names the private image, delete the pod"
}

/// Why what a pod waits for is Cast AI's doing, if it is.
fn because(
    pod: &WaitingPod,
    waiting: &WaitingImage,
    image: &Image,
    images: &BTreeMap<String, WantedImage>,
    found: Found<'_>,
    filter: &ImageFilter,
) -> Option<String> {
    let knowledge = &filter.knowledge;
    if let Some(adder) = images.get(image.as_written()).and_then(adder) {
        return Some(adder);
    }
    let source = filter.source_of(image);
    if let Some(prefix) = knowledge.image_prefix(source.as_ref().unwrap_or(image)) {
        return Some(format!("Cast AI image prefix {prefix}"));
    }
    // What follows is written by whoever may create pods there.
    if !filter.may_mirror(image, None, &owners::top_controller(pod, found.workloads)) {
        return None;
    }
    let container = waiting.carrier.container().unwrap_or_default();
    if knowledge.adds_container(container) {
        return Some("Cast AI adds containers of that name".to_owned());
    }
    if let Some(owner) = pod.owner.as_ref().filter(|owner| owner.group().ends_with("cast.ai")) {
        return Some(format!("owned by {}", owners::described(owner)));
    }
    if let Some(label) = knowledge.started_label(&pod.labels) {
        return Some(format!("label {label}"));
    }
    let whole = match workload_of(pod, found.workloads) {
        Some(workload) => whole_workload(workload, knowledge),
        None => knowledge
            .is_namespace(&pod.name.namespace)
            .then(|| Reason::Namespace { namespace: pod.name.namespace.clone() }),
    };
    whole.map(|reason| reason.to_string())
}

/// Who adds an image to pods of others, if it was found with one who does.
fn adder(wanted: &WantedImage) -> Option<String> {
    wanted.used_by.iter().find_map(|used_by| match &used_by.place {
        Place::Resource { resource, name, .. } if used_by.carrier.is_of_resource() => {
            Some(format!("added by {resource}/{name}"))
        }
        Place::Workload(workload) => {
            let variable = used_by.carrier.variable()?;
            Some(format!("added by {workload}, variable {variable}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
