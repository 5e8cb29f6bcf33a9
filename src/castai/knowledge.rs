//! The user's additions to our knowledge of Cast AI, by flag or by file, because Cast AI changes faster than this
//! plugin.

use serde_json::Value;

use crate::model::image::Image;
use crate::model::knowledge::{CustomResource, Knowledge};
use crate::parse;

impl Knowledge {
    /// Parses the single document of a knowledge file.
    ///
    /// # Errors
    /// It does not have the schema, or an entry matches nothing or too much; the text says which.
    pub fn read(document: Value) -> Result<Self, String> {
        if !document.is_object() {
            return Err("expected an object with lists, such as `imagePrefixes: [quay.io/castai]`".to_owned());
        }
        let knowledge: Self = parse::json::from_value(document).map_err(|error| error.with_value())?;
        knowledge.check()?;
        Ok(knowledge)
    }

    /// # Errors
    /// An entry matches nothing or too much; the text says which.
    pub fn check(&self) -> Result<(), String> {
        let built_in = [
            ("derivedImages", self.derived_images.is_empty()),
            ("fieldManagers", self.field_managers.is_empty()),
        ];
        if let Some((list, _)) = built_in.iter().find(|(_, is_empty)| !is_empty) {
            return Err(format!("{list}: only the plugin's own records have such entries"));
        }
        self.image_prefixes.iter().try_for_each(|prefix| check_prefix(prefix))?;
        self.check_entries()
    }

    /// Checks that apply to our records too.
    pub(super) fn check_entries(&self) -> Result<(), String> {
        for repository in &self.repositories {
            let image: Image = repository.parse().map_err(|error| format!("repositories: {error}"))?;
            if image.repository() != repository {
                return Err(format!("repositories: {repository:?}: remove the tag or the digest"));
            }
        }
        if let Some(hidden) = self.hidden_images.keys().find(|hidden| !self.repositories.contains(hidden)) {
            return Err(format!("hiddenImages: {hidden:?} is not among the repositories"));
        }
        for (name, entries) in self.names() {
            if entries.iter().any(|entry| entry.trim().is_empty()) {
                return Err(format!("{name}: empty entry, which would match everything"));
            }
        }
        let files = self.endpoint_files.iter().map(|file| ("endpointFiles", &file.image, &file.pointer));
        let single = self.resources.iter().flat_map(|resource| {
            let fields = [&resource.installs, &resource.readonly];
            fields.into_iter().flatten().map(|field| ("resources", &resource.kind, field))
        });
        let searched = self
            .resources
            .iter()
            .flat_map(|resource| resource.fields.iter().map(|field| ("resources", &resource.kind, field)));
        for CustomResource { group, kind, fields, .. } in &self.resources {
            if group.is_empty() || kind.is_empty() || fields.is_empty() {
                return Err("resources: group, kind and fields must not be empty".to_owned());
            }
        }
        match searched.chain(single).chain(files).find(|(.., pointer)| !pointer.starts_with('/')) {
            Some((list, of, pointer)) => Err(format!(
                "{list}: {of}: {pointer:?} is not a JSON pointer: write it with slashes, such as /spec/values"
            )),
            None => self.check_workloads(),
        }
    }

    /// Entries that are compared with names, by the list that contains them.
    fn names(&self) -> [(&'static str, Vec<&String>); 12] {
        let values = self.chart_values.iter().flat_map(|value| [&value.chart, &value.image, &value.key]);
        let derived = self.derived_endpoints.iter();
        let derived =
            derived.flat_map(|rule| rule.images.iter().chain([&rule.from]).chain(rule.hosts.keys()));
        [
            ("namespaces", self.namespaces.iter().collect()),
            ("charts", self.charts.iter().collect()),
            ("variables", self.variables.iter().collect()),
            ("chartValues", values.collect()),
            ("startedLabels", self.started_labels.keys().collect()),
            ("addedContainers", self.added_containers.iter().collect()),
            ("otherVariables", self.other_variables.iter().map(|variable| &variable.name).collect()),
            ("upgraders", self.upgraders.iter().flat_map(|upgrader| &upgrader.charts).collect()),
            ("fieldManagers", self.field_managers.keys().collect()),
            ("rolloutOrder", self.rollout_order.keys().collect()),
            ("endpointVariables", self.endpoint_variables.keys().collect()),
            ("derivedEndpoints", derived.collect()),
        ]
    }

    /// Whether workloads are written as kind and name.
    fn check_workloads(&self) -> Result<(), String> {
        let patched = self.patches.iter().map(|patched| ("patches", &patched.workload));
        let upgraders = self.upgraders.iter().map(|upgrader| ("upgraders", &upgrader.workload));
        let named = self.workloads.iter().map(|workload| ("workloads", workload));
        let is_named = |workload: &str| {
            workload.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
        };
        match patched.chain(upgraders).chain(named).find(|(_, workload)| !is_named(workload)) {
            Some((list, workload)) => Err(format!(
                "{list}: {workload:?} is no workload: write its kind too, such as CronJob/upgrader"
            )),
            None => Ok(()),
        }
    }
}

/// Rejects prefixes that would match other vendors' images.
///
/// # Errors
/// The text says what is wrong with the prefix.
pub fn check_prefix(prefix: &str) -> Result<(), String> {
    let trimmed = prefix.trim_end_matches('/');
    let wrong = |why: &str| Err(format!("image prefix {prefix:?}: {why}"));
    match format!("{trimmed}/x").parse::<Image>() {
        Ok(image) if image.repository() != format!("{trimmed}/x") => wrong("remove the tag or the digest"),
        Ok(image) if image.host() == trimmed => {
            wrong("it would match every image of that registry: add a path, such as quay.io/castai")
        }
        Ok(_) if trimmed.is_empty() => wrong("it would match every image"),
        Ok(_) => Ok(()),
        Err(_) => wrong("expected a registry and a path, such as quay.io/castai"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_that_match_nothing_or_too_much_are_rejected() {
        let cases = [
            (json!({"prefixes": []}), "unknown field `prefixes`"),
            (json!([]), "expected an object"),
            (json!({"imagePrefixes": ["quay.io"]}), "every image of that registry"),
            (json!({"imagePrefixes": [""]}), "expected a registry and a path"),
            (json!({"imagePrefixes": ["quay.io/x:v1"]}), "image prefix \"quay.io/x:v1\""),
            (json!({"repositories": ["quay.io/x/y:v1"]}), "remove the tag"),
            (json!({"namespaces": [""]}), "namespaces: empty entry"),
            (json!({"images": ["NOT AN IMAGE"]}), "NOT AN IMAGE"),
            (json!({"resources": [{"group": "g", "kind": "K", "fields": ["spec"]}]}), "not a JSON pointer"),
            (json!({"resources": [{"group": "g", "kind": "K"}]}), "missing field `fields`"),
            (
                json!({"resources": [{"group": "g", "kind": "K", "fields": ["/a"], "installs": "a"}]}),
                "resources: K: \"a\" is not a JSON pointer",
            ),
            (
                json!({"workloads": ["castai-agent-cpvpa"]}),
                "workloads: \"castai-agent-cpvpa\" is no workload",
            ),
            (
                json!({"resources": [{"group": "g", "kind": "K", "fields": ["/a"], "readonly": "a"}]}),
                "resources: K: \"a\" is not a JSON pointer",
            ),
            (
                json!({"hiddenImages": {"quay.io/x/y": "a hook"}}),
                "\"quay.io/x/y\" is not among the repositories",
            ),
            (json!({"addedContainers": [""]}), "addedContainers: empty entry"),
            (json!({"startedLabels": {"": "x"}}), "startedLabels: empty entry"),
            (json!({"rolloutOrder": {" ": 1}}), "rolloutOrder: empty entry"),
            (json!({"rolloutOrder": {"x": 256}}), "invalid value"),
            (json!({"endpointVariables": {"": "https"}}), "endpointVariables: empty entry"),
            (json!({"endpointVariables": {"X": "ftp"}}), "unknown variant `ftp`"),
            (json!({"chartValues": [{"chart": "c", "image": "", "key": "k"}]}), "chartValues: empty entry"),
            (
                json!({"chartValues": [{"chart": "c", "image": "i", "key": "k", "since": "1"}]}),
                "unknown field `since`",
            ),
            (json!({"patches": [{"namespace": "n", "workload": "web"}]}), "patches: \"web\" is no workload"),
            (
                json!({"upgraders": [{"workload": "CronJob/", "charts": ["c"], "reverts": "r"}]}),
                "upgraders: \"CronJob/\" is no workload",
            ),
            (
                json!({"upgraders": [{"workload": "CronJob/u", "charts": [""], "reverts": "r"}]}),
                "upgraders: empty entry",
            ),
            (
                json!({"endpointFiles": [{"image": "i", "key": "k", "pointer": "a.b", "protocol": "grpc"}]}),
                "endpointFiles: i: \"a.b\" is not a JSON pointer",
            ),
            (
                json!({"derivedEndpoints": [{"images": [""], "from": "X", "protocol": "grpc"}]}),
                "derivedEndpoints: empty entry",
            ),
            (json!({"fieldManagers": {"helm": "Cast AI"}}), "fieldManagers: only the plugin's own records"),
            (
                json!({"derivedImages": [{"from": "a-x", "name": "a-y", "replaces": "-x", "with": "-y",
                    "variable": "V", "chart": "c", "key": "k"}]}),
                "derivedImages: only the plugin's own records",
            ),
        ];
        for (document, words) in cases {
            let error = Knowledge::read(document).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
