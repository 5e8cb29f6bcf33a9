//! Describes parse errors without quoting the text, which may contain secrets.

use granit_parser::ErrorKind;
use serde_json::error::Category;
use serde_saphyr::{Error as YamlError, ExternalMessageSource};

/// In serde's messages, the words before what a type expects.
const EXPECTED: &str = ", expected ";

/// Cause and position, if known.
pub fn json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match error.classify() {
        // serde_json's own messages quote nothing.
        Category::Syntax | Category::Eof | Category::Io => text,
        Category::Data if text.starts_with("missing field `") => text,
        // serde quotes the value that it found before the words on what it expected.
        Category::Data => text.rsplit_once(EXPECTED).map_or_else(
            || format!("invalid value{}", position(error)),
            |(_, expected)| {
                let (expected, place) =
                    expected.split_at(expected.find(" at line ").unwrap_or(expected.len()));
                format!("expected {}{place}", plain(expected))
            },
        ),
    }
}

fn position(error: &serde_json::Error) -> String {
    match error.line() {
        0 => String::new(),
        line => format!(" at line {line} column {}", error.column()),
    }
}

/// Cause and position, if known.
pub fn yaml(error: &YamlError) -> String {
    let cause = yaml_cause(error);
    match error.location().filter(|location| location.line() > 0) {
        Some(location) => format!("{cause} at line {}, column {}", location.line(), location.column()),
        None => cause,
    }
}

/// Only the cause.
pub fn yaml_cause(error: &YamlError) -> String {
    match error {
        YamlError::WithSnippet { error, .. } | YamlError::AliasError { error, .. } => yaml_cause(error),
        YamlError::ExternalMessage { source, .. } => match source.as_ref() {
            ExternalMessageSource::Parser(error) => match error.kind() {
                // These variants quote the text.
                ErrorKind::Custom(_)
                | ErrorKind::InputDecoding { .. }
                | ErrorKind::InputIo { .. }
                | ErrorKind::UnexpectedCharacter { .. } => NOT_YAML.to_owned(),
                kind => kind.to_string(),
            },
            _ => NOT_YAML.to_owned(),
        },
        YamlError::Eof { .. } => "unexpected end of file".to_owned(),
        YamlError::MultipleDocuments { .. } => "more than one document".to_owned(),
        YamlError::Unexpected { expected, .. } => format!("expected {}", plain(expected)),
        YamlError::InvalidBooleanStrict { .. } => "expected a boolean".to_owned(),
        YamlError::NullIntoString { .. } | YamlError::TaggedScalarCannotDeserializeIntoString { .. } => {
            "expected a string".to_owned()
        }
        YamlError::SerdeInvalidType { expected, .. }
        | YamlError::SerdeInvalidValue { expected, .. }
        | YamlError::SerdeInvalidLength { expected, .. } => format!("expected {expected}"),
        YamlError::SerdeMissingField { field, .. } => format!("missing field `{field}`"),
        YamlError::InvalidScalar { ty, .. } => format!("expected {}", plain(ty)),
        YamlError::DuplicateMappingKey { .. } => "duplicate mapping key".to_owned(),
        YamlError::UnknownAnchor { .. } => "an alias without an anchor".to_owned(),
        YamlError::InvalidBinaryBase64 { .. } => "invalid Base64".to_owned(),
        YamlError::InvalidUtf8Input | YamlError::BinaryNotUtf8 { .. } => "not valid UTF-8".to_owned(),
        YamlError::Budget { .. }
        | YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => {
            "too large, too deeply nested, or too many aliases".to_owned()
        }
        YamlError::Message { .. } | YamlError::HookError { .. } | YamlError::TaggedEnumMismatch { .. } => {
            "invalid value".to_owned()
        }
        _ => NOT_YAML.to_owned(),
    }
}

const NOT_YAML: &str = "not valid YAML";

/// The parser's name for what it expects, in words that users know.
fn plain(expected: &str) -> &str {
    match expected {
        "string scalar" | "scalar" => "a string",
        "sequence start" | "a sequence" => "a list",
        "mapping start" => "a mapping",
        "a map" => "an object",
        "boolean" => "a boolean",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Never,
    }

    #[derive(Debug, Deserialize)]
    struct Typed {
        #[expect(dead_code, reason = "only read")]
        name: String,
        #[expect(dead_code, reason = "only read")]
        #[serde(default)]
        count: Option<u8>,
        #[expect(dead_code, reason = "only read")]
        #[serde(default)]
        mode: Option<Mode>,
        #[expect(dead_code, reason = "only read")]
        #[serde(default)]
        list: Vec<String>,
    }

    #[test]
    fn json_errors_quote_no_text() {
        let cases = [
            (r#"{"name": "x", "count": "s3cret"}"#, "expected a whole number at line 1 column 31"),
            (r#"{"name": "x", "mode": "s3cret"}"#, "expected `never` at line 1 column 30"),
            (r#"{"name": "x", "list": "s3cret"}"#, "expected a list at line 1 column 30"),
            (r#"{"name": "x", "list": "s3cret, expected s3cret"}"#, "expected a list at line 1 column 47"),
            (r#"{"name": {"s3cret": 1}}"#, "expected a string at line 1 column 9"),
            (r#"{"s3cret": 1}"#, "missing field `name` at line 1 column 13"),
            (r#"{"name": "s3cret"#, "EOF while parsing a string at line 1 column 16"),
            (r#"{"name": s3cret}"#, "expected value at line 1 column 10"),
            ("{\"name\": \"s3cret\n\"}", "control character (\\u0000-\\u001F) found while parsing a string"),
        ];
        for (text, words) in cases {
            let error = json(&serde_json::from_str::<Typed>(text).unwrap_err());
            assert!(error.starts_with(words) && !error.contains("s3cret"), "{text}: {error}");
        }
        let value: Value = serde_json::json!({"name": "x", "list": "s3cret"});
        let error = json(&serde_json::from_value::<Typed>(value).unwrap_err());
        assert_eq!(error, "expected a list");
    }

    #[test]
    fn yaml_errors_quote_no_text() {
        let cases = [
            ("name: x\ncount: s3cret\n", "line 2, column 8"),
            ("name: x\nmode: s3cret\n", ""),
            ("name: x\nlist: s3cret\n", "line 2, column 7"),
            ("name: x\nlist: {s3cret: 1}\n", "line 2, column 7"),
            ("name: [s3cret]\n", "line 1, column 7"),
            ("name: *s3cret\n", "an alias without an anchor at line 1, column 7"),
            ("name: !!binary s3cret!\n", "line 1, column 16"),
            ("name: !!int s3cret\n", "line 1, column 13"),
            ("name: !s3cret {a: 1}\n", "line 1"),
            ("s3cret: 1\ns3cret: 2\nname: x\n", "duplicate mapping key at line 2, column 1"),
            ("name: s3cret\n\tcount: 1\n", "found a tab at line 1"),
            ("name: \"s3cret\n", "line "),
            ("name: \"\\s3cret\"\n", "line 1"),
            ("name: 's3cret' s3cret\n", "line 1"),
            ("name: @s3cret\n", "line 1, column 7"),
            ("name: %s3cret\n", "line 1, column 7"),
            ("name: s3cret: x\n", "line 1, column 13"),
            ("name: {s3cret\n", "line "),
            ("s3cret\n", "line 1, column 1"),
            ("- s3cret\n", "line 1, column 1"),
            ("%s3cret x\n", "line 2, column 1"),
            ("s3cret: x\n", "missing field `name`"),
        ];
        for (text, words) in cases {
            let error = yaml(&serde_saphyr::from_str::<Typed>(text).unwrap_err());
            assert!(error.contains(words) && !error.contains("s3cret"), "{text}: {error}");
        }
        for text in ["a: 1\na: 2\n", "{a: 1", "a: [1"] {
            let error = yaml(&serde_saphyr::from_str::<BTreeMap<String, Value>>(text).unwrap_err());
            assert!(error.contains("line "), "{text}: {error}");
        }
    }
}
