//! The manifests that are rewritten.

use std::path::PathBuf;

use crate::error::CommandError;
use crate::parse::documents::{self, Format};
use crate::sync::discover::manifests::{self, Parsed};
use crate::sync::rewrite_manifests::Part;

/// The texts of `-f`.
pub struct Input {
    pub parts: Vec<Part>,
    /// As in [`Parsed`].
    pub without_pod_spec: Vec<String>,
}

/// Reads the texts of `-f`.
pub async fn read(files: &[PathBuf]) -> Result<Input, CommandError> {
    let files = files.to_vec();
    // Reading standard input may block, and Ctrl-C must work meanwhile.
    let read = tokio::task::spawn_blocking(move || -> Result<Input, manifests::Error> {
        let (mut parts, mut skipped) = (Vec::new(), Vec::new());
        for file in files {
            for text in manifests::texts(&file.to_string_lossy())? {
                let Parsed { manifests, without_pod_spec } = manifests::parse(&text.path, &text.text)?;
                skipped.extend(without_pod_spec);
                let documents = documents::read(&text.text).unwrap_or_default();
                parts.push(Part {
                    format: documents.first().map(|document| document.format),
                    text,
                    manifests,
                });
            }
        }
        Ok(Input { parts, without_pod_spec: skipped })
    });
    read.await.map_err(std::io::Error::other)?.map_err(CommandError::from)
}

/// The output has the format of the input. Input without documents is printed unchanged.
pub fn format(parts: &[Part]) -> Result<Format, CommandError> {
    let of = |format| parts.iter().find(|part| part.format == Some(format));
    match (of(Format::Json), of(Format::Yaml)) {
        (Some(json), Some(yaml)) => {
            let (json, yaml) = (&json.text.path, &yaml.text.path);
            let message = format!("error: cannot combine {json} (JSON) and {yaml} (YAML)");
            Err(CommandError::with_hint(message, "run the command once for each"))
        }
        (Some(_), None) => Ok(Format::Json),
        (None, _) => Ok(Format::Yaml),
    }
}
