//! Writes generated files into a folder of the user.

use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::atomic_file;
use crate::commands::CommandError;
use crate::endpoints::terraform::{File, additions};
use crate::output;

/// Writes all files, or none if one of them exists with other content and may not be replaced.
pub(super) fn write(directory: &Path, files: &[File], overwrite: bool) -> Result<(), CommandError> {
    let mut changed = Vec::new();
    for file in files {
        let path = directory.join(&file.path);
        refuse_links(directory, &path)?;
        // Reading a pipe or a device may never end.
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            let message = format!("error: {} is not a regular file; nothing was written", path.display());
            return Err(CommandError::with_hint(message, "choose another folder with --out"));
        }
        match std::fs::read(&path) {
            Ok(bytes) if bytes == file.text.as_bytes() => {}
            Ok(_) if !overwrite => {
                return Err(CommandError::with_hint(
                    format!("error: {} exists and differs; nothing was written", path.display()),
                    "choose another folder, or replace its files with --overwrite",
                ));
            }
            Ok(bytes) if !additions(&String::from_utf8_lossy(&bytes)).is_subset(&additions(&file.text)) => {
                return Err(CommandError::with_hint(
                    format!(
                        "error: {} has additions to endpoints of others that the new code lacks; nothing was written",
                        path.display()
                    ),
                    "terraform apply would take them away again: write into another folder, and keep existing_endpoints",
                ));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
            Ok(_) | Err(_) => changed.push((path, &file.text)),
        }
    }
    for (path, text) in &changed {
        let folder = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(folder)
            .and_then(|()| atomic_file::replace(path, text.as_bytes()))
            .map_err(|error| failed(path, &error))?;
        output::result(&format!("{}\n", path.display()))?;
    }
    if changed.is_empty() {
        output::say(&format!("up to date: every file in {} is as generated", directory.display()));
    }
    Ok(())
}

/// A link below the folder that the user names would lead out of it.
fn refuse_links(directory: &Path, path: &Path) -> Result<(), CommandError> {
    let below = path.ancestors().take_while(|folder| *folder != directory);
    for part in below {
        if std::fs::symlink_metadata(part).is_ok_and(|found| found.is_symlink()) {
            let message = format!("error: {} is a link; nothing was written", part.display());
            return Err(CommandError::with_hint(message, "choose another folder with --out"));
        }
    }
    Ok(())
}

fn failed(path: &Path, error: &Error) -> CommandError {
    CommandError::new(format!("error: writing {}: {error}", path.display()))
}
