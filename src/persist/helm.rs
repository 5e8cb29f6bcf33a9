//! Generates values files with which Helm renders the private names. They set repositories and never tags, so that the
//! chart keeps choosing versions.
//!
//! A single value, `global.registry`, is enough if the chart is known to support it for all images of the release and
//! their names follow the naming rule. Otherwise each image is set by its own key, and `global.registry` is not set: a
//! chart that starts to support it would prepend the registry to names that already have one. For the same reason, a
//! release that already has such keys keeps using keys, because an upgrade keeps values that are not set again.

pub mod component;
pub mod document;
pub mod rendered;
mod templates;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use self::templates::Template;
use super::names;
use crate::castai::derivation;
use crate::cluster::release::{Chart, Release, ReleaseName};
use crate::model::image::Image;
use crate::model::inventory::{ImageField, Place};
use crate::model::knowledge::{DerivedImage, Form};
use crate::sync::plan::assignment::{Assignment, ImageSource, Naming, name_in};

const GLOBAL: &str = "global.registry";

/// The values for a release's next upgrade.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseValues {
    pub release: ReleaseName,
    pub chart: Chart,
    /// Empty if the chart has no key for any image.
    pub values: Value,
    /// Images that no value can change.
    pub gaps: Vec<Gap>,
    /// Hooks of an installation, as `Kind/name`, whose image no value can change and a policy can: it would have to be
    /// pulled before anything is installed that could be rewritten.
    pub blocking_hooks: BTreeSet<String>,
    /// Useful information, one sentence each.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// A sentence.
    pub why: String,
    /// Whether an admission policy can rename the image instead.
    pub is_for_policy: bool,
}

/// An image of a release, and the manifest that contains it.
struct HelmImage<'a> {
    assigned: &'a Assignment,
    image_field: &'a ImageField,
    /// As in the manifest.
    image: &'a Image,
    template: &'a Template,
}

/// The values of one release; `None` if it has no image.
pub fn values(release: &Release, naming: Naming<'_>, assignments: &[Assignment]) -> Option<ReleaseValues> {
    let templates = templates::parse(release, naming.knowledge);
    let images = images_of(release, &templates, assignments);
    if images.is_empty() {
        return None;
    }
    let mut choice = Choice::new(release, naming);
    for image in &images {
        choice.add_image(image);
    }
    for image in &images {
        choice.name_derived(image, &images);
    }
    Some(choice.values(&templates))
}

/// The values of a release, while they are being determined.
struct Choice<'a> {
    release: &'a Release,
    naming: Naming<'a>,
    /// Whether the naming rule gives every image its name in the mirror.
    all_global: bool,
    /// By key: the repositories that images need there, each with its images.
    keyed: BTreeMap<String, BTreeMap<String, BTreeSet<(String, bool)>>>,
    /// Values to which charts prepend nothing.
    verbatim: BTreeMap<String, String>,
    gaps: BTreeSet<Gap>,
    blocking_hooks: BTreeSet<String>,
    notes: BTreeSet<String>,
}

impl<'a> Choice<'a> {
    fn new(release: &'a Release, naming: Naming<'a>) -> Self {
        Self {
            release,
            naming,
            all_global: true,
            keyed: BTreeMap::new(),
            verbatim: BTreeMap::new(),
            gaps: BTreeSet::new(),
            blocking_hooks: BTreeSet::new(),
            notes: BTreeSet::new(),
        }
    }

    fn gap(&mut self, why: String, is_for_policy: bool) {
        self.gaps.insert(Gap { why, is_for_policy });
    }

    /// Determines the values for one image.
    fn add_image(&mut self, image: &HelmImage<'_>) {
        let described = format!("{} in {}", image.image_field, image.template.name);
        let source = match &image.assigned.source {
            // It is derived from its container's name; if that is not enough, `name_derived` sets it.
            _ if image.image_field.is_derived() => return,
            // The chart would prepend the registry to this image too.
            ImageSource::Reachable(_) => {
                self.all_global = false;
                return;
            }
            ImageSource::Unknown(why) | ImageSource::InvalidName(why) => {
                self.all_global = false;
                self.gap(format!("{described}: {why}"), false);
                return;
            }
            ImageSource::Known(source) => source,
        };
        if let Some(rule) = image.names_derived(self.release) {
            let key = image.template.key(&rule.key);
            self.notes.insert(format!("{key} includes a tag: update it with each upgrade"));
            self.verbatim.insert(key, image.assigned.destination.to_string());
            return;
        }
        let private = image.assigned.destination.repository();
        let is_by_layout = private == format!("{}/{}", self.naming.mirror, source.repository());
        let Naming { knowledge, .. } = self.naming;
        let namespace = &self.release.name.namespace;
        let is_for_policy = names::is_renamable(image.image, image.image_field, source, namespace, knowledge);
        let mut found = false;
        for value in knowledge.values_for(image.template.chart(self.release), source.repository()) {
            // Hooks of castai-live hard-code their registry.
            let is_fixed = image.template.hook && value.form == Form::Registry;
            let Some(text) = value.value_for(private).filter(|_| !is_fixed) else { continue };
            found = true;
            // The umbrella's subcharts have their own versions, which the release does not contain.
            self.all_global &= is_by_layout
                && image.template.subchart.is_empty()
                && value.supports_global(&self.release.chart.version);
            let texts = self.keyed.entry(image.template.key(&value.key)).or_default();
            texts.entry(text.to_owned()).or_default().insert((described.clone(), is_for_policy));
        }
        if !found {
            self.all_global = false;
            let hook = if image.template.hook { " (a hook)" } else { "" };
            if image.template.blocks_installation && is_for_policy {
                self.blocking_hooks.insert(image.template.name.clone());
            }
            let destination = &image.assigned.destination;
            let why =
                format!("{described}{hook} needs {destination}, but no known value of the chart sets it");
            self.gap(why, is_for_policy);
        }
    }

    /// Sets the derived image of a component that would not find it next to its own.
    fn name_derived(&mut self, image: &HelmImage<'_>, all: &[HelmImage<'_>]) {
        let Some((rule, source, why)) = derived_needs_a_name(image) else { return };
        let key = image.template.key(&rule.key);
        if image.template.chart(self.release) != rule.chart {
            return;
        }
        self.notes.remove(&format!("{key} includes a tag: update it with each upgrade"));
        self.notes.insert(format!("{key} includes a tag: update it with each upgrade, because {why}"));
        // The chart already sets it.
        let is_named = |other: &HelmImage<'_>| {
            std::ptr::eq(other.template, image.template) && other.names_derived(self.release).is_some()
        };
        if all.iter().any(is_named) {
            return;
        }
        let derived = rule.found_beside(source).ok();
        match derived.and_then(|derived| name_in(self.naming.mirror, self.naming.maps, &derived).ok()) {
            Some(derived) => {
                self.verbatim.insert(key, derived.to_string());
            }
            None => self.gap(format!("{} in {}: {why}", image.image_field, image.template.name), false),
        }
    }

    fn values(mut self, templates: &[Template]) -> ReleaseValues {
        let mut keys = BTreeMap::new();
        for (key, mut texts) in std::mem::take(&mut self.keyed) {
            if texts.len() == 1
                && let Some((text, _)) = texts.pop_first()
            {
                keys.insert(key, text);
                continue;
            }
            self.all_global = false;
            for (text, images) in texts {
                for (described, is_for_policy) in images {
                    let why = format!(
                        "{described} needs {text} in {key}, but another image needs a different value in \
                         the same key: the value is unchanged"
                    );
                    self.gap(why, is_for_policy);
                }
            }
        }
        let set = &self.release.set;
        let has_keys = templates.iter().any(|template| {
            let mut values = self.naming.knowledge.values_of(template.chart(self.release));
            values.any(|value| set.contains(&template.key(&value.key)))
        });
        let mut values = Value::Object(Map::new());
        if self.all_global && !keys.is_empty() && !has_keys {
            put(&mut values, GLOBAL, &self.naming.mirror.to_string());
        } else {
            let is_global = |key: &&String| *key == GLOBAL || key.ends_with(&format!(".{GLOBAL}"));
            if let (Some(global), false) = (set.iter().find(is_global), keys.is_empty()) {
                let why = format!(
                    "{global} is set in the release and would be prepended to these names too: remove it \
                     from the output of `helm get values -o yaml`, and upgrade with --reset-values, that \
                     file and this one"
                );
                self.gap(why, false);
            }
            for (key, text) in &keys {
                put(&mut values, key, text);
            }
        }
        for (key, text) in &self.verbatim {
            put(&mut values, key, text);
        }
        ReleaseValues {
            release: self.release.name.clone(),
            chart: self.release.chart.clone(),
            values,
            gaps: self.gaps.into_iter().collect(),
            blocking_hooks: self.blocking_hooks,
            notes: self.notes.into_iter().collect(),
        }
    }
}

impl HelmImage<'_> {
    /// The derived image that this variable sets, if it sets one.
    fn names_derived(&self, release: &Release) -> Option<&'static DerivedImage> {
        derivation::of_variable(self.template.chart(release), self.image_field.variable()?)
    }
}

/// The public image of a component that does not find its derived image next to its own, with the rule and the reason.
fn derived_needs_a_name<'a>(image: &HelmImage<'a>) -> Option<(&'static DerivedImage, &'a Image, String)> {
    let ImageSource::Known(source) = &image.assigned.source else { return None };
    let rule = derivation::after(source).filter(|_| image.image_field.is_container_image())?;
    Some((rule, source, rule.found_beside(&image.assigned.destination).err()?))
}

/// The images in a release's manifests and hooks, sorted by their names in the mirror. While a release is being
/// upgraded it has another revision of the same name, whose images are excluded.
fn images_of<'a>(
    release: &Release,
    templates: &'a [Template],
    assignments: &'a [Assignment],
) -> Vec<HelmImage<'a>> {
    let mut images = Vec::new();
    for assigned in assignments {
        for used in &assigned.used_by {
            let Place::Release { cluster, namespace, release: name, manifest, hook } = &used.used_by.place
            else {
                continue;
            };
            let here = &release.name;
            if (cluster, namespace, name) != (&here.cluster, &here.namespace, &here.name) {
                continue;
            }
            let (image_field, image) = (&used.used_by.image_field, &used.image);
            let contains_image = |template: &&Template| {
                let is_it = template.hook == *hook && template.name == *manifest;
                is_it && template.images.iter().any(|written| written == image.as_written())
            };
            let with_image = templates.iter().filter(contains_image);
            images.extend(with_image.map(|template| HelmImage { assigned, image_field, image, template }));
        }
    }
    images
}

/// Sets a value by its dotted path; names of charts contain no dots.
fn put(values: &mut Value, key: &str, text: &str) {
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
