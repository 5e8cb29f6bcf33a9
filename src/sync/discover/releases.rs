//! Images in Helm releases: which releases are read, and which of their images are included.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use super::ImageFilter;
use crate::cluster::release::{Release, ReleaseName};
use crate::model::image::Image;
use crate::model::image_field::{LocatedField, locate_fields};
use crate::model::inventory::{ExcludedImage, ImageField, Place, Reason, Use, WantedImage, WorkloadName};
use crate::model::knowledge::Knowledge;
use crate::model::record::Records;
use crate::model::workload::Workload;
use crate::sync::discover::manifests::{self, Manifest, Parsed};
use crate::sync::provenance::is_castai;

/// Namespace and name of the Helm releases of those `workloads` that are included.
pub fn releases_of<'w>(workloads: &'w [Workload], filter: &ImageFilter) -> BTreeSet<(&'w str, &'w str)> {
    let filter = filter.unnarrowed();
    workloads
        .iter()
        .filter(|workload| !super::uses(workload, &filter).0.is_empty())
        .filter_map(|workload| {
            let annotation = |name| workload.annotations.get(name).map(String::as_str);
            Some((annotation("meta.helm.sh/release-namespace")?, annotation("meta.helm.sh/release-name")?))
        })
        .collect()
}

/// Whether a Helm release is read: it is in a namespace of Cast AI, is named like one of its charts, or belongs to an
/// included workload.
pub fn is_release_wanted(
    of_workloads: &BTreeSet<(&str, &str)>,
    knowledge: &Knowledge,
    namespace: &str,
    release: &str,
) -> bool {
    knowledge.is_namespace(namespace)
        || knowledge.chart(&format!("{release}-")).is_some()
        || of_workloads.contains(&(namespace, release))
}

/// `castai-agent/castai-kvisor, …`: namespace and name of each.
pub(super) fn listed(releases: &[(String, String)]) -> String {
    let names = releases.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
    names.collect::<Vec<_>>().join(", ")
}

/// Namespaces that may have such releases: those of the workloads and of their releases.
pub fn release_namespaces(workloads: &[Workload], filter: &ImageFilter) -> BTreeSet<String> {
    let namespaces = workloads.iter().map(|workload| workload.name.namespace.as_str());
    namespaces
        .filter(|namespace| filter.knowledge.is_namespace(namespace))
        .chain(releases_of(workloads, filter).into_iter().map(|(namespace, _)| namespace))
        .map(str::to_owned)
        .collect()
}

/// The images of a release's manifests and hooks, if its chart is Cast AI's.
pub(super) fn uses(release: &Release, filter: &ImageFilter) -> (Vec<(Image, Use)>, Vec<String>) {
    let ReleaseName { cluster, namespace, name } = &release.name;
    let label = format!("{}-{}", release.chart.name, release.chart.version);
    let (mut included, mut notes) = (Vec::new(), Vec::new());
    let Some(chart) = filter.knowledge.chart(&label) else { return (included, notes) };
    let described = format!("Helm release {name} in namespace {namespace}");
    let parts =
        iter::once((&release.manifest, false)).chain(release.hooks.iter().map(|hook| (&hook.manifest, true)));
    for (text, hook) in parts {
        let parsed = manifests::parse(&described, text).unwrap_or_else(|error| {
            notes.push(format!("{error}; only its running images are found"));
            Parsed::default()
        });
        notes.extend(manifests::skipped(&parsed.without_pod_spec));
        for manifest in parsed.manifests {
            let records = Records::default();
            let place = Place::Release {
                cluster: cluster.clone(),
                namespace: namespace.clone(),
                release: name.clone(),
                manifest: manifest.name.clone(),
                hook,
            };
            let described = format!("{} in {described}", manifest.name);
            let reason = |_: &LocatedField| Some(Reason::Release { chart: chart.to_owned(), hook });
            let (found, unread) =
                super::collect(&manifest.pod, &records, &place, &described, filter, reason, |_| None);
            included.extend(found);
            notes.extend(unread);
        }
    }
    (included, notes)
}

/// The workloads whose Helm release sets the private images that we recorded, in this or another version: its next
/// upgrade with the same values keeps them.
pub(super) fn persisted_workloads(workloads: &[Workload], releases: &[Release]) -> BTreeSet<WorkloadName> {
    let recorded = workloads.iter().filter(|workload| !Records::read(&workload.annotations).is_empty());
    // Many workloads may name one release, so each is parsed once.
    let mut parsed: BTreeMap<usize, Vec<Manifest>> = BTreeMap::new();
    let is_persisted = |workload: &&Workload| {
        let annotation = |name| workload.annotations.get(name).map(String::as_str);
        let (namespace, name) =
            (annotation("meta.helm.sh/release-namespace"), annotation("meta.helm.sh/release-name"));
        let is_own = |release: &Release| {
            (Some(release.name.namespace.as_str()), Some(release.name.name.as_str())) == (namespace, name)
        };
        let Some(release) = releases.iter().position(is_own) else { return false };
        // A manifest that cannot be parsed is reported with the images of the release.
        let manifests = parsed.entry(release).or_insert_with(|| {
            manifests::parse("", &releases[release].manifest).unwrap_or_default().manifests
        });
        set_private_images(manifests, workload)
    };
    recorded.filter(is_persisted).map(|workload| workload.name.clone()).collect()
}

/// Whether a release's manifests set a private image for each recorded field that they set.
fn set_private_images(manifests: &[Manifest], workload: &Workload) -> bool {
    let object = format!("{}/{}", workload.name.kind.as_str(), workload.name.name);
    let Some(manifest) = manifests.iter().find(|manifest| manifest.name == object) else { return false };
    let records = Records::read(&workload.annotations);
    let recorded: Vec<ImageField> = records.all().map(|(image_field, _)| image_field).collect();
    let fields = locate_fields(&manifest.pod, &recorded);
    !fields.is_empty()
        && fields.iter().all(|field| records.source(&field.image_field, &field.value).is_some())
}

/// A release that was read and is not Cast AI's.
pub(super) fn excluded(release: &Release, filter: &ImageFilter) -> Option<ExcludedImage> {
    let ReleaseName { cluster, namespace, name } = &release.name;
    let chart = format!("{}-{}", release.chart.name, release.chart.version);
    match filter.knowledge.chart(&chart) {
        Some(_) => None,
        None => Some(ExcludedImage::release(cluster, namespace, name, &chart)),
    }
}

/// Helm's manifests do not have our annotation, so records of workloads in Cast AI's namespaces are used for the same
/// image in manifests.
pub(super) fn share_records(wanted: &mut WantedImage, knowledge: &Knowledge) {
    let recorded = recorded_in_castai(wanted, knowledge);
    for used_by in &mut wanted.used_by {
        if matches!(used_by.place, Place::Release { .. }) && used_by.recorded_source.is_none() {
            used_by.recorded_source.clone_from(&recorded);
        }
    }
}

/// The recorded original of an image, from Cast AI's own namespaces only: elsewhere a tenant may have written the
/// record.
pub(super) fn recorded_in_castai(wanted: &WantedImage, knowledge: &Knowledge) -> Option<Image> {
    let mut own = wanted.used_by.iter().filter(|used_by| is_castai(&used_by.place, knowledge));
    own.find_map(|used_by| used_by.recorded_source.clone())
}

#[cfg(test)]
mod tests;
