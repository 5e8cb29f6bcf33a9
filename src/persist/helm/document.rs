//! The files of values: what is in them, and their names.

use std::fmt::Write as _;

use serde_json::Value;

use super::ReleaseValues;
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

pub(super) fn comment(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# {}", one_line(line, MAX_COMMENT_LENGTH));
}

/// Whether a name has no special characters for shells and file systems.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(is_plain)
}

/// A name for a command line that users may copy: text from a cluster must not become a command.
pub(super) fn word<'n>(name: &'n str, otherwise: &'n str) -> &'n str {
    if is_plain(name) { name } else { otherwise }
}

/// A unique file name from these parts. Kubernetes names contain no underscore.
pub(super) fn file_name(parts: &[&str]) -> String {
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
