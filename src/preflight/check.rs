//! A check: data, and a pure function that judges facts.

use probe::Layer;
use serde::Serialize;

use super::api_response::ApiResponse;
use super::component::Component;
use super::facts::{ClusterFacts, ProbedTarget, RegionFacts, RegistryFacts};
use super::judgement::Judgement;
use super::judgement::Symptom;
use super::machine::MachineFacts;
use super::pods::{PodFacts, PodRun};
use super::target::Target;
use super::vpc::{ServiceView, VpcUnread, VpcView};
use crate::endpoints::facts::Endpoint;
use crate::endpoints::plan::PlannedSubnet;

/// A check as data. Its code is stable: a retired code is never reused.
#[derive(Debug)]
pub struct Check {
    /// For example `CPL210`.
    pub code: &'static str,
    /// A statement that is true if the check passes.
    pub title: &'static str,
    pub category: Category,
    /// How serious it is if the title is not true.
    pub severity: Severity,
    /// Checks that must have passed before this one is meaningful.
    pub requires: &'static [Requires],
    /// What network checks see if this one fails: their findings are then its consequences.
    pub explains: &'static [Symptom],
    pub source: FactSource,
    /// Permissions to gather the facts, in Kubernetes' or IAM's notation.
    pub permissions: &'static [&'static str],
    /// Why it matters, for readers who see the code for the first time.
    pub explanation: &'static str,
    /// The general fix for a failure; the fixes in a finding are more specific.
    pub remediation: &'static str,
    /// The judge function. It determines the check's subjects, and which facts are gathered for it.
    pub judge: Judge,
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Check {
    /// Facts to gather in addition to those that are always available.
    pub const fn needs(&self) -> &'static [Need] {
        match self.judge {
            Judge::Cluster(_) | Judge::Region(_) => &[],
            Judge::Component(_) | Judge::Target { .. } => &[Need::Configuration],
            Judge::Machine(_) => &[Need::Metadata],
            Judge::Network { .. } => &[Need::Configuration, Need::Metadata, Need::Pods],
            Judge::Interfaces(_) => {
                &[Need::Configuration, Need::Metadata, Need::Pods, Need::Caller, Need::Vpc]
            }
            // The probe also reports what its hosts are.
            Judge::Pods(_) | Judge::Pod(_) => &[Need::Configuration, Need::Pods],
            Judge::Registry { needs, .. } => needs,
            Judge::Caller(_) => &[Need::Caller],
            Judge::VpcRead(_)
            | Judge::Vpc(_)
            | Judge::Subnet(_)
            | Judge::Service(_)
            | Judge::Endpoint { .. } => &[Need::Caller, Need::Vpc],
        }
    }
}

/// The category of a check, by the code: 1xx, 2xx, 3xx, 4xx, 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Category {
    Cluster,
    Endpoints,
    #[serde(rename = "ECR")]
    Ecr,
    #[serde(rename = "AWS")]
    Aws,
    Pods,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Severity {
    /// Cast AI does not work: a failure is reported as `Fail`.
    Error,
    /// An actual or possible problem: a failure is reported as `Warn`.
    Warning,
}

impl Category {
    /// The name in reports.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Endpoints => "Endpoints",
            Self::Ecr => "ECR",
            Self::Aws => "AWS",
            Self::Pods => "Pods",
        }
    }
}

impl Severity {
    /// What a failure is reported as.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Error => "error: a failure is a Fail",
            Self::Warning => "warning: a failure is a Warn",
        }
    }
}

/// The source of a check's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactSource {
    KubernetesApi,
    AwsApi,
    /// The vantage point itself.
    VantagePoint,
}

impl FactSource {
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::KubernetesApi => "the Kubernetes API",
            Self::AwsApi => "the AWS API",
            Self::VantagePoint => "this machine or a pod",
        }
    }
}

/// Another check that must have passed, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requires {
    /// On the same subject, from the same vantage point.
    Same(&'static str),
    /// For the cluster, unless components were found: then the cluster has been read.
    Cluster(&'static str),
    /// For the cluster's region.
    Region(&'static str),
    /// For a component that is configured with this host. One of them is enough.
    AnyComponent(&'static str),
    /// For the cluster's VPC.
    Vpc(&'static str),
}

impl Requires {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Same(code)
            | Self::Cluster(code)
            | Self::Region(code)
            | Self::AnyComponent(code)
            | Self::Vpc(code) => code,
        }
    }
}

/// Facts that are only gathered if a check needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The `ConfigMap`s and Secrets with the components' endpoints.
    Configuration,
    /// This machine's instance metadata.
    Metadata,
    EcrToken,
    EcrRepository,
    /// The identity behind the AWS credentials.
    Caller,
    /// EC2's description of the VPC.
    Vpc,
    /// The pods that run the probe.
    Pods,
}

/// The kind of subject that a check is about, with the function that judges its facts.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    Cluster(fn(&ClusterFacts) -> Judgement),
    Component(fn(&Component) -> Judgement),
    Region(fn(&RegionFacts) -> Judgement),
    Machine(fn(&MachineFacts) -> Judgement),
    /// Facts about a host that need no network.
    Target {
        applies: fn(&Target) -> bool,
        judge: fn(&Target) -> Judgement,
    },
    /// Network facts of a host, up to `layer`.
    Network {
        layer: Layer,
        step: Step,
        applies: fn(&Target) -> bool,
        judge: fn(&ProbedTarget<'_>) -> Judgement,
    },
    /// The addresses of a host whose service has an interface endpoint in the VPC.
    Interfaces(fn(&ProbedTarget<'_>, &ServiceView<'_>, &Endpoint) -> Judgement),
    Registry {
        needs: &'static [Need],
        judge: fn(&RegistryFacts) -> Judgement,
    },
    Caller(fn(&ApiResponse) -> Judgement),
    /// Whether the VPC was read.
    VpcRead(fn(Result<&VpcView, &VpcUnread>) -> Judgement),
    Vpc(fn(&VpcView) -> Judgement),
    /// A subnet of nodes.
    Subnet(fn(&VpcView, &PlannedSubnet) -> Judgement),
    /// An endpoint service.
    Service(fn(&ServiceView<'_>) -> Judgement),
    /// The endpoint of a service, if there is one.
    Endpoint {
        kind: EndpointKind,
        judge: fn(&ServiceView<'_>, &Endpoint) -> Judgement,
    },
    /// All probe pods.
    Pods(fn(&PodFacts) -> Judgement),
    /// A probe pod, on its node.
    Pod(fn(&PodRun) -> Judgement),
}

/// The endpoints that a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointKind {
    Any,
    Interface,
    Gateway,
}

impl EndpointKind {
    pub const fn includes(self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Any => true,
            Self::Interface => !endpoint.is_gateway,
            Self::Gateway => endpoint.is_gateway,
        }
    }
}

/// A step of a host's check chain, which is a column in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Dns,
    Private,
    Tcp,
    Tls,
    Response,
}
