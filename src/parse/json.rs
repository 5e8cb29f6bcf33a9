//! JSON with a limited depth.

mod span;

use std::fmt;

use serde::de::{Deserialize, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

pub use self::span::span;
use super::{MAX_DEPTH, cause};

/// Why a text cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} at line {line} column {column}", super::too_deep())]
    TooDeep { line: usize, column: usize },
    #[error("{}", invalid(.0))]
    Invalid(#[from] serde_json::Error),
}

/// End of our message on a duplicate key.
const TWICE: &str = "is duplicated in one object";

/// The cause without any value of the text, which may be secret. Keys are not secret.
fn invalid(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.contains(TWICE) { text } else { cause::json(error) }
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

/// The values of a text that contains several, each with the offset of its end, up to the first error.
///
/// An object must not have a duplicate key.
pub fn stream(text: &str) -> impl Iterator<Item = Result<(Value, usize), Error>> + '_ {
    let bracket = too_deep_bracket(text.as_bytes());
    let mut deserializer = Deserializer::from_str(bracket.map_or(text, |bracket| &text[..bracket]));
    deserializer.disable_recursion_limit();
    let mut values = deserializer.into_iter::<Unique>();
    let mut has_ended = false;
    std::iter::from_fn(move || {
        if has_ended {
            return None;
        }
        let next = match (values.next()?, bracket) {
            // The text was cut off before the bracket that is too deep.
            (Err(error), Some(bracket)) if error.is_eof() => Err(too_deep(text.as_bytes(), bracket)),
            (value, _) => value.map(|Unique(value)| (value, values.byte_offset())).map_err(Error::Invalid),
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

/// A value without duplicate keys, which kubectl rejects too.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Value;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any valid JSON value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_string<E>(self, value: String) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(Unique(element)) = elements.next_element()? {
                    list.push(element);
                }
                Ok(Value::Array(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
                let mut object = Map::new();
                while let Some(key) = members.next_key::<String>()? {
                    if object.contains_key(&key) {
                        return Err(A::Error::custom(format!("the key {key:?} {TWICE}")));
                    }
                    let Unique(value) = members.next_value()?;
                    object.insert(key, value);
                }
                Ok(Value::Object(object))
            }
        }
        deserializer.deserialize_any(Read).map(Self)
    }
}
