//! The documents in a manifest file, as values with their positions in the text.

use std::ops::Range;

use serde_json::Value;

use crate::parse;
use crate::parse::encoding::BYTE_ORDER_MARK;
use crate::printable::one_line;

/// Maximum length of an error's explanation, in characters.
const MAX_ERROR_LENGTH: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Byte range in the text, with its markers and directives.
    pub range: Range<usize>,
    pub format: Format,
    pub value: Value,
}

/// A document that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Counted from 1; documents that contain only comments do not count.
    pub document: usize,
    pub why: String,
}

impl DocumentError {
    pub fn new(document: usize, why: &str) -> Self {
        let why = why.lines().next().unwrap_or(why);
        Self { document, why: one_line(why, MAX_ERROR_LENGTH) }
    }
}

/// Parses all documents of `text`: as a sequence of JSON values if it is one, else as YAML. As in kubectl, the last of
/// duplicate keys counts.
///
/// # Errors
/// A document is neither JSON nor YAML.
pub fn read(text: &str) -> Result<Vec<Document>, DocumentError> {
    let bare = text.trim_start_matches(BYTE_ORDER_MARK);
    let Some(inner) = bare.trim_start().strip_prefix('{') else { return yaml(text) };
    // A YAML document may begin like JSON, but only in YAML may keys be unquoted.
    let is_json = inner.trim_start().starts_with(['"', '}']);
    json_stream(bare, text.len() - bare.len())
        .or_else(|fault| yaml(text).map_err(|other| if is_json { fault } else { other }))
}

fn json_stream(bare: &str, offset: usize) -> Result<Vec<Document>, DocumentError> {
    let (mut documents, mut begin) = (Vec::new(), 0);
    for value in parse::json::stream(bare) {
        let (value, end) =
            value.map_err(|error| DocumentError::new(documents.len() + 1, &error.to_string()))?;
        let written = bare[begin..end].trim_start_matches([' ', '\t', '\r', '\n']).len();
        let range = offset + end - written..offset + end;
        documents.push(Document { range, format: Format::Json, value });
        begin = end;
    }
    Ok(documents)
}

fn yaml(text: &str) -> Result<Vec<Document>, DocumentError> {
    let (mut documents, mut line, mut counted) = (Vec::new(), 1, 0);
    for range in split(text) {
        line += text[counted..range.start].matches('\n').count();
        counted = range.start;
        let document = text[range.clone()].trim_start_matches(BYTE_ORDER_MARK);
        let value: Option<Value> = parse::yaml::from_str(document, line)
            .map_err(|error| DocumentError::new(documents.len() + 1, &error))?;
        documents.push(Document { range, format: Format::Yaml, value: value.unwrap_or_default() });
    }
    Ok(documents)
}

/// Splits where kubectl does, at lines that begin with `---`, and at `...`, where YAML ends a document. Text before a
/// `---` that is not content, such as a directive, belongs to the document after it.
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
