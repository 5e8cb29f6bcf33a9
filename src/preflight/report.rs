//! The report: findings in the order of the checks, their counts, the exit code, and the JSON format.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::check::{Category, Severity, Source};
use super::checks;
use super::finding::Finding;
use super::judgement::{Fix, Outcome};
use super::selection::Selection;
use super::subject::{Subject, VantagePoint};
use crate::model::inventory::API_VERSION;

/// The result of preflight.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub created: Timestamp,
    /// The cluster's name, from the kubeconfig's context.
    pub cluster: Option<String>,
    pub region: Option<String>,
    /// Whether checks were excluded, so that the report is partial.
    pub narrowed: bool,
    /// In the order of the checks; findings of one check are ordered by subject.
    pub findings: Vec<Finding>,
}

/// The mildest result that leads to exit code 1. Each includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailOn {
    #[default]
    Fail,
    Warn,
    /// Also unknown and skipped: only a pass is good enough.
    Unknown,
}

/// The number of findings by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub pass: usize,
    pub warn: usize,
    pub fail: usize,
    pub skipped: usize,
    pub unknown: usize,
}

impl Report {
    /// Sorts findings in the order of the checks. The order within a check is preserved.
    pub fn new(cluster: Option<String>, region: Option<String>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| checks::position(finding.check.code));
        Self { created: Timestamp::now(), cluster, region, narrowed: false, findings }
    }

    /// Keeps only the findings of the selected checks.
    #[must_use]
    pub fn narrowed(mut self, selection: &Selection) -> Self {
        self.findings.retain(|finding| selection.includes(finding.check.code));
        self.narrowed |= !selection.is_whole();
        self
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            match finding.outcome {
                Outcome::Pass => counts.pass += 1,
                Outcome::Warn => counts.warn += 1,
                Outcome::Fail => counts.fail += 1,
                Outcome::Skipped { .. } => counts.skipped += 1,
                Outcome::Unknown { .. } => counts.unknown += 1,
            }
        }
        counts
    }

    /// Whether the exit code is 1.
    pub fn needs_attention(&self, fail_on: FailOn) -> bool {
        self.findings.iter().any(|finding| match finding.outcome {
            Outcome::Pass => false,
            Outcome::Fail => true,
            Outcome::Warn => fail_on >= FailOn::Warn,
            Outcome::Skipped { .. } | Outcome::Unknown { .. } => fail_on >= FailOn::Unknown,
        })
    }

    /// The document for machines. Within one `apiVersion`, fields are only added.
    pub fn document(&self) -> Document<'_> {
        Document {
            api_version: API_VERSION,
            kind: "PreflightReport",
            created: self.created,
            cluster: self.cluster.as_deref(),
            region: self.region.as_deref(),
            counts: self.counts(),
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
    counts: Counts,
    findings: Vec<FindingDocument<'a>>,
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
    vantage_point: SeenThrough,
    #[cfg_attr(test, schemars(extend("enum" = ["Pass", "Warn", "Fail", "Skipped", "Unknown"])))]
    result: &'static str,
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
    milliseconds: u64,
}

/// The source of a finding.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "camelCase")]
enum SeenThrough {
    KubernetesApi,
    AwsApi,
    Here,
}

impl SeenThrough {
    const fn new(finding: &Finding) -> Self {
        match (finding.check.source, finding.vantage_point) {
            (Source::KubernetesApi, _) => Self::KubernetesApi,
            (Source::AwsApi, _) => Self::AwsApi,
            (Source::VantagePoint, VantagePoint::Here) => Self::Here,
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
            reason: finding.outcome.reason(),
            blocked_by,
            observed: &finding.observed,
            expected: &finding.expected,
            evidence: &finding.evidence,
            fixes: &finding.fixes,
            milliseconds: finding.milliseconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::judgement::Judgement;
    use crate::preflight::subject::SubjectKind;
    use crate::schema_tests::assert_valid;

    fn finding(code: &str, subject: &str, judgement: Judgement) -> Finding {
        let check = checks::find(code).unwrap();
        let subject = Subject::new(SubjectKind::Host, subject);
        Finding::new(check, check.severity, subject, VantagePoint::Here, judgement.took(7))
    }

    fn report(findings: Vec<Finding>) -> Report {
        Report::new(Some("prod".to_owned()), Some("us-east-1".to_owned()), findings)
    }

    #[test]
    fn findings_are_sorted_in_the_order_of_the_checks() {
        let report = report(vec![
            finding("CPL303", "x", Judgement::pass("")),
            finding("CPL210", "b", Judgement::pass("")),
            finding("CPL101", "x", Judgement::pass("")),
            finding("CPL210", "a", Judgement::pass("")),
        ]);
        let order: Vec<_> = report
            .findings
            .iter()
            .map(|finding| (finding.check.code, finding.subject.name.as_str()))
            .collect();
        assert_eq!(order, [("CPL101", "x"), ("CPL210", "b"), ("CPL210", "a"), ("CPL303", "x")]);
    }

    #[test]
    fn the_exit_code_follows_fail_on() {
        use FailOn::{Fail, Unknown, Warn};
        let skipped = Judgement::skipped("CPL210");
        let cases = [
            (Judgement::pass(""), [false, false, false]),
            (Judgement::fail(""), [true, true, true]),
            (Judgement::warn(""), [false, true, true]),
            (Judgement::unknown("no route"), [false, false, true]),
            (skipped, [false, false, true]),
        ];
        for (judgement, expected) in cases {
            let report = report(vec![finding("CPL210", "x", judgement.clone())]);
            let seen = [Fail, Warn, Unknown].map(|fail_on| report.needs_attention(fail_on));
            assert_eq!(seen, expected, "{judgement:?}");
        }
    }

    #[test]
    fn the_json_shape_is_frozen() {
        let report = report(vec![finding(
            "CPL211",
            "api.cast.ai",
            Judgement::fail("104.16.81.56 is public")
                .expected("private addresses")
                .fix(Fix::command("enable private DNS", "aws ec2 …")),
        )]);
        let mut json = serde_json::to_value(report.document()).unwrap();
        assert_valid(&json);
        json["created"] = Value::Null;
        assert_eq!(
            json,
            serde_json::json!({
                "apiVersion": "privatelink.cast.ai/v1alpha1",
                "kind": "PreflightReport",
                "created": null,
                "cluster": "prod",
                "region": "us-east-1",
                "counts": {"pass": 0, "warn": 0, "fail": 1, "skipped": 0, "unknown": 0},
                "findings": [{
                    "code": "CPL211",
                    "title": "the host resolves to private addresses only",
                    "category": "Endpoints",
                    "severity": "Error",
                    "subject": {"kind": "Host", "name": "api.cast.ai"},
                    "vantagePoint": {"type": "here"},
                    "result": "Fail",
                    "observed": "104.16.81.56 is public",
                    "expected": "private addresses",
                    "fixes": [{"text": "enable private DNS", "command": "aws ec2 …"}],
                    "milliseconds": 7,
                }],
            })
        );
    }
}
