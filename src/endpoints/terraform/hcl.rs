//! Writes HCL as `terraform fmt` formats it.

use std::fmt::{self, Write as _};

use crate::printable::is_harmful;

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    /// An expression.
    Expression(&'static str),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Texts as a list.
pub(super) fn list(texts: &[String]) -> Value {
    Value::List(texts.iter().cloned().map(Value::Text).collect())
}

/// A block with attributes, in paragraphs.
#[derive(Clone, Debug)]
pub(super) struct Block {
    header: String,
    paragraphs: Vec<Vec<(String, Value)>>,
}

impl Block {
    pub(super) fn new(kind: &str, labels: &[&str]) -> Self {
        let labels = labels.iter().fold(String::new(), |all, label| format!("{all} {}", quoted(label)));
        Self { header: format!("{kind}{labels}"), paragraphs: vec![Vec::new()] }
    }

    /// Adds an attribute to the last paragraph.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Some(last) = self.paragraphs.last_mut() {
            last.push((name.to_owned(), value.into()));
        }
        self
    }

    /// Begins a paragraph of these attributes, without those that are empty.
    pub(super) fn paragraph(mut self, attributes: Vec<(&str, Value)>) -> Self {
        let is_empty = |value: &Value| match value {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        };
        let attributes = attributes.into_iter().filter(|(_, value)| !is_empty(value));
        let attributes: Vec<_> = attributes.map(|(name, value)| (name.to_owned(), value)).collect();
        if !attributes.is_empty() {
            self.paragraphs.push(attributes);
        }
        self
    }
}

impl fmt::Display for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} {{", self.header)?;
        let paragraphs = self.paragraphs.iter().filter(|paragraph| !paragraph.is_empty());
        for (number, paragraph) in paragraphs.enumerate() {
            if number > 0 {
                writeln!(formatter)?;
            }
            formatter.write_str(&entries(paragraph, 1))?;
        }
        writeln!(formatter, "}}")
    }
}

/// Attributes, one per line: names of lines that follow each other are padded to the same width.
fn entries(entries: &[(String, Value)], depth: usize) -> String {
    let lines: Vec<_> = entries.iter().map(|(name, value)| (key(name), text(value, depth))).collect();
    let is_long = |(_, value): &(String, String)| value.contains('\n');
    let mut written = String::new();
    for run in lines.chunk_by(|one, next| !is_long(one) && !is_long(next)) {
        let width = run.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, value) in run {
            let _ = writeln!(written, "{}{name:width$} = {value}", "  ".repeat(depth));
        }
    }
    written
}

/// A name as it may be written: identifiers have no quotes.
fn key(name: &str) -> String {
    let is_start = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let is_identifier = name.starts_with(is_start) && name.chars().all(is_part);
    if is_identifier { name.to_owned() } else { quoted(name) }
}

fn text(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Text(text) => quoted(text),
        Value::Bool(value) => value.to_string(),
        Value::Expression(text) => (*text).to_owned(),
        Value::Map(map) if map.is_empty() => "{}".to_owned(),
        Value::Map(map) => format!("{{\n{}{indent}}}", entries(map, depth + 1)),
        Value::List(items) if items.len() < 2 => {
            let items: String = items.iter().map(|item| text(item, depth)).collect();
            format!("[{items}]")
        }
        Value::List(items) => {
            let items = items.iter().fold(String::new(), |mut all, item| {
                let _ = writeln!(all, "{indent}  {},", text(item, depth + 1));
                all
            });
            format!("[\n{items}{indent}]")
        }
    }
}

/// A string without any interpolation (HCL native syntax, "Template Expressions").
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if letters.peek() == Some(&'{') => {
                quoted.push(letter);
                quoted.push(letter);
            }
            letter if !is_harmful(letter) => quoted.push(letter),
            letter => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(letter));
            }
        }
    }
    quoted.push('"');
    quoted
}
