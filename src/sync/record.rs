//! What we changed, recorded on the workload itself, so that it can be put back without any database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::sync::inventory::Carrier;

/// The annotation on a workload's own metadata; on its pod template it would cause one more rollout.
pub const ANNOTATION: &str = "privatelink.cast.ai/images";

/// One rewritten image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What stood there before we came.
    pub from: String,
    /// What we put there.
    pub to: String,
}

/// Records by carrier as text, since a later version may know carriers that this one does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Records(BTreeMap<String, Record>);

impl Records {
    /// The records among `annotations`. A value that is not ours in form holds none.
    pub fn read(annotations: &BTreeMap<String, String>) -> Self {
        annotations.get(ANNOTATION).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    pub fn get(&self, carrier: &Carrier) -> Option<&Record> {
        self.0.get(&carrier.to_string())
    }

    /// The record of `carrier` if what it says is still true of the image that stands there.
    pub fn current(&self, carrier: &Carrier, written: &str) -> Option<&Record> {
        self.get(carrier).filter(|record| record.to == written)
    }

    /// What stood at `carrier` before `written`, if that is on record.
    pub fn source(&self, carrier: &Carrier, written: &str) -> Option<Image> {
        self.current(carrier, written)?.from.parse().ok()
    }

    /// Sets or removes the record of `carrier`.
    pub fn set(&mut self, carrier: &Carrier, record: Option<Record>) {
        match record {
            Some(record) => self.0.insert(carrier.to_string(), record),
            None => self.0.remove(&carrier.to_string()),
        };
    }

    /// The annotation's value; none where there is nothing to record.
    pub fn to_annotation(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| serde_json::json!(self).to_string())
    }
}
