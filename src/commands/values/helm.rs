//! `values helm`: a values file per release, and a merge patch per component of Cast AI's operator.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::named_images;
use crate::atomic_file;
use crate::cli::{Arguments, HelmArguments};
use crate::cluster::custom::Resource;
use crate::commands::{CommandError, ExitStatus};
use crate::model::knowledge::Knowledge;
use crate::output;
use crate::persist::helm::{self, ReleaseValues};
use crate::printable::one_line;

/// Maximum length of a comment in a file, in characters.
const MAX_COMMENT_LENGTH: usize = 1000;

/// A document with its file name.
struct Document {
    file: String,
    text: String,
}

pub(super) async fn run(arguments: &Arguments, wanted: &HelmArguments) -> Result<ExitStatus, CommandError> {
    let images = named_images::read(arguments, &wanted.naming).await?;
    images.refuse_nothing()?;
    let decided = images
        .snapshot
        .releases
        .iter()
        .filter_map(|release| helm::values(release, images.naming(), &images.assignments))
        // While a release is being upgraded, its newest revision comes last.
        .map(|values| (values.release.clone(), values))
        .collect::<BTreeMap<_, _>>();
    if decided.is_empty() {
        return Err(CommandError::with_hint(
            "error: no Helm release of Cast AI found",
            "Helm stores releases in Secrets, which must be listable (`permissions rbac`); for Argo CD set \
             the keys of docs/persist.md in the Application, or use `values policy`; without Helm use \
             `values kustomize`",
        ));
    }
    let mut documents: Vec<_> = decided.values().map(document).collect::<std::io::Result<_>>()?;
    let mut exit_status = if images.is_partial { ExitStatus::Attention } else { ExitStatus::Done };
    for values in decided.values() {
        let name = format!("Helm release {} in namespace {}", values.release.name, values.release.namespace);
        for gap in &values.gaps {
            exit_status = ExitStatus::Attention;
            let policy = if gap.is_for_policy {
                "; `values policy` can rename it when its pod is created"
            } else {
                ""
            };
            output::warning(&format!("{name}: {}{policy}", gap.why));
        }
        for note in &values.notes {
            output::warning(&format!("{name}: {note}"));
        }
    }
    for resource in images.snapshot.resources.iter().filter(|resource| resource.definition.installs.is_some())
    {
        if let Some(document) = component(resource, &decided, &images.knowledge)? {
            documents.push(document);
        } else {
            exit_status = ExitStatus::Attention;
            output::warning(&format!(
                "{}/{} in namespace {} has no Helm release yet that would show its images: run this again once its \
                 operator has installed it",
                resource.definition.singular(),
                resource.name,
                resource.namespace
            ));
        }
    }
    if let Some(directory) = &wanted.directory {
        for document in &documents {
            let path = write(directory, document)?;
            output::result(&format!("{path}\n"))?;
        }
    } else {
        let texts: Vec<_> = documents.iter().map(|document| document.text.as_str()).collect();
        output::result(&texts.join("---\n"))?;
    }
    Ok(exit_status)
}

fn document(decided: &ReleaseValues) -> std::io::Result<Document> {
    let (release, chart) = (&decided.release, &decided.chart);
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "Helm release {} in namespace {}, chart {} {}. Mirror the images of another --version with sync-images first:",
            release.name, release.namespace, chart.name, chart.version
        ),
    );
    comment(
        &mut text,
        &format!(
            "helm upgrade {} castai-helm/{} --version {} --namespace {} --reset-then-reuse-values -f FILE",
            word(&release.name, "NAME"),
            word(&chart.name, "CHART"),
            word(&chart.version, "VERSION"),
            word(&release.namespace, "NAMESPACE")
        ),
    );
    for note in &decided.notes {
        comment(&mut text, note);
    }
    for gap in &decided.gaps {
        comment(&mut text, &format!("not covered: {}", gap.why));
    }
    text.push_str(&output::yaml(&decided.values)?);
    Ok(Document { file: file_name(&[&release.namespace, &release.name]), text })
}

/// The release of a component that Cast AI's operator installs from the component's values (castai/castware-operator
/// `api/v1alpha1/component_types.go`); `None` if there is no such release.
fn component(
    resource: &Resource,
    decided: &BTreeMap<crate::cluster::release::ReleaseName, ReleaseValues>,
    knowledge: &Knowledge,
) -> std::io::Result<Option<Document>> {
    let installed = resource.definition.installed(&resource.name, &resource.content);
    let of_component = |values: &&ReleaseValues| {
        values.release.namespace == resource.namespace
            && installed.is_some_and(|component| knowledge.installs(component, &values.chart.name))
    };
    let Some(values) = decided.values().find(of_component) else { return Ok(None) };
    let kind = resource.definition.plural();
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "{kind} {} in namespace {}: the same for Cast AI's operator:",
            resource.name, resource.namespace
        ),
    );
    comment(
        &mut text,
        &format!(
            "kubectl patch {kind} {} --namespace {} --type=merge --patch-file=FILE",
            word(&resource.name, "NAME"),
            word(&resource.namespace, "NAMESPACE")
        ),
    );
    text.push_str(&output::yaml(&at_pointer(resource.definition.fields.first(), &values.values))?);
    Ok(Some(Document { file: file_name(&[&resource.namespace, &resource.name, "component"]), text }))
}

/// An object with `value` at this JSON pointer.
fn at_pointer(pointer: Option<&String>, value: &Value) -> Value {
    let members =
        pointer.into_iter().flat_map(|pointer| pointer.rsplit('/')).filter(|member| !member.is_empty());
    members.fold(value.clone(), |inner, member| json!({member: inner}))
}

fn comment(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# {}", one_line(line, MAX_COMMENT_LENGTH));
}

/// Whether a name has no special characters for shells and file systems.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(is_plain)
}

/// A name for a command line that users may copy: text from a cluster must not become a command.
fn word<'n>(name: &'n str, otherwise: &'n str) -> &'n str {
    if is_plain(name) { name } else { otherwise }
}

/// A unique file name from these parts. Kubernetes names contain no underscore.
fn file_name(parts: &[&str]) -> String {
    let plain = |part: &&str| -> String {
        part.chars()
            .map(|character| if is_plain(&format!("a{character}")) { character } else { '_' })
            .collect()
    };
    let joined = parts.iter().map(plain).collect::<Vec<_>>().join("_");
    format!("{}.yaml", joined.trim_start_matches('.'))
}

/// Atomically writes a file, and returns its path. A link of this name is replaced, not followed.
fn write(directory: &Path, document: &Document) -> Result<String, CommandError> {
    let path = directory.join(&document.file);
    let shown = path.display().to_string();
    std::fs::create_dir_all(directory)
        .and_then(|()| atomic_file::replace(&path, document.text.as_bytes()))
        .map_err(|error| CommandError::new(format!("error: writing {shown}: {error}")))?;
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_escapes_the_folder_or_becomes_a_command() {
        for (parts, expected) in [
            (["castai-agent", "castai-agent"], "castai-agent_castai-agent.yaml"),
            (["../..", "etc/passwd"], "_.._etc_passwd.yaml"),
            (["..", "x"], "_x.yaml"),
            (["a\nb", "$(x)"], "a_b___x_.yaml"),
        ] {
            assert_eq!(file_name(&parts), expected);
        }
        for (name, expected) in [
            ("cluster-controller", "cluster-controller"),
            ("1.2.3+4", "1.2.3+4"),
            ("$(x)", "NAME"),
            ("-f", "NAME"),
        ] {
            assert_eq!(word(name, "NAME"), expected);
        }
    }
}
