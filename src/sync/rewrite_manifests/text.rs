//! Filter mode: replaces image names in a text of manifests, and changes nothing else.
//!
//! Discovery and assignment decide on the names, as everywhere; this module finds their positions in the text. The
//! result is parsed again and compared, so that a text with any other change is never returned.

mod yaml;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use self::yaml::Tree;
use crate::castai::derivation;
use crate::model::image_field::{LocatedField, locate_fields};
use crate::parse;
use crate::parse::documents::{self, Document, DocumentError, Format};
use crate::parse::encoding::BYTE_ORDER_MARK;
use crate::sync::discover::manifests::Manifest;
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::rewrite_workload::derived_image::{self, MissingDerivedImage};

/// The new image of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Index of the document.
    pub document: usize,
    /// From the document's root to the field, as tokens of a JSON pointer.
    pub pointer: Vec<String>,
    /// The field for messages: `Deployment/castai-agent: container/agent`.
    pub field: String,
    pub from: String,
    pub to: String,
}

/// Why a text cannot be rewritten. Documents are counted from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("document {}: {}", .0.document, .0.why)]
    Unreadable(DocumentError),
    #[error(
        "document {document}: {field}: its image is shared through an anchor with {other}, which must not \
         change: write the value in both places"
    )]
    Shared { document: usize, field: String, other: String },
    #[error("document {document}: {field}: cannot replace its image in this form: write it as {image:?}")]
    Unplaced { document: usize, field: String, image: String },
}

/// The fields of `manifest` that get another name by `assignments`, which were made only for it.
pub fn edits(manifest: &Manifest, assignments: &[Assignment]) -> Vec<Edit> {
    let used = assignments.iter().flat_map(|assignment| &assignment.used_by);
    let fields = locate_fields(&manifest.pod, used.map(|used| &used.used_by.image_field));
    let mut edits = Vec::new();
    for assignment in assignments {
        let to = assignment.destination.as_written();
        for used in assignment.used_by.iter().filter(|used| used.image.as_written() != to) {
            let is_meant = |field: &&LocatedField| {
                field.value == used.image.as_written() && field.image_field == used.used_by.image_field
            };
            for field in fields.iter().filter(is_meant) {
                let mut pointer = manifest.position.pointer();
                pointer.extend(field.path.iter().cloned());
                edits.push(Edit {
                    document: manifest.position.document,
                    pointer,
                    field: format!("{}: {}", manifest.name, field.image_field),
                    from: field.text.clone(),
                    to: field.text_with(to),
                });
            }
        }
    }
    edits
}

/// What users have to do so that components find their derived images, because no line can be added here. One sentence
/// each.
pub fn missing_derived_images(manifest: &Manifest, assignments: &[Assignment]) -> Vec<String> {
    let mut advice = Vec::new();
    for assigned in assignments {
        for used in &assigned.used_by {
            let own = derived_image::source_of(assignments, &used.used_by);
            let missing = own.and_then(|own| {
                derived_image::missing(&manifest.pod, &used.used_by, assigned, &own.destination)
            });
            if let (Some(MissingDerivedImage { own, variable: field, .. }), ImageSource::Known(source)) =
                (missing, &assigned.source)
                && let (Some(container), Some(variable)) = (field.container(), field.variable())
            {
                let how = derivation::set_in_file(own, container, variable, source);
                advice.push(format!("{}: {how}", manifest.name));
            }
        }
    }
    advice
}

/// Applies `edits` to `text`.
///
/// # Errors
/// The text cannot be parsed, or a field cannot be edited without changing something else.
pub fn rewrite(text: &str, edits: &[Edit]) -> Result<String, Refused> {
    let before = documents::read(text).map_err(Refused::Unreadable)?;
    let mut replacements: BTreeMap<usize, (Range<usize>, String)> = BTreeMap::new();
    for (index, document) in before.iter().enumerate() {
        let mut edits = edits.iter().filter(|edit| edit.document == index).peekable();
        if edits.peek().is_none() {
            continue;
        }
        let places = ValuePositions::locate(&text[document.range.clone()], document.format);
        for edit in edits {
            let (range, to) = places.replacement(edit).ok_or_else(|| Refused::Unplaced {
                document: index + 1,
                field: edit.field.clone(),
                image: edit.from.clone(),
            })?;
            let range = range.start + document.range.start..range.end + document.range.start;
            let replaced = replacements.insert(range.start, (range, to.clone()));
            if replaced.is_some_and(|(_, other)| other != to) {
                return Err(shared_field(edit, "a field with another image".to_owned()));
            }
        }
    }
    let mut after = String::with_capacity(text.len() + 64 * replacements.len());
    let mut end = 0;
    for (range, to) in replacements.into_values() {
        after.push_str(&text[end..range.start]);
        after.push_str(&to);
        end = range.end;
    }
    after.push_str(&text[end..]);
    check_result(before, &after, edits)?;
    Ok(after)
}

/// The positions of a document's values.
enum ValuePositions<'t> {
    Json(&'t str),
    Yaml(&'t str, Tree),
}

impl<'t> ValuePositions<'t> {
    fn locate(document: &'t str, format: Format) -> Self {
        match format {
            Format::Json => Self::Json(document),
            Format::Yaml => Self::Yaml(document, Tree::read(document)),
        }
    }

    /// The bytes of the document to replace, with their replacement.
    fn replacement(&self, edit: &Edit) -> Option<(Range<usize>, String)> {
        let (document, span, quoted) = match self {
            Self::Json(document) => (document, parse::json::span(document, &edit.pointer)?, true),
            Self::Yaml(document, tree) => {
                let scalar = tree.scalar(&edit.pointer)?;
                (document, scalar.span.clone(), scalar.is_double_quoted)
            }
        };
        let written = document.get(span.clone())?;
        // A comment after a block's header or below its text may contain the name too.
        let (indent, value) = if written.lines().count() > 1 && !quoted {
            let line = written.split_inclusive('\n').find(|line| line.trim() == edit.from)?;
            (line.as_ptr().addr() - written.as_ptr().addr(), line)
        } else {
            (0, written)
        };
        if let Some(found) = value.find(&edit.from) {
            let start = span.start + indent + found;
            return Some((start..start + edit.from.len(), edit.to.clone()));
        }
        // The value has escapes; the name of an image needs none.
        quoted.then(|| (span, format!("\"{}\"", edit.to)))
    }
}

/// Rejects a result that differs from the original in anything except the fields of `edits`.
fn check_result(before: Vec<Document>, after: &str, edits: &[Edit]) -> Result<(), Refused> {
    let after = documents::read(after).map_err(Refused::Unreadable)?;
    let mut expected: Vec<Value> = before.into_iter().map(|document| document.value).collect();
    for edit in edits {
        if let Some(field) = expected.get_mut(edit.document).and_then(|value| field(value, &edit.pointer)) {
            *field = Value::String(edit.to.clone());
        }
    }
    for (index, expected) in expected.iter().enumerate() {
        let written = after.get(index).map_or(&Value::Null, |document| &document.value);
        if let Some(other) = difference(expected, written) {
            // Two fields only share a value through an anchor.
            let edit = edits.iter().find(|edit| edit.document == index);
            return Err(edit.map_or_else(
                || Refused::Unreadable(DocumentError::new(index + 1, "cannot parse the result")),
                |edit| shared_field(edit, other),
            ));
        }
    }
    Ok(())
}

fn shared_field(edit: &Edit, other: String) -> Refused {
    Refused::Shared { document: edit.document + 1, field: edit.field.clone(), other }
}

fn field<'v>(value: &'v mut Value, pointer: &[String]) -> Option<&'v mut Value> {
    pointer.iter().try_fold(value, |value, token| match value {
        Value::Array(elements) => elements.get_mut(token.parse::<usize>().ok()?),
        Value::Object(members) => members.get_mut(token),
        _ => None,
    })
}

/// The first difference of two values, as a path: `spec.containers[0].image`.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let (inner, range) = match (one, other) {
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(index, (one, other))| Some((difference(one, other)?, format!("[{index}]"))))?
        }
        (Value::Object(one), Value::Object(other)) if one.len() == other.len() => {
            one.iter().find_map(|(key, one)| {
                let inner =
                    other.get(key).map_or_else(|| Some(String::new()), |other| difference(one, other));
                Some((inner?, format!(".{key}")))
            })?
        }
        _ => return (one != other).then(String::new),
    };
    Some(range + &inner)
}

/// Concatenates texts of one format so that kubectl reads the documents of all of them. A single text is unchanged.
pub fn join(texts: Vec<String>, format: Format) -> String {
    texts.into_iter().reduce(|joined, text| append(joined, &text, format)).unwrap_or_default()
}

fn append(mut joined: String, text: &str, format: Format) -> String {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if !joined.is_empty() && !joined.ends_with('\n') {
        joined.push('\n');
    }
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    match (format, lines.next()) {
        // A directive is only allowed after the end of a document.
        (Format::Yaml, Some(line)) if line.starts_with('%') => joined.push_str("...\n"),
        (Format::Yaml, Some(line)) if !line.starts_with("---") => joined.push_str("---\n"),
        _ => {}
    }
    joined + text
}

#[cfg(test)]
mod generated_tests;
#[cfg(test)]
mod tests;
