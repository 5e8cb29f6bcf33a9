//! All printing is done here: results on stdout, everything else on stderr.

mod causes;
mod changes;
mod common_registry;
pub mod endpoints;
mod failures;
pub mod format;
pub mod images;
pub mod interruption;
pub mod inventory;
mod markup;
mod not_pulled;
mod ownership;
pub mod permissions;
pub mod preflight;
pub mod progress;
mod prose;
mod pull_hint;
mod restart;
pub mod rewrite;
pub mod rollback;
pub mod status;
pub mod style;
pub mod sync;
pub mod table;
mod unchecked;
pub mod values;
mod workloads;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use self::format::OutputFormat;
pub use self::workloads::described;
use crate::printable::one_line;

/// Maximum length of a line with external text, in characters.
const LINE_LIMIT: usize = 2000;

/// Writes a result to stdout. A closed pipe is no error: the reader has seen enough.
///
/// # Errors
/// Writing to standard output failed, for example because a disk is full.
pub fn result(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes the user's text to stdout unchanged; [`result`] would remove escape codes.
///
/// # Errors
/// As [`result`].
pub fn verbatim(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

pub(super) fn lines(names: impl Iterator<Item = String>) -> io::Result<()> {
    result(&names.fold(String::new(), |text, name| text + &one_line(&name, LINE_LIMIT) + "\n"))
}

/// Writes a value to stdout as the machine-readable `format`; the others are no business of this function.
///
/// # Errors
/// Writing to standard output failed.
pub fn document(value: &impl Serialize, format: OutputFormat) -> io::Result<()> {
    let text = if format == OutputFormat::Yaml {
        serde_saphyr::to_string(value).map_err(io::Error::other)?
    } else {
        serde_json::to_string_pretty(value).map_err(io::Error::other)? + "\n"
    };
    result(&text)
}

/// A value as YAML, for people and for files: strings without line breaks stay on one line.
///
/// # Errors
/// The value cannot be represented in YAML.
pub fn yaml(value: &impl Serialize) -> io::Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let yaml = serde_saphyr::to_string_with_options(value, options).map_err(io::Error::other)?;
    Ok(if yaml.ends_with('\n') { yaml } else { yaml + "\n" })
}

/// Width of the terminal on stdout; `None` otherwise, because lines in a pipe are not wrapped.
pub fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

/// Who asks for the wide form gets it at full width.
fn width_for(format: OutputFormat) -> Option<usize> {
    terminal_width().filter(|_| format != OutputFormat::Wide)
}

/// Width of the terminal on stderr, for prompts and progress.
pub fn question_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stderr())?;
    Some(width.0.into())
}

/// Prints a message to stderr. Leading spaces indent the line. On a terminal it is wrapped.
pub fn say(text: &str) {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let line = format!("{:indent$}{}", "", one_line(text, LINE_LIMIT));
    // If stderr is closed, nothing can be reported.
    let _ = writeln!(anstream::stderr(), "{}", for_terminal(&line, question_width()));
}

/// A line as it is printed on a terminal of this width, if it is one.
fn for_terminal(line: &str, width: Option<usize>) -> String {
    width.map_or_else(|| line.to_owned(), |width| prose::wrap(line, width))
}

/// Writes a sentence to stdout, which is wrapped on a terminal.
///
/// # Errors
/// As [`result`].
pub(super) fn sentence(text: &str) -> io::Result<()> {
    result(&(for_terminal(&one_line(text, LINE_LIMIT), terminal_width()) + "\n"))
}

/// Prints what clap writes about an invalid command line, which may have colours.
pub fn usage_error(text: &str) {
    // If stderr is closed, nothing can be reported.
    let _ = write!(anstream::stderr(), "{text}");
}

/// Prints an error in kubectl's form, with a hint if there is one.
pub fn error(message: &str, hint: Option<&str>) {
    say(message);
    if let Some(hint) = hint {
        say(&format!("hint: {hint}"));
    }
}

/// Prints a warning about a problem that does not stop the work.
pub fn warning(text: &str) {
    say(&format!("warning: {text}"));
}

/// Prompts on the terminal. Any answer other than yes means no.
///
/// # Errors
/// The terminal cannot be read.
pub fn confirm(question: &str) -> io::Result<bool> {
    {
        // Not locked while waiting: other messages, such as on Ctrl-C, must not block.
        let mut stderr = anstream::stderr().lock();
        let question = format!("{} [y/N]", one_line(question, LINE_LIMIT));
        // The answer is typed behind it.
        let width = question_width().map(|width| width.saturating_sub(4));
        write!(stderr, "{} ", for_terminal(&question, width))?;
        stderr.flush()?;
    }
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Whether a prompt is possible: stdin and stderr are terminals.
pub fn is_interactive() -> bool {
    no_terminal().is_none()
}

/// The stream that prevents a prompt, because it is not a terminal.
pub fn no_terminal() -> Option<&'static str> {
    if !io::stdin().is_terminal() {
        return Some("stdin");
    }
    (!io::stderr().is_terminal()).then_some("stderr")
}
