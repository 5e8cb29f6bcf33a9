//! The files of values: what is in them, and their names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ReleaseValues;
use crate::castai::built_in;
use crate::cluster::custom::Resource;
use crate::cluster::release::ReleaseName;
use crate::printable::one_line;

/// Longest comment in a file, in characters.
const MAX_COMMENT_LENGTH: usize = 1000;

/// A document with the name of its file.
pub struct Document {
    pub file: String,
    /// Comments above the value.
    pub comment: String,
    pub value: Value,
}

/// What the values are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    Upgrade,
    Installation,
}

/// The values file of a release.
pub fn document(decided: &ReleaseValues, occasion: Occasion) -> Document {
    let (release, chart) = (&decided.release, &decided.chart);
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "Helm release {} in namespace {}, chart {}. Before you install another --version, mirror its images with sync-images. Apply with:",
            release.name,
            release.namespace,
            format!("{} {}", chart.name, chart.version).trim_end()
        ),
    );
    let command = match occasion {
        Occasion::Upgrade => upgrade_command(decided),
        Occasion::Installation => install_command(decided),
    };
    comment(&mut text, &command);
    for note in &decided.notes {
        comment(&mut text, note);
    }
    for gap in &decided.gaps {
        comment(&mut text, &format!("not covered: {}", gap.why));
    }
    let file = file_name(&[&release.namespace, &release.name]);
    Document { file, comment: text, value: decided.values.clone() }
}

fn upgrade_command(ReleaseValues { release, chart, .. }: &ReleaseValues) -> String {
    format!(
        "helm upgrade {} castai-helm/{} --version {} --namespace {} --reset-then-reuse-values -f FILE",
        word(&release.name, "NAME"),
        word(&chart.name, "CHART"),
        word(&chart.version, "VERSION"),
        word(&release.namespace, "NAMESPACE")
    )
}

/// The command that installs a chart with the values in FILE.
pub(super) fn install_command(ReleaseValues { release, chart, .. }: &ReleaseValues) -> String {
    let version = match chart.version.as_str() {
        "" => String::new(),
        version => format!(" --version {}", word(version, "VERSION")),
    };
    format!(
        "helm upgrade --install {} castai-helm/{}{version} --namespace {} -f FILE",
        word(&release.name, "NAME"),
        word(&chart.name, "CHART"),
        word(&release.namespace, "NAMESPACE")
    )
}

/// The release of a component that Cast AI's operator installs from the component's values (castai/castware-operator
/// `api/v1alpha1/component_types.go`); `None` if there is no such release.
pub fn component(resource: &Resource, decided: &BTreeMap<ReleaseName, ReleaseValues>) -> Option<Document> {
    let installed = resource.definition.installed(&resource.name, &resource.content);
    let of_component = |values: &&ReleaseValues| {
        values.release.namespace == resource.namespace
            && installed.is_some_and(|component| built_in().installs(component, &values.chart.name))
    };
    let values = decided.values().find(of_component)?;
    let kind = resource.definition.plural();
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "{kind} {} in namespace {}, for Cast AI's operator. Apply with:",
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
    for note in change_notes(resource) {
        comment(&mut text, &note);
    }
    let file = file_name(&[&resource.namespace, &resource.name, "component"]);
    let value = at_pointer(resource.definition.fields.first(), &values.values);
    Some(Document { file, comment: text, value })
}

/// What a patch of a resource requires, one sentence each.
pub fn change_notes(resource: &Resource) -> Vec<String> {
    let readonly = is_readonly(resource).then(|| {
        let field = resource.definition.readonly.as_deref().unwrap_or_default();
        format!("changes are rejected while {} is true", field.trim_start_matches('/').replace('/', "."))
    });
    readonly.into_iter().chain(resource.definition.on_change.clone()).collect()
}

/// Whether the resource rejects changes.
pub fn is_readonly(resource: &Resource) -> bool {
    let field = resource.definition.readonly.as_deref().and_then(|field| resource.content.pointer(field));
    field.and_then(Value::as_bool).unwrap_or_default()
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
