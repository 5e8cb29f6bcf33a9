//! Positions of values in a JSON text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object in order, each value as written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A key, borrowed if it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn members(raw: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    serde_json::from_str(raw.get()).ok().map(|Members(members)| members)
}

fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The bytes in `text` of the value that the JSON pointer with these tokens selects. The last of duplicate keys counts.
pub fn span(text: &str, pointer: &[String]) -> Option<Range<usize>> {
    let mut value: &RawValue = serde_json::from_str(text).ok()?;
    for token in pointer {
        value = match elements(value) {
            Some(elements) => elements.get(token.parse::<usize>().ok()?)?,
            None => members(value)?.into_iter().rfind(|(key, _)| key == token)?.1,
        };
    }
    // The value is borrowed from the text, so the difference of the pointers is its offset.
    let start = value.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    Some(start..start + value.get().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_values_are_found_by_pointer() {
        let text = " {\"a\\u0062\": [1, {\"c\": \"é\", \"d\" : \"x\\/y\" }]} ";
        let at = |pointer: &[&str]| {
            let pointer: Vec<_> = pointer.iter().map(|token| (*token).to_owned()).collect();
            span(text, &pointer).map(|range| &text[range])
        };
        assert_eq!(at(&["ab", "1", "d"]), Some("\"x\\/y\""));
        assert_eq!(at(&["ab", "1", "c"]), Some("\"é\""));
        assert_eq!(at(&["ab", "2"]), None);
        assert_eq!(at(&["b"]), None);
        let twice = "{\"a\": 1, \"\\u0061\": 2}";
        assert_eq!(span(twice, &["a".to_owned()]).map(|range| &twice[range]), Some("2"));
    }
}
