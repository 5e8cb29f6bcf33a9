//! The report: findings in the order of the checks, their counts, the exit code, and the JSON format.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::causes::{Cause, causes};
use super::check::{Category, FactSource, Severity};
use super::checks;
use super::finding::{CausedBy, Finding};
use super::ignore::Ignore;
use super::judgement::{Fix, Outcome};
use super::selection::Selection;
use super::settings::Settings;
use super::subject::{PodLocation, Subject, VantagePoint};
use crate::error::CommandError;
use crate::model::inventory::API_VERSION;

/// The result of preflight.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub created: Timestamp,
    /// The cluster's name, from the kubeconfig's context.
    pub cluster: Option<String>,
    pub region: Option<String>,
    /// Whether checks were not selected, so that the report is partial.
    pub narrowed: bool,
    /// What no check looks at.
    pub not_covered: Vec<String>,
    /// Values of `--ignore` that match no problem.
    pub unmatched_ignores: Vec<String>,
    /// Whether the time was over before everything was checked.
    pub timed_out: bool,
    /// Why the run stopped, or could not read the cluster.
    pub error: Option<CommandError>,
    /// In the order of the checks; findings of one check are ordered by subject.
    pub findings: Vec<Finding>,
}

/// Whether it is a fact about a host.
const fn is_seen(finding: &Finding) -> bool {
    finding.step().is_some() && matches!(finding.outcome, Outcome::Pass | Outcome::Warn | Outcome::Fail)
}

/// Where hosts were looked at from: `this machine and 4 pods on 2 nodes`.
pub fn seen_from(findings: &[Finding]) -> String {
    let probed = findings.iter().filter(|finding| is_seen(finding));
    let vantage_points: BTreeSet<&VantagePoint> = probed.map(|finding| &finding.vantage_point).collect();
    let pods = vantage_points.iter().filter_map(|vantage_point| match vantage_point {
        VantagePoint::Here => None,
        VantagePoint::Pod(location) => Some(location.node.as_str()),
    });
    let nodes: BTreeSet<&str> = pods.clone().collect();
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let pods = format!("{} on {}", count(pods.count(), "pod"), count(nodes.len(), "node"));
    match (vantage_points.contains(&VantagePoint::Here), nodes.is_empty()) {
        (true, false) => format!("this machine and {pods}"),
        (false, false) => pods,
        (_, true) => "this machine".to_owned(),
    }
}

/// The number of findings by result. An ignored finding is only counted as ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub pass: usize,
    pub warn: usize,
    pub fail: usize,
    pub skipped: usize,
    pub unknown: usize,
    pub ignored: usize,
}

impl Report {
    /// Sorts findings in the order of the checks. The order within a check is preserved.
    pub fn new(cluster: Option<String>, region: Option<String>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| checks::position(finding.check.code));
        Self {
            created: Timestamp::now(),
            cluster,
            region,
            narrowed: false,
            not_covered: Vec::new(),
            unmatched_ignores: Vec::new(),
            timed_out: false,
            error: None,
            findings,
        }
    }

    /// The report of a run that could not start.
    pub fn stopped(error: CommandError) -> Self {
        Self { error: Some(error), ..Self::new(None, None, Vec::new()) }
    }

    /// Keeps only the findings of the selected checks, and records which ignores are of no use.
    #[must_use]
    pub(super) fn selected(self, settings: &Settings) -> Self {
        self.narrowed(&settings.selection).with_ignores(&settings.ignores)
    }

    #[must_use]
    fn narrowed(mut self, selection: &Selection) -> Self {
        self.findings.retain(|finding| selection.includes(finding.check.code));
        self.narrowed |= !selection.is_whole();
        self
    }

    /// Records which of the ignores matched no problem, so that they can be removed.
    #[must_use]
    fn with_ignores(mut self, ignores: &[Ignore]) -> Self {
        let is_unmatched = |ignore: &&Ignore| {
            let mut ignored = self.findings.iter().filter(|finding| finding.ignored);
            !ignored.any(|finding| ignore.covers(finding.check.code, &finding.subject.name))
        };
        self.unmatched_ignores = ignores.iter().filter(is_unmatched).map(ToString::to_string).collect();
        self
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            match finding.outcome {
                _ if finding.ignored => counts.ignored += 1,
                Outcome::Pass => counts.pass += 1,
                Outcome::Warn => counts.warn += 1,
                Outcome::Fail => counts.fail += 1,
                Outcome::Skipped { .. } | Outcome::NotWanted { .. } => counts.skipped += 1,
                Outcome::Unknown { .. } => counts.unknown += 1,
            }
        }
        counts
    }

    /// Whether the exit code is 1: something failed, or was asked for and not looked at.
    pub fn needs_attention(&self) -> bool {
        self.error.is_some()
            || self.has_judged_nothing()
            || self.findings.iter().any(Finding::needs_attention)
    }

    /// Whether no check was judged: none was selected that applies, or those were not wanted.
    pub fn has_judged_nothing(&self) -> bool {
        self.findings.iter().all(|finding| matches!(finding.outcome, Outcome::NotWanted { .. }))
    }

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

#[cfg(test)]
mod incomplete_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks::testing::reported;
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
    fn what_was_proven_says_from_where() {
        let seen = |here: bool, nodes: &[&str]| {
            let mut vantage_points = if here { vec![VantagePoint::Here] } else { Vec::new() };
            vantage_points.extend(nodes.iter().map(|node| VantagePoint::Pod(reported(node, 1).location)));
            let findings: Vec<_> = vantage_points
                .into_iter()
                .map(|vantage_point| Finding { vantage_point, ..finding("CPL210", "a", Judgement::pass("")) })
                .collect();
            seen_from(&findings)
        };
        assert_eq!(seen(true, &[]), "this machine");
        assert_eq!(seen(true, &["a", "b"]), "this machine and 2 pods on 2 nodes");
        assert_eq!(seen(false, &["a"]), "1 pod on 1 node");
    }

    #[test]
    fn everything_that_did_not_pass_and_is_needed_gives_exit_code_1() {
        let cases = [
            (Severity::Error, Judgement::pass(""), false),
            (Severity::Error, Judgement::fail(""), true),
            (Severity::Warning, Judgement::fail(""), false),
            (Severity::Error, Judgement::warn(""), false),
            (Severity::Error, Judgement::unknown("no route"), true),
            (Severity::Warning, Judgement::unknown("no route"), true),
            // With --only, the check that blocks it is not among the findings.
            (Severity::Error, Judgement::skipped("CPL210"), true),
            // A host that no component uses.
            (Severity::Warning, Judgement::skipped("CPL210"), false),
        ];
        for (severity, judgement, expected) in cases {
            let check = checks::find("CPL220").unwrap();
            let subject = Subject::new(SubjectKind::Host, "x");
            let finding = Finding::new(check, severity, subject, VantagePoint::Here, judgement.clone());
            assert_eq!(report(vec![finding]).needs_attention(), expected, "{severity:?} {judgement:?}");
        }
        assert!(report(Vec::new()).needs_attention(), "nothing was looked at");
        let not_wanted = || finding("CPL501", "x", Judgement::not_wanted("declined"));
        assert!(report(vec![not_wanted()]).needs_attention(), "nothing was looked at");
        let passed = finding("CPL210", "x", Judgement::pass(""));
        assert!(!report(vec![passed, not_wanted()]).needs_attention());
    }

    #[test]
    fn what_was_not_checked_is_in_the_document_by_cause() {
        let outside = || Judgement::unknown("outside").fix(Fix::text("run inside"));
        let findings = vec![
            finding("CPL210", "a", outside()),
            finding("CPL211", "a", outside()),
            finding("CPL210", "b", outside()),
        ];
        let json = serde_json::to_value(report(findings).document()).unwrap();
        assert_valid(&json);
        let expected = serde_json::json!([
            {"codes": ["CPL210", "CPL211"], "subjects": ["a", "b"], "cause": "outside"},
        ]);
        assert_eq!(json["notChecked"], expected);
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
                "counts": {"pass": 0, "warn": 0, "fail": 1, "skipped": 0, "unknown": 0, "ignored": 0},
                "notCovered": [],
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
