//! Prints documents, or writes each into a file.

use std::path::Path;

use crate::atomic_file;
use crate::cli::HelmArguments;
use crate::commands::CommandError;
use crate::output;
use crate::persist::helm::document::Document;

/// Prints the documents, or writes them into the directory that the user named.
pub(super) fn print(documents: &[Document], wanted: &HelmArguments) -> Result<(), CommandError> {
    if let Some(directory) = &wanted.directory {
        for document in documents {
            let path = write(directory, document)?;
            output::result(&format!("{path}\n"))?;
        }
    } else {
        let texts = documents.iter().map(text).collect::<std::io::Result<Vec<_>>>()?;
        output::result(&texts.join("---\n"))?;
    }
    Ok(())
}

fn text(document: &Document) -> std::io::Result<String> {
    Ok(format!("{}{}", document.comment, output::yaml(&document.value)?))
}

/// Atomically writes a file, and returns its path. A link of this name is replaced, not followed.
fn write(directory: &Path, document: &Document) -> Result<String, CommandError> {
    let path = directory.join(&document.file);
    let shown = path.display().to_string();
    let text = text(document)?;
    std::fs::create_dir_all(directory)
        .and_then(|()| atomic_file::replace(&path, text.as_bytes()))
        .map_err(|error| CommandError::new(format!("error: writing {shown}: {error}")))?;
    Ok(shown)
}
