//! Parses the manifests of a release, and determines the subchart of each.

use crate::cluster::release::Release;
use crate::model::image_field::{Variables, locate_image_fields};
use crate::model::knowledge::Knowledge;
use crate::sync::discover::manifests;

/// A manifest with images.
pub(super) struct Template {
    /// `Kind/name`.
    pub(super) name: String,
    pub(super) hook: bool,
    /// Whether it is a hook that an installation waits for.
    pub(super) blocks_installation: bool,
    /// The names of the subcharts, outermost first; empty for the top-level chart.
    pub(super) subchart: Vec<String>,
    /// As written.
    pub(super) images: Vec<String>,
}

impl Template {
    /// The chart whose values render it.
    pub(super) fn chart<'a>(&'a self, release: &'a Release) -> &'a str {
        self.subchart.last().map_or(release.chart.name.as_str(), String::as_str)
    }

    /// A value of that chart, as a key of the top-level chart.
    pub(super) fn key(&self, key: &str) -> String {
        self.subchart.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
    }
}

/// Helm names the template in a comment before each manifest, and in a field of each hook.
pub(super) fn parse(release: &Release, knowledge: &Knowledge) -> Vec<Template> {
    let (mut templates, variables) = (Vec::new(), knowledge.image_variables());
    for document in release.manifest.split("\n---\n") {
        let source = document.lines().find_map(|line| line.strip_prefix("# Source: "));
        add_templates(&mut templates, document, source.unwrap_or_default(), false, &variables);
    }
    for hook in &release.hooks {
        add_templates(&mut templates, &hook.manifest, &hook.path, true, &variables);
    }
    templates
}

fn add_templates(templates: &mut Vec<Template>, text: &str, source: &str, hook: bool, variables: &Variables) {
    // Errors were reported during discovery.
    for manifest in manifests::parse("", text).unwrap_or_default().manifests {
        let images =
            locate_image_fields(&manifest.pod, variables).into_iter().map(|field| field.value).collect();
        // https://helm.sh/docs/topics/charts_hooks/: events are separated by commas.
        let events = manifest.annotations.get("helm.sh/hook").map(String::as_str).unwrap_or_default();
        let blocks_installation =
            hook && events.split(',').any(|event| matches!(event.trim(), "pre-install" | "post-install"));
        let subchart = subchart(source);
        templates.push(Template { name: manifest.name, hook, blocks_installation, subchart, images });
    }
}

/// Parses a path such as `castai/charts/autoscaler/charts/castai-agent/templates/deployment.yaml`.
fn subchart(path: &str) -> Vec<String> {
    let chart = path.split("/templates/").next().unwrap_or(path);
    chart.split("/charts/").skip(1).map(str::to_owned).collect()
}
