//! The report: findings in the order of the checks, their counts, and the exit code.

mod document;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

pub use self::document::Document;
use super::checks;
use super::finding::Finding;
use super::ignore::Ignore;
use super::judgement::Outcome;
use super::selection::Selection;
use super::settings::Settings;
use super::subject::VantagePoint;
use crate::error::CommandError;

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
}

#[cfg(test)]
mod incomplete_tests;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::preflight::check::Severity;
    use crate::preflight::checks::testing::reported;
    use crate::preflight::judgement::{Fix, Judgement};
    use crate::preflight::subject::{Subject, SubjectKind};
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
