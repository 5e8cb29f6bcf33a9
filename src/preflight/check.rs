//! The check model: what a check is, what it can find, and what a finding says.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// A check as data. Its code is stable for ever: a retired code is never used again.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Such as `CPL210`.
    pub code: &'static str,
    /// What is true when the check passes.
    pub title: &'static str,
    pub category: Category,
    /// How bad it is when the title is not true.
    pub severity: Severity,
    /// Codes that must have passed before this check makes sense.
    pub requires: &'static [&'static str],
    pub place: Place,
    /// Rights that looking needs, as Kubernetes or IAM name them.
    pub permissions: &'static [&'static str],
    /// Why it matters, for a person who meets the code for the first time.
    pub explanation: &'static str,
    /// What to do in general when it fails; a finding's own remedies are more exact.
    pub remedy: &'static str,
}

/// What a check is about. Codes are numbered by it: 1xx, 2xx, 3xx; 4xx is kept for AWS' configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Category {
    Cluster,
    Endpoints,
    #[serde(rename = "ECR")]
    Ecr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Severity {
    /// Cast AI does not work: a failure is a `Fail`.
    Error,
    /// Something that is or may become a problem: a failure is a `Warn`.
    Warning,
}

/// Where a check looks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Place {
    KubernetesApi,
    AwsApi,
    /// The machine that runs this program.
    Here,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KubernetesApi => "Kubernetes API",
            Self::AwsApi => "AWS API",
            Self::Here => "here",
        })
    }
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub kind: SubjectKind,
    pub name: String,
    /// Components or purposes that need it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub needed_by: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SubjectKind {
    Cluster,
    Machine,
    Workload,
    Region,
    /// A Cast AI endpoint service without a known host.
    Service,
    /// A host, with its port where that is not 443.
    Host,
    /// An AWS account's ECR.
    Registry,
}

impl SubjectKind {
    /// Several of them, in words.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Cluster => "clusters",
            Self::Machine => "machines",
            Self::Workload => "workloads",
            Self::Region => "regions",
            Self::Service => "services",
            Self::Host => "hosts",
            Self::Registry => "registries",
        }
    }
}

impl Subject {
    pub fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), needed_by: BTreeSet::new() }
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Warn,
    Fail,
    /// Not looked, because another check came first and did not pass.
    Skipped {
        because: &'static str,
    },
    /// Could not look: no permission, no route to an API, or the wrong place.
    Unknown {
        why: String,
    },
}

impl Outcome {
    /// Whether checks that require this one may run.
    pub const fn lets_others_run(&self) -> bool {
        matches!(self, Self::Pass | Self::Warn)
    }
}

/// Something to do about a finding, and the command that does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Remedy {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None }
    }

    pub fn command(text: impl Into<String>, command: impl Into<String>) -> Self {
        Self { text: text.into(), command: Some(command.into()) }
    }
}

/// What a probe's facts mean, before the check's severity is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub outcome: Outcome,
    pub observed: String,
    pub expected: String,
    pub evidence: Value,
    pub remedies: Vec<Remedy>,
}

impl Judgement {
    pub fn pass(observed: impl Into<String>) -> Self {
        Self::with(Outcome::Pass, observed)
    }

    pub fn warn(observed: impl Into<String>) -> Self {
        Self::with(Outcome::Warn, observed)
    }

    pub fn fail(observed: impl Into<String>) -> Self {
        Self::with(Outcome::Fail, observed)
    }

    pub fn unknown(why: impl Into<String>) -> Self {
        Self::with(Outcome::Unknown { why: why.into() }, "")
    }

    fn with(outcome: Outcome, observed: impl Into<String>) -> Self {
        Self {
            outcome,
            observed: observed.into(),
            expected: String::new(),
            evidence: Value::Null,
            remedies: Vec::new(),
        }
    }

    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    #[must_use]
    pub fn evidence(mut self, evidence: Value) -> Self {
        self.evidence = evidence;
        self
    }

    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }
}

/// What a check found out about a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub check: &'static Check,
    /// The check's, or lower where nothing in this cluster is known to use the subject.
    pub severity: Severity,
    pub subject: Subject,
    pub place: Place,
    pub outcome: Outcome,
    pub observed: String,
    pub expected: String,
    /// Structured facts behind the sentence; `Null` where there are none.
    pub evidence: Value,
    pub remedies: Vec<Remedy>,
    pub elapsed: Duration,
}

impl Finding {
    /// A judgement as a finding. What fails with severity `Warning` is a warning.
    pub fn new(
        check: &'static Check,
        severity: Severity,
        subject: Subject,
        judgement: Judgement,
        elapsed: Duration,
    ) -> Self {
        let outcome = match (judgement.outcome, severity) {
            (Outcome::Fail, Severity::Warning) => Outcome::Warn,
            (outcome, _) => outcome,
        };
        let mut remedies = judgement.remedies;
        if remedies.is_empty() && matches!(outcome, Outcome::Warn | Outcome::Fail) {
            remedies.push(Remedy::text(check.remedy));
        }
        Self {
            check,
            severity,
            subject,
            place: check.place,
            outcome,
            observed: judgement.observed,
            expected: judgement.expected,
            evidence: judgement.evidence,
            remedies,
            elapsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks;

    #[test]
    fn a_failure_is_as_bad_as_its_severity() {
        let find = |severity, judgement| {
            let subject = Subject::new(SubjectKind::Host, "api.cast.ai");
            Finding::new(checks::check("CPL210"), severity, subject, judgement, Duration::ZERO)
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
        assert_eq!(find(Severity::Error, Judgement::fail("x")).remedies.len(), 1);
        assert!(find(Severity::Error, Judgement::pass("x")).remedies.is_empty());
    }
}
