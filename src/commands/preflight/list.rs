//! `preflight list`.

use crate::cli::{OutputFormat, PreflightListArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::output::{self, preflight::catalogue as text};
use crate::preflight::catalogue::CheckList;

pub(super) fn run(list: &PreflightListArguments) -> Result<ExitStatus, CommandError> {
    let checks = CheckList::all();
    match list.output {
        OutputFormat::Table => output::result(&text::list(&checks, false, output::terminal_width()))?,
        OutputFormat::Wide => output::result(&text::list(&checks, true, output::terminal_width()))?,
        OutputFormat::Name => output::result(&text::codes(&checks))?,
        OutputFormat::Json | OutputFormat::Yaml => output::document(&checks, list.output)?,
    }
    Ok(ExitStatus::Done)
}
