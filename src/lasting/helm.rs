//! Values files that have Helm write the names that rewriting gives: repositories, and never tags, so that a chart keeps
//! choosing its versions.
//!
//! One value, `global.registry`, is enough where the chart is known to honour it for all of a release's images and their
//! names are those of the layout. Elsewhere each image has its own key, and `global.registry` is left out: a chart that
//! came to honour it would put the registry before names that have one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::castai::chart_values::{self, Form, SCANNERS_KEY};
use crate::castai::components::scanners_image;
use crate::cluster::release::{Chart, Release, ReleaseName};
use crate::image::{Image, Mirror};
use crate::sync::assignment::{Assignment, Source};
use crate::sync::inventory::{Carrier, Place};
use crate::sync::manifests;

/// What a release's next upgrade has to be given.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseValues {
    pub release: ReleaseName,
    pub chart: Chart,
    /// Empty where the chart has no key for any image.
    pub values: Value,
    /// What no value can change, one sentence each.
    pub gaps: Vec<String>,
    /// What is worth knowing, one sentence each.
    pub notes: Vec<String>,
}

/// An image of a release, and the manifest that carries it.
struct Carried<'a> {
    assigned: &'a Assignment,
    carrier: &'a Carrier,
    manifest: &'a str,
    hook: bool,
}

/// The values of one release; none where it carries no image.
pub fn values(release: &Release, mirror: &Mirror, assignments: &[Assignment]) -> Option<ReleaseValues> {
    let images = images_of(release, assignments);
    if images.is_empty() {
        return None;
    }
    let mut result = ReleaseValues {
        release: release.name.clone(),
        chart: release.chart.clone(),
        values: Value::Object(Map::new()),
        gaps: Vec::new(),
        notes: Vec::new(),
    };
    let subcharts = Subcharts::of(release);
    let (mut keyed, mut all_global) = (BTreeMap::new(), true);
    let (mut gaps, mut is_umbrella) = (BTreeSet::new(), false);
    for image in &images {
        let named = format!("{} in {}", image.carrier, image.manifest);
        let source = match (&image.assigned.source, image.carrier) {
            // A derived image follows its container's name; where that does not do, it gets a name of its own below.
            (Source::Reachable(_), _) | (_, Carrier::Derived { .. }) => continue,
            (Source::Known(source), _) => source,
            (Source::Unknown(why) | Source::Unnameable(why), _) => {
                gaps.insert(format!("{named}: {why}"));
                continue;
            }
        };
        let private = image.assigned.destination.repository();
        let is_by_layout = private == format!("{mirror}/{}", source.repository());
        let mut found = false;
        for path in subcharts.of_manifest(image.manifest, image.hook) {
            let chart = path.last().map_or(release.chart.name.as_str(), String::as_str);
            is_umbrella |= !path.is_empty();
            for value in chart_values::of_image(chart, source.repository()) {
                // Hooks of castai-live name their registry themselves.
                let is_fixed = image.hook && value.form == Form::Registry;
                let Some(text) = value.value_for(private).filter(|_| !is_fixed) else { continue };
                all_global &= is_by_layout && value.honours_global(&release.chart.version);
                let key = full_key(path, value.key);
                found = true;
                if keyed.insert(key.clone(), text.to_owned()).is_some_and(|before| before != text) {
                    gaps.insert(format!(
                        "{named}: {private} and another image share the value {key}, and need different ones"
                    ));
                }
                if let Some(why) = scanners_need_a_name(image, source) {
                    let key = full_key(path, SCANNERS_KEY);
                    match scanners_image(source).ok().and_then(|scanners| mirror.name_of(&scanners).ok()) {
                        Some(scanners) => {
                            result.notes.push(format!(
                                "{key} names a tag: change it with each upgrade, because {why}"
                            ));
                            keyed.insert(key, scanners.to_string());
                            all_global = false;
                        }
                        None => {
                            gaps.insert(format!("{named}: {why}"));
                        }
                    }
                }
            }
        }
        if !found {
            let hook = if image.hook { ", a hook," } else { "" };
            gaps.insert(format!(
                "{named}{hook} is {}: the chart has no value for it that is known",
                image.assigned.destination
            ));
            all_global = false;
        }
    }
    if all_global && !is_umbrella && !keyed.is_empty() {
        set(&mut result.values, "global.registry", &mirror.to_string());
    } else {
        for (key, text) in &keyed {
            set(&mut result.values, key, text);
        }
    }
    result.gaps = gaps.into_iter().collect();
    Some(result)
}

/// Why kvisor's scanners are not found beside its controller, if `image` is that.
fn scanners_need_a_name(image: &Carried<'_>, source: &Image) -> Option<String> {
    let is_controller = source.repository().ends_with("/kvisor-controller");
    let is_container = matches!(image.carrier, Carrier::Container(_));
    (is_controller && is_container).then(|| scanners_image(&image.assigned.destination).err()).flatten()
}

/// The images that a release's manifests and hooks carry, in order of their names in the mirror.
fn images_of<'a>(release: &Release, assignments: &'a [Assignment]) -> Vec<Carried<'a>> {
    let uses =
        assignments.iter().flat_map(|assigned| assigned.used_by.iter().map(move |used| (assigned, used)));
    uses.filter_map(|(assigned, used)| match &used.used_by.place {
        Place::Release { cluster, namespace, release: name, manifest, hook }
            if (cluster, namespace, name)
                == (&release.name.cluster, &release.name.namespace, &release.name.name) =>
        {
            Some(Carried { assigned, carrier: &used.used_by.carrier, manifest, hook: *hook })
        }
        _ => None,
    })
    .collect()
}

/// Charts inside of the release's own, as Helm names them in the comment before each manifest:
/// `# Source: castai/charts/autoscaler/charts/castai-agent/templates/deployment.yaml`. Empty for the outermost one.
struct Subcharts {
    of_manifests: BTreeMap<String, Vec<String>>,
    all: BTreeSet<Vec<String>>,
}

impl Subcharts {
    fn of(release: &Release) -> Self {
        let (mut of_manifests, mut all) = (BTreeMap::new(), BTreeSet::new());
        for document in release.manifest.split("\n---\n") {
            let path = document.lines().find_map(|line| line.strip_prefix("# Source: "));
            let subchart = path.map(subchart).unwrap_or_default();
            for manifest in manifests::parse("", document).unwrap_or_default() {
                of_manifests.insert(manifest.name, subchart.clone());
            }
            all.insert(subchart);
        }
        Self { of_manifests, all }
    }

    /// Where a manifest comes from. Helm does not keep that of a hook as text, so that it may be any.
    fn of_manifest(&self, manifest: &str, hook: bool) -> Vec<&Vec<String>> {
        match self.of_manifests.get(manifest).filter(|_| !hook) {
            Some(subchart) => vec![subchart],
            None => self.all.iter().collect(),
        }
    }
}

/// The names of the charts below the outermost one.
fn subchart(path: &str) -> Vec<String> {
    let chart = path.split("/templates/").next().unwrap_or(path);
    chart.split("/charts/").skip(1).map(str::to_owned).collect()
}

fn full_key(subchart: &[String], key: &str) -> String {
    subchart.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
}

/// Sets a member by its path; names of charts have no dots.
fn set(values: &mut Value, key: &str, text: &str) {
    let place = key.split('.').fold(values, |place, member| {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        &mut place[member]
    });
    *place = text.into();
}

#[cfg(test)]
mod tests;
