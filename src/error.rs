//! Why a command cannot go on.

use std::io;

/// Why a command could not do its work, in one line, and what to do next.
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
    /// Only our own output is written without a path of its own.
    fn from(error: io::Error) -> Self {
        Self::new(format!("error: writing the result: {error}"))
    }
}
