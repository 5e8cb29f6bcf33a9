//! `options`: the flags that every command takes.

use super::{CommandError, ExitStatus};
use crate::cli::help;
use crate::output;

pub(super) fn run() -> Result<ExitStatus, CommandError> {
    output::result(&help::options())?;
    Ok(ExitStatus::Done)
}
