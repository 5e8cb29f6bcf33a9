//! The subjects of checks, and vantage points.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// The subject of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub kind: SubjectKind,
    pub name: String,
    /// What needs it in this cluster: the components that are configured with it, before the installation those that
    /// usually are, or nodes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub needed_by: BTreeSet<String>,
    /// What needs it in its usual configuration, although no component of this cluster is configured with it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub usually_needed_by: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum SubjectKind {
    Cluster,
    Machine,
    Workload,
    Region,
    /// A host, with its port unless it is 443.
    Host,
    /// An AWS account's ECR.
    Registry,
    /// The identity behind the AWS credentials.
    Caller,
    Vpc,
    Subnet,
    /// An endpoint service.
    Service,
}

impl SubjectKind {
    /// The plural, in words.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Cluster => "clusters",
            Self::Machine => "machines",
            Self::Workload => "workloads",
            Self::Region => "regions",
            Self::Host => "hosts",
            Self::Registry => "registries",
            Self::Caller => "callers",
            Self::Vpc => "VPCs",
            Self::Subnet => "subnets",
            Self::Service => "endpoint services",
        }
    }
}

impl Subject {
    pub fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), needed_by: BTreeSet::new(), usually_needed_by: BTreeSet::new() }
    }
}

/// Where facts were gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VantagePoint {
    /// The machine that runs this program.
    Here,
}

impl fmt::Display for VantagePoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Here => "here",
        })
    }
}
