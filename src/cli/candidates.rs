//! What can follow the words of a command line, as far as clap knows it.

use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};

use super::{Arguments, ConnectionArguments};
use crate::printable::one_line;

/// The name by which kubectl asks.
pub const LINK: &str = "kubectl_complete-castai_privatelink";

/// Longest description, in characters.
const DESCRIPTION_LIMIT: usize = 120;

/// The candidates for a word.
pub enum Candidates {
    /// The shell's own: files.
    Files,
    /// Values with their descriptions.
    Known(Vec<(String, Option<String>)>),
    /// Values of the moment that begin like this.
    Dynamic { dynamic: Dynamic, start: String, connection: Option<Box<ConnectionArguments>> },
}

/// A value that is known only here and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamic {
    File,
    Context,
    Cluster,
    User,
    Namespace,
    Rewritten,
}

/// What was wanted, and how it begins.
type SelectedValue = Arc<Mutex<Option<(Dynamic, String)>>>;

/// The candidates for the last of `words`.
pub fn candidates(words: &[OsString]) -> Candidates {
    let empty = OsString::new();
    let (before, current) = words.split_last().map_or((&[][..], &empty), |(last, before)| (before, last));
    let current = current.to_string_lossy().into_owned();
    let line: Vec<_> = [OsString::from(LINK)]
        .into_iter()
        .chain(before.iter().cloned())
        .chain([OsString::from(&current)])
        .collect();
    let wanted = SelectedValue::default();
    let mut command = with_dynamic_values(Arguments::command(), &wanted);
    let index = line.len() - 1;
    let found = complete(&mut command, line, index, None).unwrap_or_default();
    let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
    match wanted {
        Some((Dynamic::File, _)) => return Candidates::Files,
        Some((dynamic, start)) => {
            return Candidates::Dynamic { dynamic, start, connection: connection(before).map(Box::new) };
        }
        None => {}
    }
    // As in kubectl, flags are shown to those who begin one.
    let wants_flag = current.starts_with('-');
    // As in cobra, values of --flag=value are printed without the flag.
    let flag = current.split_once('=').filter(|_| wants_flag).map(|(flag, _)| format!("{flag}="));
    let shown = found.iter().filter(|candidate| wants_flag || !is_flag(candidate)).map(|candidate| {
        let value = candidate.get_value().to_string_lossy();
        let value = flag.as_deref().and_then(|flag| value.strip_prefix(flag)).unwrap_or(&value);
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().map(|line| one_line(line, DESCRIPTION_LIMIT));
        (value.to_owned(), help.filter(|line| !line.is_empty()))
    });
    Candidates::Known(shown.collect())
}

fn is_flag(candidate: &CompletionCandidate) -> bool {
    candidate.get_value().to_string_lossy().starts_with('-')
}

/// The command line, in which arguments with run-time values record that they were requested.
fn with_dynamic_values(command: Command, wanted: &SelectedValue) -> Command {
    let arguments = |command: Command| {
        command.mut_args(|argument| match dynamic(&argument) {
            Some(dynamic) => {
                let wanted = Arc::clone(wanted);
                argument.add(ArgValueCompleter::new(move |start: &OsStr| {
                    let start = start.to_string_lossy().into_owned();
                    *wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some((dynamic, start));
                    Vec::new()
                }))
            }
            None => argument,
        })
    };
    arguments(command).mut_subcommands(arguments)
}

fn dynamic(argument: &Arg) -> Option<Dynamic> {
    match argument.get_id().as_str() {
        "context" => Some(Dynamic::Context),
        "cluster" => Some(Dynamic::Cluster),
        "user" => Some(Dynamic::User),
        "namespace" => Some(Dynamic::Namespace),
        // Of rollback.
        "workloads" => Some(Dynamic::Rewritten),
        // clap gives this hint to every path.
        _ => (argument.get_value_hint() == ValueHint::AnyPath).then_some(Dynamic::File),
    }
}

/// The connection flags among the words, as far as they can be parsed.
fn connection(before: &[OsString]) -> Option<ConnectionArguments> {
    let line = [OsString::from(LINK)].into_iter().chain(before.iter().cloned());
    let matches = Arguments::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    let mut connection = ConnectionArguments::from_arg_matches(&matches).ok()?;
    connection.drop_empty();
    Some(connection)
}
