//! Our changes, recorded on the workload itself, so that a rollback needs no database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::image::Image;
use crate::model::image_field::ImageField;

/// An annotation of the workload itself; an annotation of its pod template would cause another rollout.
pub const ANNOTATION: &str = "privatelink.cast.ai/images";

/// One rewritten image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Record {
    /// The original value; `None` if the field did not exist, so that the whole entry is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The value that we set.
    pub to: String,
}

/// Records by image field, kept as raw values: records of a later version, with fields or forms that are unknown here,
/// must be preserved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Records(BTreeMap<String, Value>);

impl Records {
    /// The records in `annotations`; empty if the value does not have our format.
    pub fn read(annotations: &BTreeMap<String, String>) -> Self {
        annotations.get(ANNOTATION).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Whether [`Records::read`] can read all of the annotation.
    pub fn are_readable(annotations: &BTreeMap<String, String>) -> bool {
        annotations.get(ANNOTATION).is_none_or(|text| serde_json::from_str::<Self>(text).is_ok())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, image_field: &ImageField) -> Option<Record> {
        Record::deserialize(self.0.get(&image_field.to_string())?).ok()
    }

    /// Every record that this version can parse, sorted by image field as text.
    pub fn all(&self) -> impl Iterator<Item = (ImageField, Record)> {
        self.0.iter().filter_map(|(image_field, record)| {
            Some((image_field.parse().ok()?, Record::deserialize(record).ok()?))
        })
    }

    /// The record of `image_field` if it still matches the current image.
    pub fn current(&self, image_field: &ImageField, written: &str) -> Option<Record> {
        self.get(image_field).filter(|record| record.to == written)
    }

    /// Whether we added the value of `image_field`, which did not exist before.
    pub fn added(&self, image_field: &ImageField, written: &str) -> bool {
        self.current(image_field, written).is_some_and(|record| record.from.is_none())
    }

    /// The recorded original of `written` at `image_field`. A record also maps one repository to another: if `written`
    /// is another version in the recorded private repository, its source is that version in the public one.
    pub fn source(&self, image_field: &ImageField, written: &str) -> Option<Image> {
        let record = self.get(image_field)?;
        let from: Image = record.from?.parse().ok()?;
        if record.to == written {
            return Some(from);
        }
        let (to, written): (Image, Image) = (record.to.parse().ok()?, written.parse().ok()?);
        let is_paired = (to.host(), to.path()) == (written.host(), written.path());
        is_paired.then(|| written.with_repository(from.repository()).ok())?
    }

    /// Sets or removes the record of `image_field`.
    pub fn set(&mut self, image_field: &ImageField, record: Option<Record>) {
        match record {
            Some(record) => self.0.insert(image_field.to_string(), serde_json::json!(record)),
            None => self.0.remove(&image_field.to_string()),
        };
    }

    /// The annotation's value; `None` if there is nothing to record.
    pub fn to_annotation(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| serde_json::json!(self).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(value: &Value) -> Records {
        Records::read(&BTreeMap::from([(ANNOTATION.to_owned(), value.to_string())]))
    }

    #[test]
    fn a_record_maps_repositories_for_every_version() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let by_digest = (format!("e.example/flat@{digest}"), format!("ghcr.io/castai/x@{digest}"));
        let cases = [
            ("e.example/flat:v1", Some("ghcr.io/castai/x:v1")),
            ("e.example/flat:v9", Some("ghcr.io/castai/x:v9")),
            (by_digest.0.as_str(), Some(by_digest.1.as_str())),
            ("e.example/flatter:v1", None),
            ("other.example/flat:v1", None),
            ("ghcr.io/castai/x:v1", None),
            ("NOT AN IMAGE", None),
        ];
        let records = records(
            &serde_json::json!({"container/x": {"from": "ghcr.io/castai/x:v1", "to": "e.example/flat:v1"}}),
        );
        for (written, expected) in cases {
            let source = records.source(&ImageField::of_container("x"), written);
            assert_eq!(source.as_ref().map(Image::as_written), expected, "{written}");
            assert_eq!(records.source(&ImageField::of_container("y"), written), None, "{written}");
        }
    }

    #[test]
    fn unknown_records_are_preserved_and_do_not_hide_the_others() {
        let mut records = records(&serde_json::json!({
            "container/x": {"from": "a:1", "to": "b:1", "since": "later"},
            "volume/y": ["another", "form"],
        }));
        let (x, z) = (ImageField::of_container("x"), ImageField::of_container("z"));
        assert_eq!(records.get(&x), Some(Record { from: Some("a:1".to_owned()), to: "b:1".to_owned() }));
        records.set(&z, Some(Record { from: None, to: "d:1".to_owned() }));
        let annotation: Value = serde_json::from_str(&records.to_annotation().unwrap()).unwrap();
        assert_eq!(annotation["volume/y"], serde_json::json!(["another", "form"]));
        assert_eq!(annotation["container/x"]["since"], "later");
        assert_eq!(annotation["container/z"], serde_json::json!({"to": "d:1"}));
        assert!(records.added(&z, "d:1") && !records.added(&z, "d:2") && !records.added(&x, "b:1"));
        assert_eq!(records.source(&z, "d:1"), None);
    }
}
