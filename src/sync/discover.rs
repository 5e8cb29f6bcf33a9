//! Discovery: which images Cast AI needs, and why. Pure, on snapshots.
//!
//! Included is (a) everything in namespaces that only Cast AI uses: workloads, Helm releases of its charts with their
//! hooks, its custom resources. In other namespaces, which tenants may write to, only names that Cast AI is known to
//! use ([`provenance`]) are included: (b) images of workloads of a Cast AI chart, images of Cast AI, and images that we
//! rewrote; (c) images in Helm releases and custom resources of Cast AI; (d) as a safety net, images that pods cannot
//! pull and that Cast AI added. Derived images and images in variables are included with their containers. Replicas do
//! not matter: a component that is scaled to zero needs its image too.

mod belonging;
mod explain;
mod filter;
pub mod manifests;
pub(in crate::sync) mod owners;
mod pods;
mod releases;
pub mod snapshot;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::belonging::beside;
use self::belonging::{patched_by, whole_workload};
pub use self::explain::explain;
pub use self::filter::ImageFilter;
pub use self::releases::{is_release_wanted, release_namespaces, releases_of};
use crate::castai::derivation;
use crate::cluster::custom::Resource;
use crate::cluster::release::Release;
use crate::cluster::waiting::WaitingPod;
use crate::model::image::Image;
use crate::model::image_field::{LocatedField, locate_image_fields};
use crate::model::inventory::{
    API_VERSION, Cluster, ImageField, Inventory, InventoryKind, Place, Reason, Use, WantedImage, WorkloadKind,
};
use crate::model::pod_template::PodTemplate;
use crate::model::record::Records;
use crate::model::workload::Workload;
use crate::sync::discover::manifests::Manifest;
use crate::sync::provenance::is_castai;

/// Where images are looked for: one cluster, or files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    pub workloads: &'a [Workload],
    pub releases: &'a [Release],
    /// Releases that workloads name and that are not stored in the cluster, by namespace and name.
    pub releases_not_stored: &'a [(String, String)],
    pub resources: &'a [Resource],
    pub manifests: &'a [Manifest],
    /// Pods that wait for an image.
    pub pods: &'a [WaitingPod],
}

/// Creates the inventory, sorted by image name. `notes` come from reading the cluster.
pub fn discover(
    clusters: Vec<Cluster>,
    found: &[Found<'_>],
    filter: &ImageFilter,
    mut notes: Vec<String>,
    created: Timestamp,
) -> Inventory {
    let mut images: BTreeMap<String, WantedImage> = BTreeMap::new();
    let mut take = |image: Image, used_by: Use| {
        let wanted = images.entry(image.as_written().to_owned());
        let wanted = wanted.or_insert_with(|| WantedImage {
            image,
            source: None,
            provenance: None,
            used_by: Vec::new(),
        });
        wanted.used_by.push(used_by);
    };
    let mut unreadable = Vec::new();
    for (is_needed, (uses, unread)) in found.iter().flat_map(|found| found_uses(found, filter)) {
        if is_needed {
            unreadable.extend(unread);
        } else {
            notes.extend(unread);
        }
        for (image, used_by) in uses {
            take(image, used_by);
        }
    }
    for image in filter.knowledge.images.iter().filter(|image| filter.admits(image, None)) {
        take(image.clone(), named());
    }
    for found in found {
        pods::add_failing(&mut images, *found, filter);
    }
    let is_outside = |used_by: &Use| !is_castai(&used_by.place, &filter.knowledge);
    for wanted in images.values_mut() {
        releases::share_records(wanted, &filter.knowledge);
        wanted
            .used_by
            .sort_by(|left, right| (&left.place, &left.image_field).cmp(&(&right.place, &right.image_field)));
        // A custom controller may have many pods.
        wanted.used_by.dedup();
        let recorded = releases::recorded_in_castai(wanted, &filter.knowledge).or_else(|| {
            let mut outside = wanted.used_by.iter().filter_map(|used_by| used_by.recorded_source.as_ref());
            outside.next().filter(|_| wanted.used_by.iter().all(is_outside)).cloned()
        });
        let mapped = filter.mapped_source(&wanted.image);
        wanted.source = mapped.or(recorded).or_else(|| filter.source_of(&wanted.image));
        let name = wanted.source.as_ref().unwrap_or(&wanted.image);
        let origins = wanted.used_by.iter().filter_map(|used_by| filter.provenance(name, &used_by.place));
        wanted.provenance = origins.min();
    }
    Inventory {
        api_version: API_VERSION.to_owned(),
        kind: InventoryKind::Inventory,
        created,
        clusters,
        images: images.into_values().collect(),
        notes,
        unlisted: Vec::new(),
        not_read: Vec::new(),
        unreadable,
        knowledge: filter.knowledge.clone(),
        explanation: None,
    }
}

fn named() -> Use {
    Use {
        place: Place::Named,
        image_field: ImageField::of_named_image(),
        reason: Reason::Named,
        recorded_source: None,
        not_rewritable: None,
    }
}

/// The included images of an object, and notes on those that are not valid references.
pub type Uses = (Vec<(Image, Use)>, Vec<String>);

/// The images of all objects, each with whether Cast AI or the user needs the object: Helm releases are an optional
/// source, and objects in other namespaces may be anyone's.
fn found_uses<'f>(
    found: &'f Found<'_>,
    filter: &'f ImageFilter,
) -> impl Iterator<Item = (bool, Uses)> + use<'f> {
    let is_castai = |namespace: &str| filter.knowledge.is_namespace(namespace);
    let workloads = found.workloads.iter();
    let workloads =
        workloads.map(move |workload| (is_castai(&workload.name.namespace), uses(workload, filter)));
    let resources = found.resources.iter();
    let resources =
        resources.map(move |resource| (is_castai(&resource.namespace), resource_uses(resource, filter)));
    workloads
        .chain(found.releases.iter().map(|release| (false, releases::uses(release, filter))))
        .chain(resources)
        .chain(found.manifests.iter().map(|manifest| (true, file_uses(manifest, filter))))
}

/// The included images of a workload, and notes on those that are not valid references.
pub fn uses(workload: &Workload, filter: &ImageFilter) -> Uses {
    if workload.is_covered_by_its_controller() {
        return (Vec::new(), Vec::new());
    }
    let whole = whole_workload(workload, filter);
    let records = Records::read(&workload.annotations);
    let place = owners::place_of(workload);
    let described = format!("{} in namespace {}", workload.name, workload.name.namespace);
    let reason = |field: &LocatedField| {
        let recorded = || filter.recorded(&records, field, &place).map(|_| Reason::Annotation);
        whole.clone().or_else(recorded).or_else(|| own_reason(workload, field, filter))
    };
    let not_rewritable = |image_field: &ImageField| not_rewritable(workload, image_field, filter);
    collect(&workload.pod, &records, &place, &described, filter, reason, not_rewritable)
}

fn file_uses(manifest: &Manifest, filter: &ImageFilter) -> Uses {
    let records = Records::read(&manifest.annotations);
    let place = Place::File { path: manifest.path.clone(), manifest: manifest.name.clone() };
    let described = format!("{} in {}", manifest.name, manifest.path);
    let hook = manifest.annotations.contains_key("helm.sh/hook");
    let reason = |_: &LocatedField| Some(Reason::File { path: manifest.path.clone(), hook });
    collect(&manifest.pod, &records, &place, &described, filter, reason, |_| None)
}

/// All images of a Cast AI custom resource are included if they may be mirrored.
fn resource_uses(resource: &Resource, filter: &ImageFilter) -> Uses {
    let definition = &resource.definition;
    let kind = definition.singular();
    let place = Place::Resource {
        cluster: resource.cluster.clone(),
        namespace: resource.namespace.clone(),
        resource: kind.clone(),
        name: resource.name.clone(),
    };
    let found = definition.images(&resource.content);
    let unread = found.is_incomplete.then(|| {
        let Resource { name, namespace, .. } = resource;
        format!(
            "{kind}/{name} in namespace {namespace}: some fields are nested too deep; images in them \
                 are not found"
        )
    });
    let is_included = |image: &Image| filter.may_mirror(image, None, &place) && filter.admits(image, None);
    let uses = found.images.into_iter().filter(|found| is_included(&found.image)).map(|found| {
        let used_by = Use {
            place: place.clone(),
            image_field: ImageField::of_resource(&found.pointer),
            reason: Reason::Resource { resource: kind.clone() },
            recorded_source: None,
            not_rewritable: Some(definition.why_not_rewritable().to_owned()),
        };
        (found.image, used_by)
    });
    (uses.collect(), unread.into_iter().collect())
}

/// Why a single container is taken by its image's name. A map's public name is no reason: others may use that image too.
fn own_reason(workload: &Workload, field: &LocatedField, filter: &ImageFilter) -> Option<Reason> {
    let image: Image = field.value.parse().ok()?;
    let source = filter.source_of(&image);
    let Some(prefix) = filter.knowledge.image_prefix(source.as_ref().unwrap_or(&image)) else {
        return filter.map_of(&image).map(|map| Reason::Mapped { map: map.to_string() });
    };
    let prefix = prefix.to_owned();
    Some(match patched_by(workload, &filter.knowledge) {
        Some(component) => Reason::PatchedBy { component: component.to_owned(), prefix },
        None => Reason::ImagePrefix { prefix },
    })
}

/// Why a third-party workload that Cast AI patches is not rewritten: its images are mirrored, but a broken network plugin
/// breaks every new pod of its node.
const NOT_OURS: &str = "not a workload of Cast AI: to rewrite it, add --include-cni";

/// Why an included field cannot be patched. A Deployment can be patched even if an operator controls it; a patched pod
/// or ReplicaSet would be replaced by its controller.
fn not_rewritable(workload: &Workload, image_field: &ImageField, filter: &ImageFilter) -> Option<String> {
    if patched_by(workload, &filter.knowledge).is_some() && !filter.include_cni {
        return Some(NOT_OURS.to_owned());
    }
    if let Some(owner) = owners::custom_owner(workload) {
        return Some(format!("owned by {}: change it there", owners::described(owner)));
    }
    match workload.name.kind {
        WorkloadKind::Job => Some("Jobs are immutable".to_owned()),
        kind => image_field.immutable_in(kind).map(str::to_owned),
    }
}

/// Includes the fields that have a reason, may be mirrored and match the filter, with the fields and the derived image
/// that belong to their container: without them a rewritten container would not work.
fn collect(
    pod: &PodTemplate,
    records: &Records,
    place: &Place,
    described: &str,
    filter: &ImageFilter,
    reason_of: impl Fn(&LocatedField) -> Option<Reason>,
    not_rewritable: impl Fn(&ImageField) -> Option<String>,
) -> Uses {
    let (mut uses, mut notes) = (Vec::new(), Vec::new());
    let fields = locate_image_fields(pod, &filter.knowledge.image_variables());
    let (dependent, independent): (Vec<_>, Vec<_>) =
        fields.iter().partition(|field| field.image_field.comes_with_container());
    let mut take = |image: Image, image_field: ImageField, reason, recorded_source| {
        let used_by = Use {
            place: place.clone(),
            not_rewritable: not_rewritable(&image_field),
            image_field,
            reason,
            recorded_source,
        };
        uses.push((image, used_by));
    };
    for field in independent {
        let Some(reason) = reason_of(field) else { continue };
        let image: Image = match field.value.parse() {
            Ok(image) => image,
            Err(error) => {
                notes.push(format!("{described}: {}: {error}", field.image_field));
                continue;
            }
        };
        let recorded = filter.recorded(records, field, place);
        if !filter.may_mirror(&image, recorded.as_ref(), place) || !filter.admits(&image, recorded.as_ref()) {
            continue;
        }
        let source = filter.mapped_source(&image).or_else(|| recorded.clone());
        let container = field.image_field.container().filter(|_| field.image_field.is_container_image());
        let mut own: Vec<_> = dependent
            .iter()
            .filter(|other| container.is_some() && other.image_field.container() == container)
            .collect();
        // A variable that we added is no evidence; the derived image is determined again.
        let added = own.iter().position(|other| records.added(&other.image_field, &other.value));
        let named: Option<Image> = added.and_then(|added| own[added].value.parse().ok());
        let has_variable = |name: &str| {
            let mut others = own.iter().enumerate().filter(|(index, _)| Some(*index) != added);
            others.any(|(_, other)| other.image_field.variable() == Some(name))
        };
        let derived = container.and_then(|container| {
            let (rule, derived) = derivation::derive(&image, source.as_ref(), named.as_ref(), has_variable)?;
            Some((rule, ImageField::of_derived_image(container, &rule.name), derived))
        });
        if let Some((rule, image_field, derived)) = derived {
            let source = source.as_ref().and_then(|source| rule.beside(source).ok());
            let from = image.clone();
            take(derived, image_field, Reason::Derived { from }, source);
            added.map(|added| own.remove(added));
        }
        for other in own {
            match other.value.parse::<Image>() {
                Ok(image) => {
                    let reason = match (&reason, other.image_field.variable()) {
                        (Reason::File { .. } | Reason::Release { .. }, _) | (_, None) => reason.clone(),
                        (_, Some(variable)) => Reason::Variable { variable: variable.to_owned() },
                    };
                    let recorded = filter.recorded(records, other, place);
                    if filter.may_mirror(&image, recorded.as_ref(), place) {
                        take(image, other.image_field.clone(), reason, recorded);
                    }
                }
                Err(error) => notes.push(format!("{described}: {}: {error}", other.image_field)),
            }
        }
        take(image, field.image_field.clone(), reason, recorded);
    }
    (uses, notes)
}

#[cfg(test)]
mod tests;
