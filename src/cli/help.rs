//! Help as in kubectl: a command shows its own flags, and `options` those that every command takes.

use clap::{ArgAction, Command, CommandFactory as _};

use super::Arguments;
use super::connection::CLUSTER;

const REFERENCE: &str = "Use \"kubectl castai-privatelink options\" for a list of global command-line options \
                         (applies to all commands).";

/// The command line, in whose help global flags are hidden.
pub(super) fn command() -> Command {
    let mut command = Arguments::command().mut_args(|argument| {
        // As in kubectl, the last value of a flag of the connection is used.
        let is_repeated = matches!(argument.get_action(), ArgAction::Append);
        if argument.get_help_heading() != Some(CLUSTER) || is_repeated {
            return argument;
        }
        let id = argument.get_id().clone();
        argument.overrides_with(id)
    });
    // Global flags are copied to the subcommands when they are built.
    command.build();
    without_global_flags(command)
}

fn without_global_flags(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let is_global = argument.is_global_set();
        if is_global { argument.hide(true) } else { argument }
    });
    let examples = command.get_after_help().map(|help| format!("{help}\n\n")).unwrap_or_default();
    command.after_help(format!("{examples}{REFERENCE}")).mut_subcommands(|below| match below.get_name() {
        "help" => below,
        _ => without_global_flags(below),
    })
}

/// The text of `options`.
pub fn options() -> String {
    let all = Arguments::command();
    let global = all.get_arguments().filter(|argument| argument.is_global_set());
    let global = global.map(|argument| argument.clone().hide_short_help(false));
    let mut command = Command::new("options")
        .args(global)
        .disable_help_flag(true)
        .max_term_width(120)
        .help_template("The following options can be passed to any command:\n\n{all-args}\n");
    command.render_help().ansi().to_string()
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn check(command: &Command) {
        let name = command.get_name().to_owned();
        if name == "help" {
            return;
        }
        let help = command.clone().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(REFERENCE), "{name}: {help}");
        assert!(!help.contains("--kubeconfig") && !help.contains("--retries"), "{name}: {help}");
        for below in command.get_subcommands() {
            check(below);
        }
    }

    #[test]
    fn help_shows_a_commands_own_flags_and_refers_to_options() {
        check(&command());
        let all = Arguments::command();
        let options = options();
        let shown = |argument: &&clap::Arg| argument.is_global_set() && !argument.is_hide_set();
        for argument in all.get_arguments().filter(shown) {
            let flag = format!("--{}", argument.get_long().unwrap());
            assert!(options.contains(&flag), "{flag}: {options}");
        }
        for flag in ["--help", "--dry-run"] {
            assert!(!options.contains(flag), "{flag}: {options}");
        }
    }
}
