//! The result of a check for a subject.

use serde::Serialize;
use serde_json::Value;

use super::check::{Check, FactSource, Judge, Severity, Step};
use super::judgement::{Fix, Judgement, Outcome, Symptom};
use super::subject::{Subject, VantagePoint};

/// The result of a check for a subject, from one vantage point.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub check: &'static Check,
    /// The check's severity, or lower if nothing in this cluster is known to use the subject.
    pub severity: Severity,
    pub subject: Subject,
    pub vantage_point: VantagePoint,
    pub outcome: Outcome,
    pub observed: String,
    pub expected: String,
    /// Structured facts behind the sentence; `Null` if there are none.
    pub evidence: Value,
    pub fixes: Vec<Fix>,
    pub symptom: Option<Symptom>,
    /// The finding that explains this one.
    pub caused_by: Option<CausedBy>,
    /// How long gathering the facts took.
    pub milliseconds: u64,
    /// Whether the user ignores it: it does not count.
    pub ignored: bool,
}

/// A finding, by its code and the name of its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CausedBy {
    pub code: &'static str,
    pub subject: String,
}

impl Finding {
    /// Converts a judgement to a finding. A failure of a check with severity `Warning` is a warning.
    pub fn new(
        check: &'static Check,
        severity: Severity,
        subject: Subject,
        vantage_point: VantagePoint,
        judgement: Judgement,
    ) -> Self {
        let outcome = match (judgement.outcome, severity) {
            (Outcome::Fail, Severity::Warning) => Outcome::Warn,
            (outcome, _) => outcome,
        };
        let mut fixes = judgement.fixes;
        if fixes.is_empty() && matches!(outcome, Outcome::Warn | Outcome::Fail) {
            fixes.push(Fix::text(check.remediation));
        }
        Self {
            check,
            severity,
            subject,
            vantage_point,
            outcome,
            observed: judgement.observed,
            expected: judgement.expected,
            evidence: judgement.evidence,
            fixes,
            symptom: judgement.symptom,
            caused_by: None,
            milliseconds: judgement.milliseconds,
            ignored: false,
        }
    }

    /// The step of a host's check chain, if it is about one.
    pub const fn step(&self) -> Option<Step> {
        match self.check.judge {
            Judge::Network { step, .. } => Some(step),
            _ => None,
        }
    }

    /// Whether nothing in this cluster is known to use the subject.
    pub fn is_optional(&self) -> bool {
        self.severity == Severity::Warning && self.check.severity == Severity::Error
    }

    /// Whether it is reported as a problem of its own.
    pub const fn is_problem(&self) -> bool {
        self.outcome.is_problem() && !self.ignored
    }

    /// The result in tables and counts.
    pub const fn result(&self) -> &'static str {
        if self.ignored { "Ignored" } else { self.outcome.name() }
    }

    /// How urgent it is; the greatest is the worst.
    pub const fn urgency(&self) -> u8 {
        if self.ignored { 1 } else { self.outcome.urgency() }
    }

    /// Whether it makes the exit code 1: it failed, or it was asked for and could not be looked at.
    pub fn needs_attention(&self) -> bool {
        match self.outcome {
            _ if self.ignored => false,
            Outcome::Pass | Outcome::Warn | Outcome::NotWanted { .. } => false,
            Outcome::Fail | Outcome::Unknown { .. } => true,
            // Its cause may not be among the selected checks.
            Outcome::Skipped { .. } => self.severity == Severity::Error,
        }
    }

    /// The source of the facts: an API, or the network from the vantage point.
    pub fn source(&self) -> String {
        match self.check.source {
            FactSource::KubernetesApi => "Kubernetes API".to_owned(),
            FactSource::AwsApi => "AWS API".to_owned(),
            FactSource::VantagePoint => self.vantage_point.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks;
    use crate::preflight::subject::SubjectKind;

    #[test]
    fn a_failure_is_reported_with_its_severity() {
        let find = |severity, judgement| {
            let subject = Subject::new(SubjectKind::Host, "api.cast.ai");
            let check = checks::find("CPL210").unwrap();
            Finding::new(check, severity, subject, VantagePoint::Here, judgement)
        };
        let cases = [
            (Severity::Error, Judgement::fail("x"), Outcome::Fail),
            (Severity::Warning, Judgement::fail("x"), Outcome::Warn),
            (Severity::Error, Judgement::warn("x"), Outcome::Warn),
            (Severity::Warning, Judgement::pass("x"), Outcome::Pass),
        ];
        for (severity, judgement, expected) in cases {
            assert_eq!(find(severity, judgement).outcome, expected);
        }
        assert_eq!(find(Severity::Error, Judgement::fail("x")).fixes.len(), 1);
        assert!(find(Severity::Error, Judgement::pass("x")).fixes.is_empty());
    }
}
