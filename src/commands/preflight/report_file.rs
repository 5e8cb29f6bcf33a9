//! The file of `--report`.

use std::io::Error;

use crate::atomic_file;
use crate::cli::ReportFile;
use crate::commands::CommandError;
use crate::output::{self, preflight as text};
use crate::preflight::redaction::Redaction;
use crate::preflight::report::Report;

/// Refuses a file that cannot be written, before anything is requested.
pub(super) fn check(file: &ReportFile) -> Result<(), CommandError> {
    atomic_file::check_private(&file.path).map_err(|error| failed(file, &error))
}

/// Writes the report, redacted unless the user wants it as it is.
pub(super) fn write(file: &ReportFile, report: &Report, redact: bool) -> Result<(), CommandError> {
    let redacted = redact.then(|| Redaction::default().report(report));
    let bytes = text::file(redacted.as_ref().unwrap_or(report), file.format, redact);
    bytes
        .and_then(|bytes| atomic_file::write_private(&file.path, &bytes))
        .map_err(|error| failed(file, &error))?;
    output::say(&format!("report written to {}", file.path.display()));
    Ok(())
}

fn failed(file: &ReportFile, error: &Error) -> CommandError {
    CommandError::with_hint(
        format!("error: writing {}: {error}", file.path.display()),
        "choose another file with --report",
    )
}
