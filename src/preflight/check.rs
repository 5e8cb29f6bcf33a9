//! What a check is.

use std::fmt;

use serde::Serialize;

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
