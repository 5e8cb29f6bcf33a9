//! `man`: the manual pages, one after the other, from the same text as `--help`.

use clap::{Command, CommandFactory as _};

use super::{Ending, Stop};
use crate::cli::Arguments;
use crate::output;

pub(super) fn run() -> Result<Ending, Stop> {
    // The name of a page is one word.
    const NAME: &str = "kubectl-castai_privatelink";
    let mut command = Arguments::command();
    command.build();
    let subcommands: Vec<_> = command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
        .map(|subcommand| {
            let name = format!("{NAME}-{}", subcommand.get_name());
            subcommand.clone().display_name(name).version(crate::cli::VERSION)
        })
        .collect();
    let mut pages = Vec::new();
    for page in [command.display_name(NAME)].into_iter().chain(subcommands) {
        let title = page.get_display_name().unwrap_or(NAME).to_owned();
        clap_mangen::Man::new(explained(page)).title(title).render(&mut pages)?;
    }
    output::result(&String::from_utf8_lossy(&pages))?;
    Ok(Ending::Done)
}

/// Flags that only the long help explains are explained here too.
fn explained(command: Command) -> Command {
    command.mut_args(|argument| argument.hide_short_help(false))
}
