//! What was searched and excluded, and why: for users who miss an image, or do not expect one.

use std::collections::{BTreeMap, BTreeSet};

use super::belonging::{component_named, whole_workload};
use super::{Found, ImageFilter, owners, pods, releases, uses};
use crate::model::image::Image;
use crate::model::image_field::locate_image_fields;
use crate::model::inventory::{ExcludedImage, Explanation, ImageField, Inventory, Place, WantedImage};
use crate::model::knowledge::Knowledge;
use crate::model::pod_template::Container;
use crate::model::workload::Workload;

/// Spellings of Cast AI, in lower case.
const NAMES: [&str; 3] = ["castai", "cast-ai", "cast.ai"];

/// Labels that identify a workload.
const TELLING_LABELS: [&str; 5] = [
    "helm.sh/chart",
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
];

/// Why an image is excluded although an object outside Cast AI's namespaces has Cast AI in its name.
const NOT_KNOWN: &str = "not a known Cast AI image, and the workload is outside of Cast AI's namespaces \
                         (include it with --include-image)";

/// Explains `inventory`, which was created from `found`.
pub fn explain(inventory: &Inventory, found: Found<'_>, filter: &ImageFilter) -> Explanation {
    let images: BTreeMap<String, WantedImage> = inventory
        .images
        .iter()
        .map(|wanted| (wanted.image.as_written().to_owned(), wanted.clone()))
        .collect();
    let mut excluded: Vec<ExcludedImage> =
        found.workloads.iter().flat_map(|workload| of_workload(workload, filter)).collect();
    excluded.extend(found.releases.iter().filter_map(|release| releases::excluded(release, filter)));
    excluded.extend(pods::excluded(&images, found, filter));
    // Such an object may already be included because of its pods.
    let is_used = |place: &Place| {
        let mut uses = inventory.images.iter().flat_map(|wanted| &wanted.used_by);
        uses.any(|used| used.place == *place)
    };
    excluded.retain(|one| one.image_field.is_some() || !is_used(&one.place));
    excluded.sort();
    excluded.dedup();
    Explanation { searched: searched(inventory, found), excluded }
}

fn searched(inventory: &Inventory, found: Found<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if !inventory.clusters.is_empty() {
        let namespaces: BTreeSet<_> =
            found.workloads.iter().map(|workload| &workload.name.namespace).collect();
        lines.push(format!("workloads: {} in {} namespaces", found.workloads.len(), namespaces.len()));
        lines.push(format!("Helm releases that may belong to Cast AI: {}", found.releases.len()));
        if !found.releases_not_stored.is_empty() {
            let names = releases::listed(found.releases_not_stored);
            lines.push(format!(
                "Helm releases not read, because they are not in Secrets or ConfigMaps: {names}"
            ));
        }
        lines.push(format!("custom resources of Cast AI: {}", found.resources.len()));
        lines.push(format!("pods that cannot pull an image: {}", found.pods.len()));
    }
    if !found.manifests.is_empty() {
        lines.push(format!("manifests with containers: {}", found.manifests.len()));
    }
    lines.extend(inventory.unlisted.iter().map(|kind| format!("{kind}: not read, list is forbidden")));
    lines
}

fn of_workload(workload: &Workload, filter: &ImageFilter) -> Vec<ExcludedImage> {
    if workload.is_covered_by_its_controller() {
        return Vec::new();
    }
    let place = owners::place_of(workload);
    let excluded = |image_field: Option<&ImageField>, image: Option<&str>, why: String| ExcludedImage {
        place: place.clone(),
        image_field: image_field.cloned(),
        image: image.map(str::to_owned),
        why,
    };
    let (included, _) = uses(workload, filter);
    let (wanted, _) = uses(workload, &filter.unnarrowed());
    let is_in = |uses: &[(Image, _)], image_field: &ImageField| {
        uses.iter().any(|(_, used): &(Image, crate::model::inventory::Use)| used.image_field == *image_field)
    };
    let mut result: Vec<ExcludedImage> = wanted
        .iter()
        .filter(|(_, used)| !is_in(&included, &used.image_field))
        .map(|(image, used)| {
            let why = "excluded by --only or --exclude".to_owned();
            excluded(Some(&used.image_field), Some(image.as_written()), why)
        })
        .collect();
    let fields = locate_image_fields(&workload.pod, &filter.knowledge.image_variables());
    let others = || fields.iter().filter(|field| !field.image_field.comes_with_container());
    let is_whole = whole_workload(workload, filter).is_some();
    if wanted.is_empty() && !is_whole {
        match unproven(workload, &filter.knowledge) {
            Some(why) => result.push(excluded(None, None, why)),
            None => result.extend(others().filter(|field| is_known(&field.value, &filter.knowledge)).map(
                |field| {
                    let why =
                        "the image is also used by Cast AI's charts, but the workload does not belong to \
                           Cast AI"
                            .to_owned();
                    excluded(Some(&field.image_field), Some(&field.value), why)
                },
            )),
        }
        return result;
    }
    // An invalid reference has its own note.
    let can_be_read = |value: &str| value.parse::<Image>().is_ok();
    let left = others().filter(|field| !is_in(&wanted, &field.image_field) && can_be_read(&field.value));
    for field in left {
        let why = if is_whole { NOT_KNOWN } else { "neither the workload nor the image belongs to Cast AI" };
        result.push(excluded(Some(&field.image_field), Some(&field.value), why.to_owned()));
    }
    let containers = workload.pod.spec.init_containers.iter().flatten().chain(&workload.pod.spec.containers);
    for container in containers {
        let is_included =
            wanted.iter().any(|(_, used)| used.image_field.container() == Some(&container.name));
        if is_included || is_whole {
            let variables = variables(container, filter).into_iter();
            result
                .extend(variables.map(|(image_field, image, why)| excluded(Some(&image_field), image, why)));
        }
    }
    result
}

/// Why an excluded workload looks like one of Cast AI, and what is missing.
fn unproven(workload: &Workload, knowledge: &Knowledge) -> Option<String> {
    if let Some(component) = component_named(workload, knowledge) {
        return Some(format!(
            "named like a workload of {component}, but neither its service account, its Helm release nor \
             another workload in its namespace belongs to Cast AI"
        ));
    }
    let what = resemblance(workload)?;
    Some(format!("its {what} looks like Cast AI's, but its namespace, chart label and image prefix do not"))
}

/// The part of a workload that has Cast AI in its name.
fn resemblance(workload: &Workload) -> Option<&'static str> {
    let is_alike = |text: &str| {
        let text = text.to_lowercase();
        NAMES.iter().any(|name| text.contains(name))
    };
    let labels = || TELLING_LABELS.iter().filter_map(|name| workload.labels.get(*name));
    let containers =
        || workload.pod.spec.init_containers.iter().flatten().chain(&workload.pod.spec.containers);
    if is_alike(&workload.name.name) {
        Some("name")
    } else if is_alike(&workload.name.namespace) {
        Some("namespace")
    } else if labels().any(|label| is_alike(label)) {
        Some("label")
    } else if containers().any(|container| container.image.as_deref().is_some_and(is_alike)) {
        Some("image")
    } else if containers().any(|container| is_alike(&container.name)) {
        Some("container's name")
    } else {
        None
    }
}

/// Whether Cast AI's charts use this third-party image.
fn is_known(value: &str, knowledge: &Knowledge) -> bool {
    value.parse().is_ok_and(|image| knowledge.knows(&image))
}

/// Variables of a Cast AI container that are named like an image variable, but are not treated as one.
fn variables<'c>(
    container: &'c Container,
    filter: &ImageFilter,
) -> Vec<(ImageField, Option<&'c str>, String)> {
    let (mut found, read) = (Vec::new(), filter.knowledge.image_variables());
    for variable in container.env.iter().flatten() {
        let name = variable.name.as_str();
        let value = variable.value.as_deref().filter(|value| !value.is_empty());
        let is_read = read.contains(name);
        let is_named = name.ends_with("_IMAGE") || name.contains("_IMAGE_NAME");
        let known = filter.knowledge.other_variable(name).and_then(|known| known.reason.as_ref());
        let why = match (is_read, value, known) {
            (true, None, _) if variable.value_from.is_some() => {
                "its value comes from another object, which is not read".to_owned()
            }
            (false, _, Some(why)) => why.clone(),
            (false, Some(value), None) if is_named => {
                let last = value.rsplit('/').next().unwrap_or(value);
                if last.contains([':', '@']) {
                    "no known Cast AI component reads an image from it: if this one does, add the variable \
                     to --knowledge"
                        .to_owned()
                } else {
                    "its value is a tag or a name, not an image".to_owned()
                }
            }
            _ => continue,
        };
        let image_field = ImageField::of_variable(&container.name, name);
        // A value that is not a reference may be secret.
        found.push((image_field, value.filter(|value| value.parse::<Image>().is_ok()), why));
    }
    found
}

impl ExcludedImage {
    /// A release that was read because it might have been Cast AI's.
    pub(super) fn release(cluster: &str, namespace: &str, release: &str, chart: &str) -> Self {
        Self {
            place: Place::Release {
                cluster: cluster.to_owned(),
                namespace: namespace.to_owned(),
                release: release.to_owned(),
                manifest: "everything".to_owned(),
                hook: false,
            },
            image_field: None,
            image: None,
            why: format!("its chart {chart} does not belong to Cast AI"),
        }
    }
}
