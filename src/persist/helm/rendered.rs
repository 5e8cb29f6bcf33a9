//! Releases that are not installed yet: from the output of `helm template`, or of `helm get manifest`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ReleaseValues;
use super::document::{Output, install_command};
use crate::cluster::release::{Chart, Hook, Release, ReleaseName};
use crate::model::knowledge::Knowledge;
use crate::parse::documents;
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::plan::assign_all;
use crate::sync::plan::assignment::{Assignment, Naming};

/// The namespace of every chart of Cast AI that names no other.
const NAMESPACE: &str = "castai-agent";

/// The name that `helm template` gives a release without a name.
const UNNAMED: &str = "release-name";

/// Printed for the name of a release that its objects do not determine.
pub const PLACEHOLDER: &str = "RELEASE";

/// The release of one chart, while its manifests are collected.
#[derive(Default)]
struct Rendered {
    manifest: String,
    hooks: Vec<Hook>,
    /// How often each name is used.
    namespaces: BTreeMap<String, usize>,
    instances: BTreeMap<String, usize>,
    /// The same, of objects with the label of a chart: charts set the instance of others for selectors.
    charted_instances: BTreeMap<String, usize>,
    version: Option<String>,
}

/// The releases in a text, one per chart. Helm names chart and template of each manifest in a comment.
///
/// # Errors
/// No manifest has that comment; the text says what is expected.
pub fn releases(text: &str, namespace: Option<&str>) -> Result<Vec<Release>, String> {
    let text = text.replace("\r\n", "\n");
    let mut charts: BTreeMap<String, Rendered> = BTreeMap::new();
    for document in text.split("\n---\n") {
        let source = document.lines().find_map(|line| line.strip_prefix("# Source: "));
        let Some((source, chart)) = source.and_then(|source| Some((source, source.split('/').next()?)))
        else {
            continue;
        };
        let values = documents::read(document).unwrap_or_default();
        let Some(object) = values.into_iter().next().map(|document| document.value) else { continue };
        charts.entry(chart.to_owned()).or_default().add(chart, source, document, &object);
    }
    if charts.is_empty() {
        return Err("no manifest has a comment such as `# Source: castai-agent/templates/deployment.yaml`: \
                    pass the unchanged output of helm template, or of helm get manifest and helm get hooks"
            .to_owned());
    }
    Ok(charts.into_iter().map(|(chart, rendered)| rendered.release(chart, namespace)).collect())
}

impl Rendered {
    fn add(&mut self, chart: &str, source: &str, document: &str, object: &Value) {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let document = document.strip_prefix("---\n").unwrap_or(document);
        if text("/metadata/annotations/helm.sh~1hook").is_some() {
            self.hooks.push(Hook { path: source.to_owned(), manifest: format!("{document}\n") });
        } else {
            self.manifest.push_str("---\n");
            self.manifest.push_str(document);
            self.manifest.push('\n');
        }
        if let Some(namespace) = text("/metadata/namespace") {
            *self.namespaces.entry(namespace).or_default() += 1;
        }
        let label = text("/metadata/labels/helm.sh~1chart").unwrap_or_default();
        if let Some(instance) = text("/metadata/labels/app.kubernetes.io~1instance") {
            if !label.is_empty() {
                *self.charted_instances.entry(instance.clone()).or_default() += 1;
            }
            *self.instances.entry(instance).or_default() += 1;
        }
        let version = label.strip_prefix(chart).and_then(|rest| rest.strip_prefix('-'));
        let version = version.filter(|version| version.starts_with(|first: char| first.is_ascii_digit()));
        self.version = self.version.take().or_else(|| version.map(str::to_owned));
    }

    fn release(self, chart: String, namespace: Option<&str>) -> Release {
        let namespaces = self.namespaces.into_iter().max_by_key(|(_, count)| *count);
        let namespace = namespace.map(str::to_owned).or_else(|| namespaces.map(|(name, _)| name));
        let instances =
            if self.charted_instances.is_empty() { &self.instances } else { &self.charted_instances };
        let name = most_frequent(instances).filter(|name| name != UNNAMED);
        Release {
            name: ReleaseName {
                cluster: String::new(),
                namespace: namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
                name: name.unwrap_or_else(|| chart.clone()),
            },
            // Unknown if only subcharts have labels.
            chart: Chart { name: chart, version: self.version.unwrap_or_default() },
            manifest: self.manifest,
            hooks: self.hooks,
            set: std::collections::BTreeSet::new(),
        }
    }
}

/// The most frequent name, or the placeholder if several are.
fn most_frequent(names: &BTreeMap<String, usize>) -> Option<String> {
    let most = names.values().max()?;
    let mut frequent = names.iter().filter(|(_, count)| *count == most).map(|(name, _)| name);
    let first = frequent.next()?;
    Some(if frequent.next().is_some() { PLACEHOLDER.to_owned() } else { first.clone() })
}

/// The images of `releases` with their names in the mirror, and what could not be read. The user gave these manifests,
/// so every image in a chart of Cast AI may be mirrored, whatever the namespace.
pub fn assignments(
    releases: &[Release],
    naming: Naming<'_>,
    region: Option<&str>,
) -> (Vec<Assignment>, Vec<String>) {
    let mut knowledge: Knowledge = naming.knowledge.clone();
    knowledge.namespaces.extend(releases.iter().map(|release| release.name.namespace.clone()));
    let filter = ImageFilter::default()
        .with(knowledge)
        .mapped(naming.maps.to_vec())
        .below(vec![naming.mirror.clone()]);
    let found = Found { releases, ..Found::default() };
    let inventory = discover(Vec::new(), &[found], &filter, Vec::new(), jiff::Timestamp::default());
    let notes = inventory.notes.clone();
    (assign_all(&inventory, naming.mirror, naming.maps, region, &|_| {}), notes)
}

/// What to run for the first installation, in this order. `mirror` is the command that mirrors the images, and `flags`
/// are those that name them.
pub fn steps(decided: &[ReleaseValues], mirror: &str, flags: &[String], output: Output<'_>) -> Vec<String> {
    let mut steps = vec![mirror.to_owned()];
    if decided.iter().any(|values| !values.blocking_hooks.is_empty()) {
        let policy = "kubectl castai-privatelink values policy --extent=prefixes --apply".to_owned();
        steps.push([&[policy], flags].concat().join(" "));
    }
    steps.extend(decided.iter().map(|values| install_command(values, output)));
    steps
}

#[cfg(test)]
mod tests;
