//! Manifests of `-f`: files, directories or standard input. They may not be applied to the cluster yet.

mod files;
pub mod kustomization;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::files::{Text, texts};

use crate::error::CommandError;
use crate::model::inventory::WorkloadKind;
use crate::model::pod_template::PodTemplate;
use crate::parse;
use crate::parse::documents::{self, Document, DocumentError};
use crate::parse::encoding::NotText;
use crate::parse::foreign::{self, Foreign};

/// Where unknown kinds have pod templates, such as `PodTemplate` and custom resources.
const OTHER_TEMPLATES: [&str; 3] = ["/spec/template", "/spec/jobTemplate/spec/template", "/template"];

/// A manifest with a pod spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// As given, or below the given directory; `-` for standard input.
    pub path: String,
    /// `Kind/name`.
    pub name: String,
    pub annotations: BTreeMap<String, String>,
    pub pod: PodTemplate,
    pub position: Position,
}

/// A file is invalid or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {error}")]
    Read { path: String, error: String },
    #[error("{path}: {error}")]
    NotText { path: String, error: NotText },
    #[error("{path}: no .yaml, .yml or .json file in this directory")]
    Empty { path: String },
    #[error("{url} is a URL, and only files are read")]
    Url { url: String },
    /// The text is something else.
    #[error("{path} is {what}, not manifests")]
    Foreign { path: String, what: Foreign },
    /// Documents are counted from 1.
    #[error("{path}: document {document}: {why}")]
    Document { path: String, document: usize, why: String },
}

/// What to use in place of the console's onboarding script, which applies one file and installs several charts.
const INSTEAD_OF_A_SCRIPT: &str = "pass what it applies and installs: \
    `curl … | kubectl castai-privatelink rewrite -f - | kubectl apply -f -` for its manifests, \
    `helm template … | kubectl castai-privatelink rewrite -f - | kubectl apply -f -` for its charts";

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::Foreign { what: Foreign::Script, .. } => INSTEAD_OF_A_SCRIPT,
            Error::Foreign { what: Foreign::WebPage, .. } => "check the URL and the token of the download",
            Error::Foreign { what: Foreign::Template, .. } => "render the chart first with helm template",
            Error::NotText { error, .. } => error.hint(),
            Error::Url { .. } => "download it: `curl -fsS URL | kubectl castai-privatelink … -f -`",
            _ => return Self::new(format!("error: {error}")),
        };
        Self::with_hint(format!("error: {error}"), hint)
    }
}

/// The position of a pod template in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index of the document.
    pub document: usize,
    /// Index in each enclosing list of objects, outermost first.
    pub items: Vec<usize>,
    /// From the object to the pod template, as a JSON pointer.
    pub template: &'static str,
}

impl Position {
    /// From the document's root to the pod template, as tokens of a JSON pointer.
    pub fn pointer(&self) -> Vec<String> {
        let items = self.items.iter().flat_map(|index| ["items".to_owned(), index.to_string()]);
        items.chain(self.template.split('/').skip(1).map(str::to_owned)).collect()
    }
}

/// What a text of manifests has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    pub manifests: Vec<Manifest>,
    /// Workloads without a pod spec, as `Kind/name in path`: patches of kustomize often have none.
    pub without_pod_spec: Vec<String>,
}

/// A note on the workloads that have no pod spec, if there are any.
pub fn skipped(without_pod_spec: &[String]) -> Option<String> {
    (!without_pod_spec.is_empty())
        .then(|| format!("note: skipped, because they have no pod spec: {}", without_pod_spec.join(", ")))
}

/// Finds the pod specs in `text`, which came from `path`.
///
/// # Errors
/// The text is neither YAML nor JSON, or a pod spec in it is invalid.
pub fn parse(path: &str, text: &str) -> Result<Parsed, Error> {
    let wrong = |fault: DocumentError| Error::Document {
        path: path.to_owned(),
        document: fault.document,
        why: fault.why,
    };
    let foreign = |what| Error::Foreign { path: path.to_owned(), what };
    let mut parsed = Parsed::default();
    if foreign::is_script(text) {
        return Err(foreign(Foreign::Script));
    }
    let documents = documents::read(text)
        .map_err(|fault| foreign::recognise(text).map_or_else(|| wrong(fault), foreign))?;
    let is_object = |document: &Document| document.value.is_object();
    if !documents.iter().any(is_object)
        && let Some(what) = foreign::recognise(text)
    {
        return Err(foreign(what));
    }
    for (document, read) in documents.into_iter().enumerate() {
        collect(path, document, read.value, &mut parsed)
            .map_err(|why| wrong(DocumentError::new(document + 1, &why)))?;
    }
    Ok(parsed)
}

/// Finds the pod specs in one document: an object, or a list of objects, which may be nested.
fn collect(path: &str, document: usize, value: Value, parsed: &mut Parsed) -> Result<(), String> {
    // The enclosing lists, and the current item of each.
    let (mut lists, mut items) = (Vec::new(), Vec::new());
    let mut next = Some(value);
    loop {
        if let Some(mut object) = next.take() {
            match list_items(&mut object) {
                Some(list) => {
                    lists.push(list.into_iter().enumerate());
                    items.push(0);
                }
                None => take_templates(path, document, &items, object, parsed)?,
            }
        }
        match (lists.last_mut().map(Iterator::next), items.last_mut()) {
            (Some(Some((index, item))), Some(current)) => {
                *current = index;
                next = Some(item);
            }
            (Some(None), _) => {
                lists.pop();
                items.pop();
            }
            _ => return Ok(()),
        }
    }
}

/// Takes the items of a list of objects. As in kubectl, items of a typed list such as `PodList` need no kind of their own.
pub fn list_items(object: &mut Value) -> Option<Vec<Value>> {
    let kind = object.get("kind").and_then(Value::as_str)?.strip_suffix("List")?.to_owned();
    let api_version = object.get("apiVersion").cloned().unwrap_or_default();
    let Some(Value::Array(mut items)) = object.get_mut("items").map(Value::take) else { return None };
    for item in items.iter_mut().filter_map(Value::as_object_mut).filter(|_| !kind.is_empty()) {
        let is_missing = |value: Option<&Value>| value.and_then(Value::as_str).is_none_or(str::is_empty);
        if is_missing(item.get("kind")) {
            item.insert("kind".to_owned(), kind.clone().into());
            item.insert("apiVersion".to_owned(), api_version.clone());
        }
    }
    Some(items)
}

/// `Kind/name`, as far as the object has them.
pub fn object_name(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName"));
    match (text("/kind"), name) {
        (Some(kind), Some(name)) => format!("{kind}/{name}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "an object without kind and name".to_owned(),
    }
}

fn take_templates(
    path: &str,
    document: usize,
    items: &[usize],
    mut value: Value,
    parsed: &mut Parsed,
) -> Result<(), String> {
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, name) = (text("/kind"), object_name(&value));
    let annotations = value.pointer("/metadata/annotations").cloned().unwrap_or_default();
    let annotations: Option<BTreeMap<String, String>> =
        serde_json::from_value(annotations).unwrap_or_default();
    let mut push = |pod, template| {
        parsed.manifests.push(Manifest {
            path: path.to_owned(),
            name: name.clone(),
            annotations: annotations.clone().unwrap_or_default(),
            pod,
            position: Position { document, items: items.to_vec(), template },
        });
    };
    if let Some(kind) = WorkloadKind::ALL.into_iter().find(|known| known.as_str() == kind) {
        let pointer = kind.pod_template_pointer();
        let has_spec = |pod: &&mut Value| pod.get("spec").is_some_and(|spec| !spec.is_null());
        let Some(pod) = value.pointer_mut(pointer).filter(has_spec).map(Value::take) else {
            parsed.without_pod_spec.push(format!("{name} in {path}"));
            return Ok(());
        };
        let field = pointer.trim_start_matches('/').replace('/', ".");
        let field = if field.is_empty() { field } else { field + "." };
        let pod = parse::json::from_value(pod).map_err(|error| format!("{name}: {field}{error}"))?;
        push(pod, pointer);
        return Ok(());
    }
    for pointer in OTHER_TEMPLATES {
        let template =
            value.pointer_mut(pointer).filter(|template| template.pointer("/spec/containers").is_some());
        // In other kinds, a field of that name may be something else.
        if let Some(pod) = template.and_then(|template| serde_json::from_value(template.take()).ok()) {
            push(pod, pointer);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, Option<String>)> {
        parse("x.yaml", text)
            .unwrap()
            .manifests
            .into_iter()
            .map(|manifest| (manifest.name, manifest.pod.spec.containers[0].image.clone()))
            .collect()
    }

    #[test]
    fn pod_specs_are_found_in_every_form() {
        let pod = "{containers: [{name: a, image: \"i:1\"}]}";
        let cases = [
            (format!("kind: Pod\nmetadata: {{name: p}}\nspec: {pod}"), "Pod/p"),
            (format!("# note\n---\nkind: Deployment\nmetadata: {{name: d}}\nspec: {{template: {{spec: {pod}}}}}"), "Deployment/d"),
            (format!("kind: CronJob\nmetadata: {{name: c}}\nspec: {{jobTemplate: {{spec: {{template: {{spec: {pod}}}}}}}}}"), "CronJob/c"),
            (format!("kind: Rollout\nmetadata: {{name: r}}\nspec: {{template: {{spec: {pod}}}}}"), "Rollout/r"),
            (format!("kind: PodTemplate\nmetadata: {{name: t}}\ntemplate: {{spec: {pod}}}"), "PodTemplate/t"),
            (format!("kind: PodList\nitems:\n- metadata: {{name: p}}\n  spec: {pod}"), "Pod/p"),
            (format!("kind: PodList\nitems:\n- metadata: {{name: p}}\n  kind: ''\n  spec: {pod}"), "Pod/p"),
            (format!("kind: DeploymentList\nitems:\n- metadata: {{name: d}}\n  spec: {{template: {{spec: {pod}}}}}"), "Deployment/d"),
            (format!("kind: PodList\nitems:\n- kind: Job\n  metadata: {{name: j}}\n  spec: {{template: {{spec: {pod}}}}}"), "Job/j"),
            (format!("kind: List\nitems:\n- kind: PodList\n  items: [{{metadata: {{name: p}}, spec: {pod}}}]"), "Pod/p"),
            (format!("kind: List\nitems:\n- kind: ConfigMap\n- kind: Job\n  metadata: {{generateName: j-}}\n  spec: {{template: {{spec: {pod}}}}}"), "Job/j-"),
            (r#"{"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"i:1"}]}}"#.to_owned(), "Pod/p"),
            (format!("---\r\nkind: Pod\r\nmetadata: {{name: p}}\r\nspec: {pod}\r\n---\r\n"), "Pod/p"),
        ];
        for (text, name) in cases {
            assert_eq!(names(&text), [(name.to_owned(), Some("i:1".to_owned()))], "{text}");
        }
    }

    #[test]
    fn lists_may_be_nested() {
        let pod = |name: &str| {
            format!(
                "{{kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: a, image: i}}]}}}}"
            )
        };
        let list = |items: &[String]| format!("{{kind: List, items: [{}]}}", items.join(", "));
        let inner = list(&[pod("b"), list(&[]), "{kind: List}".to_owned(), pod("c")]);
        let text = list(&[pod("a"), inner, pod("d")]);
        let found: Vec<_> = parse("x", &text).unwrap().manifests;
        let found: Vec<_> =
            found.iter().map(|found| (found.name.as_str(), found.position.pointer().join("/"))).collect();
        let expected =
            [("a", "items/0"), ("b", "items/1/items/0"), ("c", "items/1/items/3"), ("d", "items/2")];
        let expected = expected.map(|(name, place)| (format!("Pod/{name}"), place.to_owned()));
        assert_eq!(found, expected.each_ref().map(|(name, place)| (name.as_str(), place.clone())));

        let nested = |depth| (0..depth).fold(pod("a"), |inner, _| list(&[inner]));
        assert_eq!(parse("x", &nested(100)).unwrap().manifests[0].position.items, [0; 100]);
        let error = parse("x", &nested(50_000)).unwrap_err().to_string();
        assert!(error.starts_with("x: document 1: nested deeper than 256 levels at line 1"), "{error}");
    }

    #[test]
    fn documents_without_workloads_are_ignored() {
        for text in [
            "",
            "# only a comment",
            "---\n---\n",
            "kind: Service\nspec: {template: {spec: 1}}",
            "kind: Workflow\nspec: {template: {spec: {containers: 3}}}",
            "just text",
        ] {
            assert_eq!(names(text), []);
        }
    }

    #[test]
    fn patches_of_kustomize_are_read_as_far_as_they_name_images() {
        let found = |patch: &str| {
            let parsed = parse("p.yaml", patch).unwrap_or_else(|error| panic!("{patch}: {error}"));
            (parsed.manifests.len(), parsed.without_pod_spec)
        };
        let without = |name: &str| (0, vec![format!("{name} in p.yaml")]);
        for (patch, expected) in [
            ("kind: Deployment\nmetadata: {name: d}\nspec: {replicas: 3}", without("Deployment/d")),
            ("kind: Deployment\nmetadata: {name: d}\n$patch: delete", without("Deployment/d")),
            ("kind: DaemonSet\nmetadata: {name: d, annotations: {a: b}}", without("DaemonSet/d")),
            (
                "kind: Job\nmetadata: {name: j}\nspec: {template: {metadata: {labels: {a: b}}}}",
                without("Job/j"),
            ),
            ("kind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: ~}", without("CronJob/c")),
            ("kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: ~}}", without("Deployment/d")),
            (
                "kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{name: a, $patch: delete}, {$patch: replace}]}}}",
                (1, Vec::new()),
            ),
            (
                "kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: ~, initContainers: ~, volumes: [{name: v, $patch: delete}]}}}",
                (1, Vec::new()),
            ),
            ("- op: add\n  path: /spec/paused\n  value: true", (0, Vec::new())),
            ("kind: Kustomization\nresources: [a.yaml]\nimages: [{name: a, newTag: b}]", (0, Vec::new())),
        ] {
            assert_eq!(found(patch), expected, "{patch}");
        }
    }

    #[test]
    fn errors_name_file_document_and_cause() {
        let cases = [
            ("kind: A\n---\n# comment\n---\nkind: [", "x.yaml: document 2: "),
            (
                "kind: Pod\nmetadata: {name: p}\nspec: {containers: 3}",
                "x.yaml: document 1: Pod/p: spec.containers: expected a list",
            ),
            (
                "kind: A\n---\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{}, {env: [{name: A, value: 3}]}]}}}}}",
                "x.yaml: document 2: CronJob/c: spec.jobTemplate.spec.template.spec.containers[1].env[0].value: expected a string",
            ),
            (
                "kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: s3cret}}",
                "x.yaml: document 1: Deployment/d: spec.template.spec: expected an object",
            ),
            ("{\"kind\": \"A\"}\n{\"kind\": ", "x.yaml: document 2: "),
            ("#!/bin/bash\nkind: A\n", "x.yaml is a shell script, not manifests"),
            ("curl -s 'https://x' \\\n  | kubectl apply -f -\n", "x.yaml is a shell script, not manifests"),
            ("<html></html>", "x.yaml is a web page, not manifests"),
            ("kind: A\nspec: {{ .Values.x }}\n{{- end }}\n", "x.yaml is a template of a Helm chart"),
        ];
        for (text, start) in cases {
            let error = parse("x.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with(start), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
