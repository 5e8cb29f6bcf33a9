//! Shell completion: the candidates for the word under the cursor, in the format of cobra's `__complete`, which kubectl
//! reads (kubectl `pkg/cmd/plugin/plugin_completion.go`).

mod names;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use crate::cli::candidates::{self, Candidates};
use crate::output;
use crate::printable::one_line;

/// The command that our own completion scripts run.
const COMMAND: &str = "__complete";

/// cobra's directives: `ShellCompDirectiveDefault` lets the shell complete files, `ShellCompDirectiveNoFileComp` not.
const FILES: u8 = 0;
const NO_FILES: u8 = 4;

/// Longest name, in characters.
const NAME_LIMIT: usize = 1000;
/// The words after the program's name if a shell requests completion; the last one is under the cursor.
pub fn words_to_complete(arguments: &[OsString]) -> Option<&[OsString]> {
    let name = Path::new(arguments.first()?).file_stem()?.to_str()?;
    if name.starts_with("kubectl_complete-") {
        return arguments.get(1..);
    }
    (arguments.get(1)? == COMMAND).then(|| &arguments[2..])
}

/// Prints the candidates. Errors are not printed: what cannot be read is omitted.
pub async fn answer(words: &[OsString]) {
    let (candidates, directive) = candidates(words).await;
    let mut text = String::new();
    for (value, description) in candidates {
        // Writing to a string cannot fail, here and below.
        let _ = match description {
            Some(description) => writeln!(text, "{value}\t{description}"),
            None => writeln!(text, "{value}"),
        };
    }
    let _ = writeln!(text, ":{directive}");
    // The shell may have closed the pipe.
    let _ = output::result(&text);
}

async fn candidates(words: &[OsString]) -> (Vec<(String, Option<String>)>, u8) {
    match candidates::candidates(words) {
        Candidates::Files => (Vec::new(), FILES),
        Candidates::Known(known) => (known, NO_FILES),
        Candidates::Dynamic { dynamic, start, connection } => {
            let names = names::names(dynamic, connection.as_deref()).await;
            let mut names: Vec<_> = names.iter().map(|name| one_line(name, NAME_LIMIT)).collect();
            names.retain(|name| name.starts_with(&start) && !name.contains(' '));
            names.sort();
            (names.into_iter().map(|name| (name, None)).collect(), NO_FILES)
        }
    }
}

#[cfg(test)]
mod tests;
