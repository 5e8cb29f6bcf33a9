//! `man`: all manual pages in sequence, from the same text as `--help`.

use clap::{Command, CommandFactory as _};

use super::{CommandError, ExitStatus};
use crate::cli::Arguments;
use crate::output;

pub(super) fn run() -> Result<ExitStatus, CommandError> {
    // The name of a page is a single word.
    const NAME: &str = "kubectl-castai_privatelink";
    let mut command = Arguments::command();
    command.build();
    let mut pages = Vec::new();
    for page in with_subcommands(command, NAME) {
        let title = page.get_display_name().unwrap_or(NAME).to_owned();
        clap_mangen::Man::new(explained(page)).title(title).render(&mut pages)?;
    }
    output::result(&String::from_utf8_lossy(&pages))?;
    Ok(ExitStatus::Done)
}

/// A command and its visible subcommands, each under the name of its page.
fn with_subcommands(command: Command, name: &str) -> Vec<Command> {
    let below: Vec<_> = command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
        .flat_map(|subcommand| {
            with_subcommands(subcommand.clone(), &format!("{name}-{}", subcommand.get_name()))
        })
        .collect();
    let own = command.display_name(name.to_owned()).version(crate::cli::VERSION);
    [own].into_iter().chain(below).collect()
}

/// Includes flags that otherwise only the long help explains.
fn explained(command: Command) -> Command {
    command.mut_args(|argument| argument.hide_short_help(false))
}
