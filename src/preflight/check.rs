//! What a check is: data, and a pure function that judges facts.

use probe::Layer;
use serde::Serialize;

use super::component::Component;
use super::facts::{ClusterFacts, RegistryFacts, ServiceFacts, Sight};
use super::judgement::Judgement;
use super::machine::MachineFacts;
use super::target::Target;

/// A check as data. Its code is stable for ever: a retired code is never used again.
#[derive(Debug)]
pub struct Check {
    /// Such as `CPL210`.
    pub code: &'static str,
    /// What is true when the check passes.
    pub title: &'static str,
    pub category: Category,
    /// How bad it is when the title is not true.
    pub severity: Severity,
    /// What must have passed before this check makes sense.
    pub requires: &'static [Requires],
    pub source: Source,
    /// Rights that looking needs, as Kubernetes or IAM name them.
    pub permissions: &'static [&'static str],
    /// Why it matters, for a person who meets the code for the first time.
    pub explanation: &'static str,
    /// What to do in general when it fails; a finding's own remedies are more exact.
    pub remediation: &'static str,
    /// What it judges. This decides which subjects it has, and which facts are gathered for it.
    pub judge: Judge,
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Check {
    /// What must be gathered besides what each command knows anyway.
    pub const fn needs(&self) -> &'static [Need] {
        match self.judge {
            Judge::Cluster(_) | Judge::Region(_) => &[],
            // Which services there are depends on the installation that components are configured with.
            Judge::Component(_) | Judge::Target { .. } | Judge::Service(_) => &[Need::Configuration],
            Judge::Machine(_) => &[Need::Metadata],
            Judge::Network { .. } => &[Need::Configuration, Need::Metadata],
            Judge::Registry { needs, .. } => needs,
        }
    }
}

/// What a check is about. Codes are numbered by it: 1xx, 2xx, 3xx; 4xx is kept for AWS' configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Category {
    Cluster,
    Endpoints,
    #[serde(rename = "ECR")]
    Ecr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Severity {
    /// Cast AI does not work: a failure is a `Fail`.
    Error,
    /// Something that is or may become a problem: a failure is a `Warn`.
    Warning,
}

/// Where a check's facts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    KubernetesApi,
    AwsApi,
    /// What a vantage point sees itself.
    VantagePoint,
}

/// Another check that must have passed, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requires {
    /// On the same subject, from the same vantage point.
    Same(&'static str),
    /// On the cluster, as long as no component was seen: one that was seen has been read.
    Cluster(&'static str),
    /// On a component that is configured with this host. One of them is enough.
    AnyComponent(&'static str),
}

impl Requires {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Same(code) | Self::Cluster(code) | Self::AnyComponent(code) => code,
        }
    }
}

/// Something that is gathered only where a check needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The `ConfigMap`s and Secrets that components take their endpoints from.
    Configuration,
    /// This machine's instance metadata.
    Metadata,
    EcrToken,
    EcrRepository,
}

/// The kind of subject that a check is about, and what its facts mean.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    Cluster(fn(&ClusterFacts) -> Judgement),
    Component(fn(&Component) -> Judgement),
    Region(fn(Option<&str>) -> Judgement),
    Machine(fn(&MachineFacts) -> Judgement),
    /// Endpoint services whose host is not published.
    Service(fn(&ServiceFacts) -> Judgement),
    /// What is known of a host without looking at it.
    Target {
        applies: fn(&Target) -> bool,
        judge: fn(&Target) -> Judgement,
    },
    /// What a vantage point sees of a host, up to `layer`.
    Network {
        layer: Layer,
        step: Step,
        applies: fn(&Target) -> bool,
        judge: fn(&Sight<'_>) -> Judgement,
    },
    Registry {
        needs: &'static [Need],
        judge: fn(&RegistryFacts) -> Judgement,
    },
}

/// A step of the check chain of a host, as reports sum it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Dns,
    Private,
    Tcp,
    Tls,
    Answer,
}
