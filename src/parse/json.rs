//! JSON with a limited depth.

mod span;

use serde::de::{Deserialize, DeserializeOwned};
use serde_json::{Deserializer, Value};

pub use self::span::span;
use super::{MAX_DEPTH, cause};

/// Why a text cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} at line {line} column {column}", super::too_deep())]
    TooDeep { line: usize, column: usize },
    /// Without any value of the text, which may be secret.
    #[error("{}", cause::json(.0))]
    Invalid(#[from] serde_json::Error),
}

/// Parses `text` as exactly one value.
///
/// # Errors
/// It is not JSON, is not a `T`, or is nested too deep.
pub fn from_slice<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Error> {
    if let Some(bracket) = too_deep_bracket(text) {
        return Err(too_deep(text, bracket));
    }
    let mut deserializer = Deserializer::from_slice(text);
    // The limit was just checked, and serde_json's own limit is lower.
    deserializer.disable_recursion_limit();
    let value = T::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// As [`from_slice`].
///
/// # Errors
/// As [`from_slice`].
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    from_slice(text.as_bytes())
}

/// A field has the wrong type or value.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe(&cause::json(.error)))]
pub struct InvalidField {
    /// Such as `spec.containers[0].image`; `.` for the whole value.
    field: String,
    error: serde_json::Error,
}

impl InvalidField {
    /// The error with the value that was found, for texts without secrets.
    pub fn with_value(&self) -> String {
        self.describe(&self.error.to_string())
    }

    fn describe(&self, cause: &str) -> String {
        if self.field == "." { cause.to_owned() } else { format!("{}: {cause}", self.field) }
    }
}

/// Converts a value.
///
/// # Errors
/// It is not a `T`. The error names the field.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, InvalidField> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| InvalidField { field: error.path().to_string(), error: error.into_inner() })
}

/// The values of a text that contains several, each with the offset of its end, up to the first error.
pub fn stream(text: &str) -> impl Iterator<Item = Result<(Value, usize), Error>> + '_ {
    let bracket = too_deep_bracket(text.as_bytes());
    let mut deserializer = Deserializer::from_str(bracket.map_or(text, |bracket| &text[..bracket]));
    deserializer.disable_recursion_limit();
    let mut values = deserializer.into_iter::<Value>();
    let mut has_ended = false;
    std::iter::from_fn(move || {
        if has_ended {
            return None;
        }
        let next = match (values.next()?, bracket) {
            // The text was cut off before the bracket that is too deep.
            (Err(error), Some(bracket)) if error.is_eof() => Err(too_deep(text.as_bytes(), bracket)),
            (value, _) => value.map(|value| (value, values.byte_offset())).map_err(Error::Invalid),
        };
        has_ended = next.is_err();
        Some(next)
    })
}

/// The bracket that exceeds [`MAX_DEPTH`] levels, if `text` is JSON up to there.
fn too_deep_bracket(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    text.iter().position(|byte| {
        if in_string {
            let was_escaped = std::mem::take(&mut is_escaped);
            match byte {
                b'"' if !was_escaped => in_string = false,
                b'\\' => is_escaped = !was_escaped,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

fn too_deep(text: &[u8], bracket: usize) -> Error {
    let before = &text[..bracket];
    // Counts lines as serde_json does.
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Error::TooDeep { line, column }
}
