//! The error that ends a command.

use std::io;

/// Why a command failed, in one line, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    pub message: String,
    pub hint: Option<String>,
}

impl CommandError {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

impl From<io::Error> for CommandError {
    /// Only output is written without its own error type, so this is an error of stdout or stderr.
    fn from(error: io::Error) -> Self {
        Self::new(format!("error: writing the result: {error}"))
    }
}
