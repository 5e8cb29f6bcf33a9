//! What we changed, recorded on the workload itself, so that it can be put back without any database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::image::Image;
use crate::model::image_field::ImageField;

/// The annotation on a workload's own metadata; on its pod template it would cause one more rollout.
pub const ANNOTATION: &str = "privatelink.cast.ai/images";

/// One rewritten image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Record {
    /// What stood there before we came; absent where nothing did, so that the whole entry is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What we put there.
    pub to: String,
}

/// Records by image field as text, and as they stand: a later version may know image fields and forms that this one does not,
/// and must find them as it left them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Records(BTreeMap<String, Value>);

impl Records {
    /// The records among `annotations`. A value that is not ours in form holds none.
    pub fn read(annotations: &BTreeMap<String, String>) -> Self {
        annotations.get(ANNOTATION).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, image_field: &ImageField) -> Option<Record> {
        Record::deserialize(self.0.get(&image_field.to_string())?).ok()
    }

    /// Every record whose image field and form this version knows, in the order of their texts.
    pub fn all(&self) -> impl Iterator<Item = (ImageField, Record)> {
        self.0.iter().filter_map(|(image_field, record)| {
            Some((image_field.parse().ok()?, Record::deserialize(record).ok()?))
        })
    }

    /// The record of `image_field` if what it says is still true of the image that stands there.
    pub fn current(&self, image_field: &ImageField, written: &str) -> Option<Record> {
        self.get(image_field).filter(|record| record.to == written)
    }

    /// Whether what stands at `image_field` was added by us, where nothing stood before.
    pub fn added(&self, image_field: &ImageField, written: &str) -> bool {
        self.current(image_field, written).is_some_and(|record| record.from.is_none())
    }

    /// What stood at `image_field` before `written`, if that is on record. A record also pairs two repositories: of another
    /// version in the recorded one, the source is that version in the other.
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

    /// The annotation's value; none where there is nothing to record.
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
    fn a_record_pairs_repositories_for_every_version() {
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
            let source = records.source(&ImageField::Container("x".to_owned()), written);
            assert_eq!(source.as_ref().map(Image::as_written), expected, "{written}");
            assert_eq!(records.source(&ImageField::Container("y".to_owned()), written), None, "{written}");
        }
    }

    #[test]
    fn foreign_entries_stay_and_do_not_hide_the_others() {
        let mut records = records(&serde_json::json!({
            "container/x": {"from": "a:1", "to": "b:1", "since": "later"},
            "volume/y": ["another", "form"],
        }));
        let (x, z) = (ImageField::Container("x".to_owned()), ImageField::Container("z".to_owned()));
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
