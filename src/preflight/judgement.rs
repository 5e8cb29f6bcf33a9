//! Judgements of a subject's facts.

use serde::Serialize;
use serde_json::Value;

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Warn,
    Fail,
    /// Not judged, because a prerequisite did not pass.
    Skipped {
        blocked_by: &'static str,
    },
    /// Not judged, because the user did not want it, or because something else answers it.
    NotWanted {
        why: String,
    },
    /// Facts are missing: no permission, no route to an API, or the vantage point is outside the VPC.
    Unknown {
        why: String,
    },
}

impl Outcome {
    /// The name of the result in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Warn => "Warn",
            Self::Fail => "Fail",
            Self::Skipped { .. } | Self::NotWanted { .. } => "Skipped",
            Self::Unknown { .. } => "Unknown",
        }
    }

    /// How urgent it is; the greatest is the worst.
    pub const fn urgency(&self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Skipped { .. } | Self::NotWanted { .. } => 1,
            Self::Unknown { .. } => 2,
            Self::Warn => 3,
            Self::Fail => 4,
        }
    }

    /// Whether it is reported as a problem of its own. What was skipped is the consequence of one.
    pub const fn is_problem(&self) -> bool {
        !matches!(self, Self::Pass | Self::Skipped { .. } | Self::NotWanted { .. })
    }

    /// Why there is no observation, if there is none.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Skipped { blocked_by } => Some(format!("{blocked_by} did not pass")),
            Self::NotWanted { why } | Self::Unknown { why } => Some(why.clone()),
            Self::Pass | Self::Warn | Self::Fail => None,
        }
    }
}

/// What a network check saw, by which a check of AWS' configuration recognises its consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symptom {
    /// The name has no address.
    NoAddress,
    /// No DNS server responds.
    NoDnsServer,
    PublicAddress,
    /// Connections time out.
    NoResponse,
    /// The address refuses connections.
    Refused,
    /// Another server than the host's responds.
    OtherServer,
    /// The server has no valid certificate.
    Untrusted,
}

impl Symptom {
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NoAddress => "no address",
            Self::NoDnsServer => "no DNS server responds",
            Self::PublicAddress => "public address",
            Self::NoResponse => "connections time out",
            Self::Refused => "connections are refused",
            Self::OtherServer => "another server responds",
            Self::Untrusted => "no trusted certificate",
        }
    }
}

/// A fix for a finding, with its command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fix {
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Fix {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None }
    }

    pub fn command(text: impl Into<String>, command: impl Into<String>) -> Self {
        Self { text: text.into(), command: Some(command.into()) }
    }
}

/// The judgement of facts, before the check's severity is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub outcome: Outcome,
    pub observed: String,
    pub expected: String,
    pub evidence: Value,
    pub fixes: Vec<Fix>,
    pub symptom: Option<Symptom>,
    /// How long gathering the facts took.
    pub milliseconds: u64,
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

    /// A prerequisite did not pass.
    pub fn skipped(blocked_by: &'static str) -> Self {
        Self::with(Outcome::Skipped { blocked_by }, "")
    }

    /// The user did not want it, or something else answers it.
    pub fn not_wanted(why: impl Into<String>) -> Self {
        Self::with(Outcome::NotWanted { why: why.into() }, "")
    }

    fn with(outcome: Outcome, observed: impl Into<String>) -> Self {
        Self {
            outcome,
            observed: observed.into(),
            expected: String::new(),
            evidence: Value::Null,
            fixes: Vec::new(),
            symptom: None,
            milliseconds: 0,
        }
    }

    /// Whether there were facts to judge.
    pub const fn has_facts(&self) -> bool {
        !matches!(self.outcome, Outcome::Unknown { .. } | Outcome::Skipped { .. })
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
    pub const fn took(mut self, milliseconds: u64) -> Self {
        self.milliseconds = milliseconds;
        self
    }

    #[must_use]
    pub fn fixes(mut self, fixes: Vec<Fix>) -> Self {
        self.fixes = fixes;
        self
    }

    #[must_use]
    pub const fn symptom(mut self, symptom: Symptom) -> Self {
        self.symptom = Some(symptom);
        self
    }

    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }
}
