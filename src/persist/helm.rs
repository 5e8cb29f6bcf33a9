//! Values files that have Helm write the names that rewriting gives: repositories, and never tags, so that a chart keeps
//! choosing its versions.
//!
//! One value, `global.registry`, is enough where the chart is known to honour it for all of a release's images and their
//! names are those of the layout. Elsewhere each image has its own key, and `global.registry` is left out: a chart that
//! came to honour it would put the registry before names that have one. For the same reason keys stay keys where the
//! release has some, because an upgrade keeps the values that it is not given.

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
use crate::sync::plan::assignment::{Assignment, Naming, Source, name_in};

const GLOBAL: &str = "global.registry";

/// What a release's next upgrade has to be given.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseValues {
    pub release: ReleaseName,
    pub chart: Chart,
    /// Empty where the chart has no key for any image.
    pub values: Value,
    /// What no value can change.
    pub gaps: Vec<Gap>,
    /// What is worth knowing, one sentence each.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// A sentence.
    pub why: String,
    /// Whether an admission policy can rename the image instead.
    pub is_for_policy: bool,
}

/// An image of a release, and the manifest that carries it.
struct HelmImage<'a> {
    assigned: &'a Assignment,
    image_field: &'a ImageField,
    /// As the manifest has it.
    image: &'a Image,
    template: &'a Template,
}

/// The values of one release; none where it carries no image.
pub fn values(release: &Release, naming: Naming<'_>, assignments: &[Assignment]) -> Option<ReleaseValues> {
    let templates = templates::parse(release, naming.knowledge);
    let images = images_of(release, &templates, assignments);
    if images.is_empty() {
        return None;
    }
    let mut choice = Choice::new(release, naming);
    for image in &images {
        choice.take(image);
    }
    for image in &images {
        choice.name_derived(image, &images);
    }
    Some(choice.values(&templates))
}

/// What has been found out about the values of a release.
struct Choice<'a> {
    release: &'a Release,
    naming: Naming<'a>,
    /// Whether the chart itself makes the name in the mirror of every image's name.
    all_global: bool,
    /// Keys of repositories, and for each repository that one would have to be the images that need it.
    keyed: BTreeMap<String, BTreeMap<String, BTreeSet<(String, bool)>>>,
    /// Values that charts put nothing before.
    verbatim: BTreeMap<String, String>,
    gaps: BTreeSet<Gap>,
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
            notes: BTreeSet::new(),
        }
    }

    fn gap(&mut self, why: String, is_for_policy: bool) {
        self.gaps.insert(Gap { why, is_for_policy });
    }

    /// Finds the values for one image.
    fn take(&mut self, image: &HelmImage<'_>) {
        let described = format!("{} in {}", image.image_field, image.template.name);
        let source = match &image.assigned.source {
            // It follows its container's name; where that does not do, it gets one of its own.
            _ if image.image_field.is_derived() => return,
            // The chart would put the registry before this one too.
            Source::Reachable(_) => {
                self.all_global = false;
                return;
            }
            Source::Unknown(why) | Source::InvalidName(why) => {
                self.all_global = false;
                self.gap(format!("{described}: {why}"), false);
                return;
            }
            Source::Known(source) => source,
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
            // Hooks of castai-live name their registry themselves.
            let is_fixed = image.template.hook && value.form == Form::Registry;
            let Some(text) = value.value_for(private).filter(|_| !is_fixed) else { continue };
            found = true;
            // The umbrella's charts have versions of their own, which the release does not tell.
            self.all_global &= is_by_layout
                && image.template.subchart.is_empty()
                && value.honours_global(&self.release.chart.version);
            let texts = self.keyed.entry(image.template.key(&value.key)).or_default();
            texts.entry(text.to_owned()).or_default().insert((described.clone(), is_for_policy));
        }
        if !found {
            self.all_global = false;
            let hook = if image.template.hook { ", a hook," } else { "" };
            let destination = &image.assigned.destination;
            let why = format!("{described}{hook} is {destination}: no known value of the chart sets it");
            self.gap(why, is_for_policy);
        }
    }

    /// Names the derived image of a component that would not find it beside its own.
    fn name_derived(&mut self, image: &HelmImage<'_>, all: &[HelmImage<'_>]) {
        let Some((rule, source, why)) = derived_needs_a_name(image) else { return };
        let key = image.template.key(&rule.key);
        if image.template.chart(self.release) != rule.chart {
            return;
        }
        self.notes.remove(&format!("{key} includes a tag: update it with each upgrade"));
        self.notes.insert(format!("{key} includes a tag: update it with each upgrade, because {why}"));
        // The chart has it already.
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
            notes: self.notes.into_iter().collect(),
        }
    }
}

impl HelmImage<'_> {
    /// The rule of the derived image that this names, if it is the variable for one.
    fn names_derived(&self, release: &Release) -> Option<&'static DerivedImage> {
        derivation::of_variable(self.template.chart(release), self.image_field.variable()?)
    }
}

/// The public image of a component that does not find its derived image beside its own, the rule, and why.
fn derived_needs_a_name<'a>(image: &HelmImage<'a>) -> Option<(&'static DerivedImage, &'a Image, String)> {
    let Source::Known(source) = &image.assigned.source else { return None };
    let rule = derivation::after(source).filter(|_| image.image_field.is_container_image())?;
    Some((rule, source, rule.found_beside(&image.assigned.destination).err()?))
}

/// The images that a release's manifests and hooks carry, in order of their names in the mirror. A release that is being
/// upgraded has another revision of the same name, whose images are not meant.
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
            let is_image_field = |template: &&Template| {
                let is_it = template.hook == *hook && template.name == *manifest;
                is_it && template.images.iter().any(|written| written == image.as_written())
            };
            let carried = templates.iter().filter(is_image_field);
            images.extend(carried.map(|template| HelmImage { assigned, image_field, image, template }));
        }
    }
    images
}

/// Sets a member by its path; names of charts have no dots.
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
