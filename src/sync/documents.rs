//! The documents in a text of manifests, as values and with the place of each in the text.

mod json;

use std::ops::Range;

use serde_json::Value;
use serde_json::value::RawValue;

use self::json::repeated_key;
pub use self::json::span as json_span;
use crate::parse_error;
use crate::printable::one_line;

/// Editors on Windows put it before a text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Longest explanation of a fault, in characters.
const LONGEST_FAULT: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its bytes in the text, with its markers and directives.
    pub range: Range<usize>,
    pub format: Format,
    pub value: Value,
}

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1, without documents of comments alone, as nobody who counts by eye would count those.
    pub document: usize,
    pub why: String,
}

impl Fault {
    pub fn new(document: usize, why: &str) -> Self {
        let why = why.lines().next().unwrap_or(why);
        Self { document, why: one_line(why, LONGEST_FAULT) }
    }
}

/// Reads all documents of `text`: JSON values one after the other where they are that, else YAML.
///
/// # Errors
/// One of them is neither, or has a key twice, which kubectl does not accept either.
pub fn read(text: &str) -> Result<Vec<Document>, Fault> {
    let bare = text.trim_start_matches(BYTE_ORDER_MARK);
    if !bare.trim_start().starts_with('{') {
        return yaml(text);
    }
    // A document of YAML may begin like JSON.
    json_stream(bare, text.len() - bare.len()).or_else(|fault| yaml(text).map_err(|_| fault))
}

fn json_stream(bare: &str, offset: usize) -> Result<Vec<Document>, Fault> {
    let mut documents = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(bare).into_iter::<&RawValue>();
    while let Some(raw) = stream.next() {
        let fault = |why: &str| Fault::new(documents.len() + 1, why);
        let raw = raw.map_err(|error| fault(&parse_error::json(&error)))?;
        if let Some(key) = repeated_key(raw) {
            return Err(fault(&format!("the key {key:?} stands twice in one object")));
        }
        let value = serde_json::from_str(raw.get()).map_err(|error| fault(&parse_error::json(&error)))?;
        let end = offset + stream.byte_offset();
        documents.push(Document { range: end - raw.get().len()..end, format: Format::Json, value });
    }
    Ok(documents)
}

fn yaml(text: &str) -> Result<Vec<Document>, Fault> {
    let mut documents = Vec::new();
    for range in split(text) {
        let document = &text[range.clone()];
        let value: Option<Value> = serde_saphyr::from_str(document).map_err(|error| {
            // Behind as many empty lines it is the text's own line that the error names.
            let lines = text[..range.start].matches('\n').count();
            let placed = "\n".repeat(lines) + document.trim_start_matches(BYTE_ORDER_MARK);
            let placed = serde_saphyr::from_str::<Option<Value>>(&placed).err();
            Fault::new(documents.len() + 1, &parse_error::yaml(&placed.unwrap_or(error)))
        })?;
        documents.push(Document { range, format: Format::Yaml, value: value.unwrap_or_default() });
    }
    Ok(documents)
}

/// Splits where kubectl splits, at lines that begin with `---`, and where YAML ends a document, behind `...`. What
/// stands before a `---` and is no content, such as a directive, belongs to the document behind it.
fn split(text: &str) -> Vec<Range<usize>> {
    let (mut ranges, mut start, mut end) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        let begin = end;
        end += line.len();
        let is_begun = || text[start..begin].lines().any(|line| is_content(line) || is_marker(line, "---"));
        if is_marker(line, "---") && is_begun() {
            ranges.push(start..begin);
            start = begin;
        } else if is_marker(line, "...") {
            ranges.push(start..end);
            start = end;
        }
    }
    ranges.push(start..end);
    ranges.retain(|range| text[range.clone()].lines().any(is_content));
    ranges
}

fn is_marker(line: &str, marker: &str) -> bool {
    let line = line.trim_start_matches(BYTE_ORDER_MARK);
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_content(line: &str) -> bool {
    let line = line.trim_start_matches(BYTE_ORDER_MARK);
    let rest = if is_marker(line, "---") { &line[3..] } else { line };
    let rest = rest.trim();
    !(rest.is_empty() || rest.starts_with('#') || line.starts_with('%') || is_marker(line, "..."))
}

#[cfg(test)]
mod tests;
