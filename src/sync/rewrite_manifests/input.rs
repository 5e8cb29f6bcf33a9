//! The manifests that are rewritten.

use std::path::PathBuf;

use crate::error::CommandError;
use crate::parse::documents::{self, Format};
use crate::sync::discover::manifests;
use crate::sync::rewrite_manifests::Part;

/// Reads the texts of `-f`.
pub async fn read(files: &[PathBuf]) -> Result<Vec<Part>, CommandError> {
    let files = files.to_vec();
    // Reading standard input may block, and Ctrl-C must work meanwhile.
    let read = tokio::task::spawn_blocking(move || -> Result<Vec<Part>, manifests::Error> {
        let mut parts = Vec::new();
        for file in files {
            for text in manifests::texts(&file.to_string_lossy())? {
                let manifests = manifests::parse(&text.path, &text.text)?;
                let documents = documents::read(&text.text).unwrap_or_default();
                parts.push(Part {
                    format: documents.first().map(|document| document.format),
                    text,
                    manifests,
                });
            }
        }
        Ok(parts)
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
