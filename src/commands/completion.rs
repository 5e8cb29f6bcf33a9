//! `completion`: scripts for shells, and the link through which kubectl completes the plugin.

mod link;

use super::{CommandError, ExitStatus};
use crate::cli::{CompletionArguments, CompletionCommand};
use crate::output;

pub(super) fn run(arguments: &CompletionArguments) -> Result<ExitStatus, CommandError> {
    let script = match &arguments.command {
        CompletionCommand::Install(install) => return link::install(install.dry_run),
        CompletionCommand::Uninstall(uninstall) => return link::uninstall(uninstall.dry_run),
        CompletionCommand::Bash => include_str!("completion/script.bash"),
        CompletionCommand::Zsh => include_str!("completion/script.zsh"),
        CompletionCommand::Fish => include_str!("completion/script.fish"),
        CompletionCommand::Powershell => include_str!("completion/script.ps1"),
    };
    output::result(script)?;
    Ok(ExitStatus::Done)
}
