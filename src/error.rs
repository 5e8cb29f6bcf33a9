//! The error that ends a command.

use std::io;

/// Why a command failed, in one line, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    pub message: String,
    pub hint: Option<String>,
    /// Commands of the hint, each on a line of its own, so that it can be copied.
    pub commands: Vec<String>,
    /// What was asked for does not exist: the command ran, with a result that needs attention.
    pub is_not_found: bool,
}

impl CommandError {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, commands: Vec::new(), is_not_found: false }
    }

    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(message) }
    }

    pub fn not_found(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { is_not_found: true, ..Self::with_hint(message, hint) }
    }
}

impl From<io::Error> for CommandError {
    /// Only output is written without its own error type, so this is an error of stdout or stderr.
    fn from(error: io::Error) -> Self {
        Self::new(format!("error: writing the result: {error}"))
    }
}
