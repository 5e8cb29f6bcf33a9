//! The files of values: what is in them, and their names.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::ReleaseValues;
use crate::printable::{is_plain, one_line, word};

/// Longest comment in a file, in characters.
const MAX_COMMENT_LENGTH: usize = 1000;

/// A document with the name of its file.
pub struct Document {
    pub file: String,
    /// Comments above the value.
    pub comment: String,
    pub value: Value,
}

/// Where documents are written to, for the commands that use them.
#[derive(Clone, Copy, Debug)]
pub enum Output<'d> {
    Stdout,
    Directory(&'d Path),
}

impl Output<'_> {
    /// A file as an argument of a command, quoted if a shell needs that.
    pub(super) fn argument(self, file: &str) -> String {
        let Self::Directory(directory) = self else { return "FILE".to_owned() };
        let path = directory.join(file).display().to_string();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte);
        if path.bytes().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
    }
}

/// What the values are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    Upgrade,
    Installation,
}

/// The values file of a release.
pub fn document(decided: &ReleaseValues, occasion: Occasion, output: Output<'_>) -> Document {
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
        Occasion::Upgrade => upgrade_command(decided, output),
        Occasion::Installation => install_command(decided, output),
    };
    comment(&mut text, &command);
    for note in &decided.notes {
        comment(&mut text, note);
    }
    for gap in &decided.gaps {
        comment(&mut text, &format!("not covered: {}", gap.why));
    }
    Document { file: release_file(decided), comment: text, value: decided.values.clone() }
}

fn release_file(ReleaseValues { release, .. }: &ReleaseValues) -> String {
    file_name(&[&release.namespace, &release.name])
}

fn upgrade_command(values: &ReleaseValues, output: Output<'_>) -> String {
    let ReleaseValues { release, chart, .. } = values;
    let file = output.argument(&release_file(values));
    format!(
        "helm upgrade {} castai-helm/{} --version {} --namespace {} --reset-then-reuse-values -f {file}",
        word(&release.name, "NAME"),
        word(&chart.name, "CHART"),
        word(&chart.version, "VERSION"),
        word(&release.namespace, "NAMESPACE")
    )
}

/// The command that installs a chart with its values.
pub(super) fn install_command(values: &ReleaseValues, output: Output<'_>) -> String {
    let ReleaseValues { release, chart, .. } = values;
    let file = output.argument(&release_file(values));
    let version = match chart.version.as_str() {
        "" => String::new(),
        version => format!(" --version {}", word(version, "VERSION")),
    };
    format!(
        "helm upgrade --install {} castai-helm/{}{version} --namespace {} -f {file}",
        word(&release.name, "NAME"),
        word(&chart.name, "CHART"),
        word(&release.namespace, "NAMESPACE")
    )
}

pub(super) fn comment(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# {}", one_line(line, MAX_COMMENT_LENGTH));
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
    fn a_written_file_is_an_argument_of_its_command() {
        assert_eq!(Output::Stdout.argument("a_b.yaml"), "FILE");
        for (directory, expected) in [
            ("values", "values/a_b.yaml"),
            ("/tmp/my values", "'/tmp/my values/a_b.yaml'"),
            ("it's; reboot", r"'it'\''s; reboot/a_b.yaml'"),
        ] {
            assert_eq!(Output::Directory(Path::new(directory)).argument("a_b.yaml"), expected);
        }
    }

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
