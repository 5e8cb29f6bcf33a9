//! The checks as a document: what each is about, for readers without a cluster.

use serde::Serialize;

use super::check::{Category, Check, Severity};
use super::checks::CHECKS;
use crate::model::inventory::API_VERSION;

/// Every check, in the order of the report.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckList {
    api_version: &'static str,
    kind: &'static str,
    pub items: Vec<CheckDescription>,
}

/// A check, as its page describes it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckDescription {
    pub code: &'static str,
    pub title: &'static str,
    pub category: Category,
    pub severity: Severity,
    /// Where the facts come from.
    pub checked_through: &'static str,
    /// Codes of checks that must have passed.
    pub requires: Vec<&'static str>,
    /// Codes of checks that require it.
    pub required_by: Vec<&'static str>,
    /// What network checks see if it fails.
    pub explains: Vec<&'static str>,
    pub permissions: &'static [&'static str],
    pub explanation: &'static str,
    /// The general fix; a finding has more specific ones.
    pub fix: &'static str,
}

impl CheckList {
    pub fn all() -> Self {
        Self {
            api_version: API_VERSION,
            kind: "CheckList",
            items: CHECKS.iter().copied().map(CheckDescription::new).collect(),
        }
    }
}

impl CheckDescription {
    pub fn new(check: &'static Check) -> Self {
        let requires = |one: &Check| one.requires.iter().map(|required| required.code()).collect::<Vec<_>>();
        let dependents = CHECKS.iter().filter(|other| requires(other).contains(&check.code));
        Self {
            code: check.code,
            title: check.title,
            category: check.category,
            severity: check.severity,
            checked_through: check.source.in_words(),
            requires: requires(check),
            required_by: dependents.map(|other| other.code).collect(),
            explains: check.explains.iter().map(|symptom| symptom.in_words()).collect(),
            permissions: check.permissions,
            explanation: check.explanation,
            fix: check.remediation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema_tests::assert_valid;

    #[test]
    fn the_document_has_every_check_with_its_edges() {
        let json = serde_json::to_value(CheckList::all()).unwrap();
        assert_valid(&json);
        assert_eq!(json["items"].as_array().unwrap().len(), CHECKS.len());
        let private = &json["items"][8];
        assert_eq!(private["code"], "CPL211");
        assert_eq!(private["requires"], serde_json::json!(["CPL210"]));
        assert_eq!(private["requiredBy"], serde_json::json!(["CPL212", "CPL220"]));
    }
}
