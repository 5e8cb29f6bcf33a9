//! What users add to what we know of Cast AI, because it changes faster than we do: by flag, or by a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::components::{self, bare};
use super::resources::{CUSTOM_RESOURCES, CustomResource};
use crate::model::image::Image;
use crate::model::image_field::Variables;

/// Additions to the data of [`components`] and [`super::resources`]. The default adds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Knowledge {
    /// Namespaces that hold Cast AI alone: every workload in them is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Beginnings of repositories that are Cast AI's own, in whole path segments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_prefixes: Vec<String>,
    /// Repositories of others that Cast AI uses: a name in the mirror may be read back to one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Charts whose workloads and releases are taken whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<String>,
    /// Labels of workloads that are taken whole.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Variables of Cast AI's containers whose value is an image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Custom resources whose fields carry images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceKnowledge>,
    /// Images that are wanted whoever uses them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

/// A kind of custom resource, and where it carries images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceKnowledge {
    pub group: String,
    pub kind: String,
    /// Members of the object that are searched, as JSON pointers.
    pub fields: Vec<String>,
}

impl Knowledge {
    /// Reads the one document of a file.
    ///
    /// # Errors
    /// It is no such object, or an entry of it would mean nothing or too much; the text says which.
    pub fn read(document: Value) -> Result<Self, String> {
        if !document.is_object() {
            return Err("it is no object with lists, such as `imagePrefixes: [quay.io/castai]`".to_owned());
        }
        let knowledge: Self = serde_json::from_value(document).map_err(|error| error.to_string())?;
        knowledge.check()?;
        Ok(knowledge)
    }

    /// # Errors
    /// An entry would mean nothing or too much; the text says which.
    pub fn check(&self) -> Result<(), String> {
        let knowledge = self;
        knowledge.image_prefixes.iter().try_for_each(|prefix| check_prefix(prefix))?;
        for repository in &knowledge.repositories {
            let image: Image = repository.parse().map_err(|error| format!("repositories: {error}"))?;
            if image.repository() != repository {
                return Err(format!("repositories: {repository:?} has a tag or a digest: leave it out"));
            }
        }
        let lists = [
            ("namespaces", &knowledge.namespaces),
            ("charts", &knowledge.charts),
            ("variables", &knowledge.variables),
        ];
        if let Some((name, _)) =
            lists.iter().find(|(_, list)| list.iter().any(|entry| entry.trim().is_empty()))
        {
            return Err(format!("{name}: an entry is empty, and would stand for everything"));
        }
        for resource in &knowledge.resources {
            let ResourceKnowledge { group, kind, fields } = resource;
            if group.is_empty() || kind.is_empty() || fields.is_empty() {
                return Err("resources: group, kind and fields must not be empty".to_owned());
            }
            if let Some(field) = fields.iter().find(|field| !field.starts_with('/')) {
                return Err(format!(
                    "resources: {kind}: {field:?} is no JSON pointer: write it with slashes, such as /spec/values"
                ));
            }
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Variables whose values are images: those that we know, then the user's.
    pub fn image_variables(&self) -> Variables {
        let users = self.variables.iter().map(String::as_str);
        components::IMAGE_VARIABLES.iter().copied().chain(users).collect()
    }

    pub fn is_namespace(&self, namespace: &str) -> bool {
        components::NAMESPACES.contains(&namespace) || self.namespaces.iter().any(|known| known == namespace)
    }

    /// The prefix that makes an image Cast AI's.
    pub fn image_prefix(&self, image: &Image) -> Option<&str> {
        components::image_prefix(image).or_else(|| {
            let mut prefixes = self.image_prefixes.iter().map(String::as_str);
            prefixes.find(|prefix| begins(image, prefix))
        })
    }

    /// Whether Cast AI is known to use images of this name.
    pub fn knows(&self, image: &Image) -> bool {
        components::knows(image)
            || self.image_prefixes.iter().any(|prefix| begins(image, prefix))
            || self.repositories.iter().any(|known| bare(known) == bare(image.repository()))
            || self.images.iter().any(|known| bare(known.repository()) == bare(image.repository()))
    }

    /// The chart in a `helm.sh/chart` label, if it is one of Cast AI's.
    pub fn chart<'l>(&self, label: &'l str) -> Option<&'l str> {
        let is_known = || {
            let rest = self.charts.iter().filter_map(|chart| label.strip_prefix(chart.as_str()));
            rest.into_iter().any(|rest| rest.starts_with('-'))
        };
        components::chart(label).or_else(|| is_known().then_some(label))
    }

    /// The label, as `key=value`, by which a workload with `labels` is taken whole.
    pub fn label(&self, labels: &BTreeMap<String, String>) -> Option<String> {
        let mut wanted = self.labels.iter();
        let (key, value) = wanted.find(|(key, value)| labels.get(*key) == Some(value))?;
        Some(format!("{key}={value}"))
    }

    /// Custom resources of Cast AI.
    pub fn custom_resources(&self) -> Vec<CustomResource> {
        let added = self
            .resources
            .iter()
            .map(|known| CustomResource::new(known.group.clone(), known.kind.clone(), known.fields.clone()));
        CUSTOM_RESOURCES.iter().cloned().chain(added).collect()
    }
}

/// Refuses beginnings that would take images of everybody.
///
/// # Errors
/// The text says what is wrong with it.
pub fn check_prefix(prefix: &str) -> Result<(), String> {
    let trimmed = prefix.trim_end_matches('/');
    let wrong = |why: &str| Err(format!("image prefix {prefix:?}: {why}"));
    match format!("{trimmed}/x").parse::<Image>() {
        Ok(image) if image.repository() != format!("{trimmed}/x") => wrong("leave out tags and digests"),
        Ok(image) if image.host() == trimmed => {
            wrong("it would take every image of that registry: add a path, such as quay.io/castai")
        }
        Ok(_) if trimmed.is_empty() => wrong("it would take every image"),
        Ok(_) => Ok(()),
        Err(_) => wrong("write a registry and a path, such as quay.io/castai"),
    }
}

/// Whether the repository begins with `prefix`, in whole segments.
fn begins(image: &Image, prefix: &str) -> bool {
    let rest = bare(image.repository()).strip_prefix(bare(prefix).trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(text: &str) -> Image {
        text.parse().unwrap()
    }

    #[test]
    fn additions_count_like_what_we_know() {
        let knowledge = Knowledge::read(json!({
            "namespaces": ["castai-next"], "imagePrefixes": ["quay.io/castai/", "acme"],
            "repositories": ["quay.io/acme/probe"], "charts": ["next"], "labels": {"part-of": "castai"},
            "variables": ["PROBE_IMAGE"], "images": ["ghcr.io/acme/x:v1"],
            "resources": [{"group": "next.cast.ai", "kind": "Next", "fields": ["/spec"]}],
        }))
        .unwrap();
        let prefixes = [
            ("quay.io/castai/agent:v1", Some("quay.io/castai/")),
            ("e.example/quay.io/castai/agent:v1", None),
            ("quay.io/castaible/agent:v1", None),
            ("acme/x:1", Some("acme")),
            ("docker.io/acme/x:1", Some("acme")),
            ("e.example/acme/x:1", None),
            ("ghcr.io/castai/x:1", Some("ghcr.io/castai/")),
        ];
        for (name, expected) in prefixes {
            assert_eq!(knowledge.image_prefix(&image(name)), expected, "{name}");
        }
        assert!(knowledge.is_namespace("castai-next") && knowledge.is_namespace("castai-agent"));
        assert_eq!(knowledge.chart("next-1.0.0"), Some("next-1.0.0"));
        assert_eq!(knowledge.chart("nextcloud-1.0.0"), None);
        let labels = BTreeMap::from([("part-of".to_owned(), "castai".to_owned())]);
        assert_eq!(knowledge.label(&labels).as_deref(), Some("part-of=castai"));
        assert_eq!(knowledge.custom_resources().last().unwrap().kind, "Next");
        let names = [
            ("quay.io/acme/probe:v1", true),
            ("ghcr.io/acme/x:v2", true),
            ("quay.io/castai/agent:v1", true),
            ("quay.io/other/probe:v1", false),
            ("e.example/quay.io/acme/probe:v1", false),
        ];
        for (name, expected) in names {
            assert_eq!(knowledge.knows(&image(name)), expected, "{name}");
        }
    }

    #[test]
    fn entries_that_mean_nothing_or_too_much_are_refused() {
        let cases = [
            (json!({"prefixes": []}), "unknown field `prefixes`"),
            (json!([]), "it is no object"),
            (json!({"imagePrefixes": ["quay.io"]}), "every image of that registry"),
            (json!({"imagePrefixes": [""]}), "write a registry and a path"),
            (json!({"imagePrefixes": ["quay.io/x:v1"]}), "image prefix \"quay.io/x:v1\""),
            (json!({"repositories": ["quay.io/x/y:v1"]}), "has a tag"),
            (json!({"namespaces": [""]}), "namespaces: an entry is empty"),
            (json!({"images": ["NOT AN IMAGE"]}), "NOT AN IMAGE"),
            (json!({"resources": [{"group": "g", "kind": "K", "fields": ["spec"]}]}), "no JSON pointer"),
            (json!({"resources": [{"group": "g", "kind": "K"}]}), "missing field `fields`"),
        ];
        for (document, words) in cases {
            let error = Knowledge::read(document).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
