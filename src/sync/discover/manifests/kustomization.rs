//! Kustomizations, which are not built here.

use std::path::Path;

use serde_json::Value;

use crate::parse::documents;

/// The names under which kustomize finds them.
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Fields with which the result has other images than the files that it is built from.
const CHANGES: [&str; 8] = [
    "components",
    "helmCharts",
    "images",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "transformers",
];

/// If `text` is a kustomization: its fields that may change images.
pub fn image_changes(path: &str, text: &str) -> Option<Vec<&'static str>> {
    let has_name = Path::new(path).file_name().is_some_and(|name| FILES.iter().any(|known| name == *known));
    let documents = documents::read(text).unwrap_or_default();
    let object = documents.into_iter().map(|document| document.value).find(|object| {
        let group = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        group.starts_with("kustomize.config.k8s.io/") || (has_name && object.is_object())
    })?;
    let is_set = |field: &&str| object.get(field).is_some_and(|value| !value.is_null());
    Some(CHANGES.into_iter().filter(is_set).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kustomizations_that_may_change_images_are_recognised() {
        for (path, text, expected) in [
            (
                "d/kustomization.yaml",
                "resources: [d.yaml]\nimages: [{name: a, newTag: b}]",
                Some(vec!["images"]),
            ),
            ("d/kustomization.yml", "resources: [d.yaml]\npatches: [{patch: x}]", Some(vec!["patches"])),
            ("d/kustomization.yaml", "resources: [d.yaml]\nimages:", Some(vec![])),
            (
                "-",
                "apiVersion: kustomize.config.k8s.io/v1beta1\nimages: []\npatches: []",
                Some(vec!["images", "patches"]),
            ),
            ("d.yaml", "kind: Deployment\nimages: []", None),
            ("d/kustomization.yaml", "# empty", None),
        ] {
            assert_eq!(image_changes(path, text), expected, "{path} {text}");
        }
    }
}
