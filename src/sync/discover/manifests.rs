//! Manifests of `-f`: files, directories or standard input. They may not be applied to the cluster yet.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::CommandError;
use crate::model::inventory::WorkloadKind;
use crate::model::pod_template::PodTemplate;
use crate::parse::cause;
use crate::parse::documents::{self, Document, DocumentError};
use crate::parse::foreign::{self, Foreign};

/// Extensions of files that kubectl reads in a directory.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

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
    Read { path: String, error: std::io::Error },
    #[error("{path}: not valid UTF-8")]
    NotText { path: String },
    #[error("{path}: no .yaml, .yml or .json file in this directory")]
    Empty { path: String },
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

/// The text of one file or of standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As given, or below the given directory; `-` for standard input.
    pub path: String,
    pub text: String,
}

/// Reads `-`, a file, or a directory recursively.
///
/// # Errors
/// A file cannot be read or is neither YAML nor JSON, or a workload in it has no valid pod spec.
pub fn read(path: &str) -> Result<Vec<Manifest>, Error> {
    let mut manifests = Vec::new();
    for Text { path, text } in texts(path)? {
        manifests.extend(parse(&path, &text)?);
    }
    Ok(manifests)
}

/// Reads `-`, a file, or a directory recursively, in kubectl's order.
///
/// # Errors
/// A file cannot be read or is not valid UTF-8.
pub fn texts(path: &str) -> Result<Vec<Text>, Error> {
    let failed = |path: &str| {
        let path = path.to_owned();
        move |error| Error::Read { path, error }
    };
    let text = |path: &str, bytes: Vec<u8>| match String::from_utf8(bytes) {
        Ok(text) => Ok(Text { path: path.to_owned(), text }),
        Err(_) => Err(Error::NotText { path: path.to_owned() }),
    };
    if path == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed(path))?;
        return Ok(vec![text(path, bytes)?]);
    }
    let mut files = Vec::new();
    let metadata = std::fs::metadata(path).map_err(failed(path))?;
    if metadata.is_dir() {
        walk(Path::new(path), &mut files).map_err(failed(path))?;
        if files.is_empty() {
            return Err(Error::Empty { path: path.to_owned() });
        }
    } else {
        files.push(PathBuf::from(path));
    }
    let read = |file: PathBuf| {
        let name = file.display().to_string();
        text(&name, std::fs::read(&file).map_err(failed(&name))?)
    };
    files.into_iter().map(read).collect()
}

/// Does not follow links to directories, so that it always terminates.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, files)?;
        } else if path.is_file()
            && path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// Finds the pod specs in `text`, which came from `path`.
///
/// # Errors
/// See [`read`].
pub fn parse(path: &str, text: &str) -> Result<Vec<Manifest>, Error> {
    let wrong = |fault: DocumentError| Error::Document {
        path: path.to_owned(),
        document: fault.document,
        why: fault.why,
    };
    let foreign = |what| Error::Foreign { path: path.to_owned(), what };
    let mut manifests = Vec::new();
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
        collect(path, document, read.value, &mut manifests)
            .map_err(|why| wrong(DocumentError::new(document + 1, &why)))?;
    }
    Ok(manifests)
}

/// Finds the pod specs in one document: an object, or a list of objects, which may be nested.
fn collect(path: &str, document: usize, value: Value, manifests: &mut Vec<Manifest>) -> Result<(), String> {
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
                None => take_templates(path, document, &items, object, manifests)?,
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

fn list_items(object: &mut Value) -> Option<Vec<Value>> {
    object.get("kind").and_then(Value::as_str).filter(|kind| kind.ends_with("List"))?;
    match object.get_mut("items").map(Value::take)? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn take_templates(
    path: &str,
    document: usize,
    items: &[usize],
    mut value: Value,
    manifests: &mut Vec<Manifest>,
) -> Result<(), String> {
    let text = |pointer| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, mut name) = (text("/kind"), text("/metadata/name"));
    if name.is_empty() {
        name = text("/metadata/generateName");
    }
    let name = format!("{kind}/{name}");
    let annotations = value.pointer("/metadata/annotations").cloned().unwrap_or_default();
    let annotations: Option<BTreeMap<String, String>> =
        serde_json::from_value(annotations).unwrap_or_default();
    let mut push = |pod, template| {
        manifests.push(Manifest {
            path: path.to_owned(),
            name: name.clone(),
            annotations: annotations.clone().unwrap_or_default(),
            pod,
            position: Position { document, items: items.to_vec(), template },
        });
    };
    if let Some(kind) = WorkloadKind::ALL.into_iter().find(|known| known.as_str() == kind) {
        let pointer = kind.pod_template_pointer();
        let pod = value
            .pointer_mut(pointer)
            .filter(|pod| pod.get("spec").is_some())
            .map(Value::take)
            .ok_or_else(|| format!("{name} has no pod spec at {pointer}/spec"))?;
        push(
            serde_json::from_value(pod).map_err(|error| format!("{name}: {}", cause::json(&error)))?,
            pointer,
        );
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
        let found: Vec<_> = parse("x", &text).unwrap().into_iter().collect();
        let found: Vec<_> =
            found.iter().map(|found| (found.name.as_str(), found.position.pointer().join("/"))).collect();
        let expected =
            [("a", "items/0"), ("b", "items/1/items/0"), ("c", "items/1/items/3"), ("d", "items/2")];
        let expected = expected.map(|(name, place)| (format!("Pod/{name}"), place.to_owned()));
        assert_eq!(found, expected.each_ref().map(|(name, place)| (name.as_str(), place.clone())));

        let nested = |depth| (0..depth).fold(pod("a"), |inner, _| list(&[inner]));
        assert_eq!(parse("x", &nested(100)).unwrap()[0].position.items, [0; 100]);
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
    fn errors_name_file_document_and_cause() {
        let cases = [
            ("kind: A\n---\n# comment\n---\nkind: [", "x.yaml: document 2: "),
            (
                "kind: A\n---\nkind: Deployment\nmetadata: {name: d}",
                "x.yaml: document 2: Deployment/d has no pod spec at /spec/template/spec",
            ),
            ("kind: Pod\nmetadata: {name: p}\nspec: {containers: 3}", "x.yaml: document 1: Pod/p: "),
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
