//! Which images are wanted, and why: the rule that covers Cast AI's components, on plain snapshots.
//!
//! Taken are (a) every workload in a namespace that holds Cast AI alone, and (b) in any namespace every workload of
//! a Cast AI chart, and single containers whose image is Cast AI's or was rewritten by us; (c) everything in Helm
//! releases of Cast AI's charts, hooks included, and in Cast AI's custom resources. What they derive or read from variables comes with them. Replicas do
//! not matter: a component that is switched off needs its image too.

mod releases;

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};
use jiff::Timestamp;

pub use self::releases::{is_release_wanted, release_namespaces, releases_of};
use crate::castai::components;
use crate::cluster::custom::Resource;
use crate::cluster::pod_spec::PodSpec;
use crate::cluster::release::Release;
use crate::cluster::workload::Workload;
use crate::image::Image;
use crate::sync::carriers::{Carried, carried};
use crate::sync::inventory::{
    API_VERSION, Carrier, Cluster, Inventory, InventoryKind, Place, Reason, Use, WantedImage, WorkloadKind,
};
use crate::sync::manifests::Manifest;
use crate::sync::record::Records;

/// `--only` and `--exclude`: globs on image names, in which `*` also matches slashes. A name is the one as written, the
/// one that was there before we came, or the one behind a mirror, so that a filter means the same after a rewrite.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    only: Option<GlobSet>,
    exclude: GlobSet,
}

impl ImageFilter {
    /// # Errors
    /// A glob is malformed; the error names it.
    pub fn new(only: &[String], exclude: &[String]) -> Result<Self, globset::Error> {
        let set = |globs: &[String]| {
            let mut builder = GlobSetBuilder::new();
            for glob in globs {
                builder.add(Glob::new(glob)?);
            }
            builder.build()
        };
        Ok(Self { only: if only.is_empty() { None } else { Some(set(only)?) }, exclude: set(exclude)? })
    }

    pub fn admits(&self, image: &Image, source: Option<&Image>) -> bool {
        let names =
            [Some(image.as_written()), source.map(Image::as_written), components::name_behind_mirror(image)];
        let is_match = |globs: &GlobSet| names.iter().flatten().any(|name| globs.is_match(name));
        self.only.as_ref().is_none_or(is_match) && !is_match(&self.exclude)
    }
}

/// Where images are looked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    pub workloads: &'a [Workload],
    pub releases: &'a [Release],
    pub resources: &'a [Resource],
    pub manifests: &'a [Manifest],
}

/// Makes the inventory of what was found, in order of the images' names. `notes` are those of reading.
pub fn discover(
    clusters: Vec<Cluster>,
    found: Found<'_>,
    filter: &ImageFilter,
    mut notes: Vec<String>,
    created: Timestamp,
) -> Inventory {
    let mut images: BTreeMap<String, WantedImage> = BTreeMap::new();
    let uses = found
        .workloads
        .iter()
        .map(|workload| uses(workload, filter))
        .chain(found.releases.iter().map(|release| releases::uses(release, filter)))
        .chain(found.resources.iter().map(|resource| resource_uses(resource, filter)))
        .chain(found.manifests.iter().map(|manifest| file_uses(manifest, filter)));
    for (uses, unreadable) in uses {
        notes.extend(unreadable);
        for (image, used_by) in uses {
            images
                .entry(image.as_written().to_owned())
                .or_insert_with(|| WantedImage { image, used_by: Vec::new() })
                .used_by
                .push(used_by);
        }
    }
    for wanted in images.values_mut() {
        releases::share_records(wanted);
        wanted
            .used_by
            .sort_by(|left, right| (&left.place, &left.carrier).cmp(&(&right.place, &right.carrier)));
    }
    Inventory {
        api_version: API_VERSION.to_owned(),
        kind: InventoryKind::Inventory,
        created,
        clusters,
        images: images.into_values().collect(),
        notes,
        unlisted: Vec::new(),
    }
}

/// The images that are taken of one workload, and what of them cannot be read.
pub fn uses(workload: &Workload, filter: &ImageFilter) -> (Vec<(Image, Use)>, Vec<String>) {
    if workload.is_carried_by_its_owner() {
        return (Vec::new(), Vec::new());
    }
    let whole = whole_workload(workload);
    let records = Records::read(&workload.annotations);
    let place = Place::Workload(workload.name.clone());
    let described = format!("{} in namespace {}", workload.name, workload.name.namespace);
    let reason = |field: &Carried| whole.clone().or_else(|| own_reason(field, &records));
    let fixed = |carrier: &Carrier| fixed(workload, carrier);
    collect(&workload.pod, &records, &place, &described, filter, reason, fixed)
}

fn file_uses(manifest: &Manifest, filter: &ImageFilter) -> (Vec<(Image, Use)>, Vec<String>) {
    let records = Records::read(&manifest.annotations);
    let place = Place::File { path: manifest.path.clone(), manifest: manifest.name.clone() };
    let described = format!("{} in {}", manifest.name, manifest.path);
    let reason = |_: &Carried| Some(Reason::File { path: manifest.path.clone() });
    collect(&manifest.pod, &records, &place, &described, filter, reason, |_| None)
}

/// A custom resource of Cast AI's is taken whole.
fn resource_uses(resource: &Resource, filter: &ImageFilter) -> (Vec<(Image, Use)>, Vec<String>) {
    let definition = resource.definition;
    let kind = format!("{}.{}", definition.kind.to_lowercase(), definition.group);
    let place = Place::Resource {
        cluster: resource.cluster.clone(),
        namespace: resource.namespace.clone(),
        resource: kind.clone(),
        name: resource.name.clone(),
    };
    let images = definition.images(&resource.content).into_iter();
    let uses = images.filter(|found| filter.admits(&found.image, None)).map(|found| {
        let used_by = Use {
            place: place.clone(),
            carrier: Carrier::Field(found.pointer),
            reason: Reason::Resource { resource: kind.clone() },
            recorded_source: None,
            fixed: Some(definition.fixed.to_owned()),
        };
        (found.image, used_by)
    });
    (uses.collect(), Vec::new())
}

/// Why a workload is taken with all its containers.
fn whole_workload(workload: &Workload) -> Option<Reason> {
    if components::NAMESPACES.contains(&workload.name.namespace.as_str()) {
        return Some(Reason::Namespace { namespace: workload.name.namespace.clone() });
    }
    let chart = components::chart(workload.labels.get("helm.sh/chart")?)?;
    Some(Reason::Chart { chart: chart.to_owned() })
}

/// Why a single container is taken.
fn own_reason(field: &Carried, records: &Records) -> Option<Reason> {
    if records.current(&field.carrier, &field.value).is_some()
        || records.source(&field.carrier, &field.value).is_some()
    {
        return Some(Reason::Annotation);
    }
    let prefix = components::image_prefix(&field.value.parse().ok()?)?;
    Some(Reason::ImagePrefix { prefix: prefix.to_owned() })
}

/// Why a field that was taken cannot be patched. Controllers such as an operator may own a Deployment, which can be
/// patched all the same; a patched pod or ReplicaSet would not outlive its controller's next step.
fn fixed(workload: &Workload, carrier: &Carrier) -> Option<String> {
    use WorkloadKind::{Job, Pod, ReplicaSet, ReplicationController};
    match (workload.name.kind, carrier, &workload.owner) {
        (Job, ..) => Some("a Job's template is immutable".to_owned()),
        (Pod | ReplicaSet | ReplicationController, _, Some(owner)) => {
            Some(format!("managed by {}/{} ({})", owner.kind, owner.name, owner.api_version))
        }
        (_, Carrier::EphemeralContainer(_), _) => Some("an ephemeral container cannot be changed".to_owned()),
        (Pod, Carrier::Environment { .. }, _) => Some("a pod's variables are immutable".to_owned()),
        _ => None,
    }
}

/// Takes the containers that there is a reason for and the filter admits, and with each its variables and its derived
/// image: without them a rewritten container could not do its work.
fn collect(
    pod: &PodSpec,
    records: &Records,
    place: &Place,
    described: &str,
    filter: &ImageFilter,
    reason_of: impl Fn(&Carried) -> Option<Reason>,
    fixed: impl Fn(&Carrier) -> Option<String>,
) -> (Vec<(Image, Use)>, Vec<String>) {
    let (mut uses, mut notes) = (Vec::new(), Vec::new());
    let fields = carried(pod);
    let (variables, containers): (Vec<_>, Vec<_>) =
        fields.iter().partition(|field| matches!(field.carrier, Carrier::Environment { .. }));
    let mut take = |image: Image, carrier: Carrier, reason, recorded_source| {
        let used_by = Use { place: place.clone(), fixed: fixed(&carrier), carrier, reason, recorded_source };
        uses.push((image, used_by));
    };
    for field in containers {
        let Some(reason) = reason_of(field) else { continue };
        let image: Image = match field.value.parse() {
            Ok(image) => image,
            Err(error) => {
                notes.push(format!("{described}: {}: {error}", field.carrier));
                continue;
            }
        };
        let recorded = records.source(&field.carrier, &field.value);
        if !filter.admits(&image, recorded.as_ref()) {
            continue;
        }
        let own_variables = || variables.iter().filter(|variable| variable.container == field.container);
        let has_variable = |name: &str| {
            own_variables().any(|variable| matches!(&variable.carrier, Carrier::Environment { variable, .. } if variable == name))
        };
        if let Some((carrier, derived)) =
            components::derived_image(&field.container, &image, recorded.as_ref(), has_variable)
        {
            let source = recorded.as_ref().and_then(|source| components::scanners_image(source).ok());
            let from = image.clone();
            take(derived, carrier, Reason::Derived { from }, source);
        }
        for variable in own_variables() {
            match (&variable.carrier, variable.value.parse::<Image>()) {
                (Carrier::Environment { variable: name, .. }, Ok(image)) => {
                    let reason = match &reason {
                        Reason::File { .. } | Reason::Release { .. } => reason.clone(),
                        _ => Reason::Variable { variable: name.clone() },
                    };
                    take(
                        image,
                        variable.carrier.clone(),
                        reason,
                        records.source(&variable.carrier, &variable.value),
                    );
                }
                (_, Err(error)) => notes.push(format!("{described}: {}: {error}", variable.carrier)),
                _ => {}
            }
        }
        take(image, field.carrier.clone(), reason, recorded);
    }
    (uses, notes)
}

#[cfg(test)]
mod tests;
