//! `preflight explain`.

use crate::cli::PreflightExplainArguments;
use crate::commands::{CommandError, ExitStatus};
use crate::output::{self, preflight::catalogue as text};
use crate::preflight::catalogue::CheckDescription;

pub(super) fn run(explain: &PreflightExplainArguments) -> Result<ExitStatus, CommandError> {
    let checks: Vec<_> = explain.checks().into_iter().map(CheckDescription::new).collect();
    output::result(&text::explanations(&checks, output::terminal_width()))?;
    Ok(ExitStatus::Done)
}
