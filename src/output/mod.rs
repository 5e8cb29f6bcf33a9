//! Everything that is printed is printed here: results on stdout, all else on stderr.

pub mod format;
pub mod images;
pub mod inventory;
mod ownership;
pub mod permissions;
pub mod preflight;
pub mod progress;
pub mod rewrite;
pub mod rollback;
pub mod status;
pub mod style;
pub mod sync;
pub mod table;
mod verdict;
mod workloads;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use self::format::OutputFormat;
pub use self::workloads::described;
use crate::printable::one_line;

/// Longest line of external text that we print, in characters.
const LINE_LIMIT: usize = 2000;

/// Writes a result to stdout. A reader that hung up is no error: it has seen what it wanted.
///
/// # Errors
/// Standard output cannot be written, for example because a disk is full.
pub fn result(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes to stdout what the user gave, byte for byte: [`result`] leaves out what colours a terminal.
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
    result(&names.fold(String::new(), |text, name| text + &name + "\n"))
}

/// Writes a value to stdout as the machine-readable `format`; the others are no business of this function.
///
/// # Errors
/// Standard output cannot be written.
pub fn document(value: &impl Serialize, format: OutputFormat) -> io::Result<()> {
    let text = if format == OutputFormat::Yaml {
        serde_saphyr::to_string(value).map_err(io::Error::other)?
    } else {
        serde_json::to_string_pretty(value).map_err(io::Error::other)? + "\n"
    };
    result(&text)
}

/// A value as YAML for people and for other programs' files: each text without line breaks stays on one line.
///
/// # Errors
/// The value has no form in YAML.
pub fn yaml(value: &impl Serialize) -> io::Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let yaml = serde_saphyr::to_string_with_options(value, options).map_err(io::Error::other)?;
    Ok(if yaml.ends_with('\n') { yaml } else { yaml + "\n" })
}

/// Columns of the terminal that results go to; none elsewhere, so that a pipe gets each sentence on one line.
pub fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

/// Who asks for the wide form gets it at full width.
fn width_for(format: OutputFormat) -> Option<usize> {
    terminal_width().filter(|_| format != OutputFormat::Wide)
}

/// Columns of the terminal that questions and progress go to.
pub fn question_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stderr())?;
    Some(width.0.into())
}

/// Says something to the person who waits, on stderr. Spaces before it indent the line.
pub fn say(text: &str) {
    let indent = text.len() - text.trim_start_matches(' ').len();
    // Nobody can be told that stderr is gone.
    let _ = writeln!(anstream::stderr(), "{:indent$}{}", "", one_line(text, LINE_LIMIT));
}

/// Says what went wrong, in kubectl's form, and what to do next where that is known.
pub fn error(message: &str, hint: Option<&str>) {
    say(message);
    if let Some(hint) = hint {
        say(&format!("hint: {hint}"));
    }
}

/// Warns of something that does not stop the work.
pub fn warning(text: &str) {
    say(&format!("warning: {text}"));
}

/// Asks on the terminal whether to go on. Anything but yes is no.
///
/// # Errors
/// The terminal cannot be read.
pub fn confirm(question: &str) -> io::Result<bool> {
    {
        // Not held while waiting: what else has to be said, such as on Ctrl-C, must get through.
        let mut stderr = anstream::stderr().lock();
        write!(stderr, "{} [y/N] ", one_line(question, LINE_LIMIT))?;
        stderr.flush()?;
    }
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Whether somebody can be asked: both what we print and what we read is a terminal.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
