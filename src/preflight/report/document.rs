//! A report as a document.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Counts, Report};
use crate::error::CommandError;
use crate::model::inventory::API_VERSION;
use crate::preflight::causes::{Cause, causes};
use crate::preflight::check::{Category, FactSource, Severity};
use crate::preflight::finding::{CausedBy, Finding};
use crate::preflight::judgement::{Fix, Outcome};
use crate::preflight::subject::{PodLocation, Subject, VantagePoint};

impl Report {
    /// The document for machines. Within one `apiVersion`, fields are only added.
    pub fn document(&self) -> Document<'_> {
        Document {
            api_version: API_VERSION,
            kind: "PreflightReport",
            created: self.created,
            cluster: self.cluster.as_deref(),
            region: self.region.as_deref(),
            error: self.error.as_ref().map(ErrorDocument::new),
            counts: self.counts(),
            not_checked: causes(&self.findings).iter().filter_map(NotChecked::new).collect(),
            not_covered: &self.not_covered,
            unmatched_ignores: &self.unmatched_ignores,
            findings: self.findings.iter().map(FindingDocument::new).collect(),
        }
    }
}

/// A report as JSON or YAML.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    created: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    /// Why the run stopped, or could not read the cluster: the exit code is 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDocument<'a>>,
    counts: Counts,
    /// What was asked for and could not be looked at, by cause.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_checked: Vec<NotChecked<'a>>,
    /// What no check of this version looks at.
    not_covered: &'a [String],
    /// Values of `--ignore` that match no problem.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unmatched_ignores: &'a [String],
    findings: Vec<FindingDocument<'a>>,
}

/// An error that ended a command.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Error"))]
struct ErrorDocument<'a> {
    message: &'a str,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl<'a> ErrorDocument<'a> {
    fn new(error: &'a CommandError) -> Self {
        let message = error.message.strip_prefix("error: ").unwrap_or(&error.message);
        Self { message, hint: error.hint.as_deref() }
    }
}

/// Checks that could not run, with their cause.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "NotChecked"))]
#[serde(rename_all = "camelCase")]
struct NotChecked<'a> {
    codes: Vec<&'static str>,
    subjects: Vec<&'a str>,
    cause: String,
}

impl<'a> NotChecked<'a> {
    fn new(cause: &Cause<'a>) -> Option<Self> {
        let Outcome::Unknown { why } = &cause.first.outcome else { return None };
        Some(Self { codes: cause.codes(), subjects: cause.subjects(), cause: why.clone() })
    }
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Finding"))]
#[serde(rename_all = "camelCase")]
struct FindingDocument<'a> {
    code: &'static str,
    title: &'static str,
    category: Category,
    severity: Severity,
    subject: &'a Subject,
    vantage_point: SeenThrough<'a>,
    #[cfg_attr(test, schemars(extend("enum" = ["Pass", "Warn", "Fail", "Skipped", "Unknown"])))]
    result: &'static str,
    /// Whether the user ignores it, so that it does not count.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ignored: bool,
    /// Why it was skipped or is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The check that did not pass, if this one was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_by: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    observed: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    expected: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    evidence: &'a Value,
    #[serde(skip_serializing_if = "<[Fix]>::is_empty")]
    fixes: &'a [Fix],
    /// The finding that explains this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    caused_by: Option<&'a CausedBy>,
    milliseconds: u64,
}

/// The source of a finding.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "camelCase")]
enum SeenThrough<'a> {
    KubernetesApi,
    AwsApi,
    Here,
    Pod(&'a PodLocation),
}

impl<'a> SeenThrough<'a> {
    fn new(finding: &'a Finding) -> Self {
        match (finding.check.source, &finding.vantage_point) {
            (FactSource::KubernetesApi, _) => Self::KubernetesApi,
            (FactSource::AwsApi, _) => Self::AwsApi,
            (FactSource::VantagePoint, VantagePoint::Here) => Self::Here,
            (FactSource::VantagePoint, VantagePoint::Pod(location)) => Self::Pod(location),
        }
    }
}

impl<'a> FindingDocument<'a> {
    fn new(finding: &'a Finding) -> Self {
        let blocked_by = match finding.outcome {
            Outcome::Skipped { blocked_by } => Some(blocked_by),
            _ => None,
        };
        Self {
            code: finding.check.code,
            title: finding.check.title,
            category: finding.check.category,
            severity: finding.severity,
            subject: &finding.subject,
            vantage_point: SeenThrough::new(finding),
            result: finding.outcome.name(),
            ignored: finding.ignored,
            reason: finding.outcome.reason(),
            blocked_by,
            observed: &finding.observed,
            expected: &finding.expected,
            evidence: &finding.evidence,
            fixes: &finding.fixes,
            caused_by: finding.caused_by.as_ref(),
            milliseconds: finding.milliseconds,
        }
    }
}
