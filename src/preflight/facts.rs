//! The facts about each kind of subject, gathered before anything is judged.

use std::sync::Arc;

use probe::{Fact, HostFacts};

use super::api_response::ApiResponse;
use super::component::Component;
use super::judgement::Judgement;
use super::machine::MachineFacts;
use super::pods::{Ended, PodFacts, PodRun};
use super::subject::{Subject, SubjectKind, VantagePoint};
use super::target::Target;
use super::vpc::{self, AwsFacts};
use crate::castai::endpoints::{self, Installation, Service};
use crate::cluster::{self, ErrorKind};

/// All gathered facts.
pub struct Facts {
    pub cluster: ClusterFacts,
    pub region: RegionFacts,
    pub machine: MachineFacts,
    pub targets: Vec<Target>,
    /// The network facts, by vantage point.
    pub views: Vec<View>,
    pub registry: RegistryFacts,
    pub aws: AwsFacts,
    pub pods: PodFacts,
}

impl Facts {
    /// What no check looks at: pods unless they reported, and services whose host is not known, so that they cannot be
    /// reached by name. Installed components need none of these services.
    pub fn not_covered(&self) -> Vec<String> {
        let is_target = |service: &Service| {
            self.targets.iter().any(|target| vpc::service_of(target) == Some(service.name))
        };
        let has_host = |service: &Service| {
            [Installation::Us, Installation::Eu].iter().any(|one| service.host(*one).is_some())
        };
        let unknown =
            endpoints::services().iter().filter(|service| !has_host(service) && !is_target(service));
        let unknown = unknown.map(|service| format!("endpoint service {}", service.name));
        let has_looked = |view: &View| {
            matches!(view.vantage_point, VantagePoint::Pod(_))
                && view.hosts.as_ref().is_some_and(|hosts| !hosts.is_empty())
        };
        let pods = (!self.views.iter().any(has_looked)).then(|| "pods".to_owned());
        pods.into_iter().chain(unknown).collect()
    }
}

/// Facts from the cluster's API.
pub struct ClusterFacts {
    /// The kubeconfig's context.
    pub name: Option<String>,
    /// The number of workloads of all kinds.
    pub workloads: usize,
    pub unread: Vec<Unread>,
    pub components: Vec<Component>,
}

impl ClusterFacts {
    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Cluster, self.name.as_deref().unwrap_or("cluster"))
    }
}

/// The cluster's region.
pub struct RegionFacts {
    pub name: Option<String>,
    /// Why nodes, which have it in their labels, could not be listed.
    pub forbidden: Option<String>,
}

impl RegionFacts {
    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Region, self.name.as_deref().unwrap_or("region"))
    }
}

/// A read that failed, with the server's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// A permission is missing, so the result is unknown.
    Forbidden(String),
    /// An object of Cast AI is malformed.
    Malformed(String),
    /// The cluster is unreachable or rejects our credentials; with a hint if there is one.
    Failed(String, Option<String>),
}

impl Unread {
    pub fn from_error(error: &cluster::Error) -> Self {
        if error.kind() == ErrorKind::Forbidden {
            return Self::Forbidden(error.to_string());
        }
        Self::Failed(error.to_string(), error.hint().map(ToOwned::to_owned))
    }
}

/// The network facts from one vantage point.
pub struct View {
    pub vantage_point: VantagePoint,
    /// `None` if it is not known to be inside the VPC: its network facts would prove nothing.
    pub hosts: Option<Vec<HostFacts>>,
}

impl View {
    /// What each pod sees; nothing from pods that did not report.
    pub fn of_pods(pods: &PodFacts) -> Vec<Self> {
        let view = |run: &PodRun| Self {
            vantage_point: VantagePoint::Pod(Arc::clone(&run.location)),
            hosts: match &run.ended {
                Ended::Reported(report) => Some(report.hosts.clone()),
                Ended::Failed(_) => None,
            },
        };
        pods.runs.iter().map(view).collect()
    }
}

/// A target, with its network facts from one vantage point.
pub struct ProbedTarget<'a> {
    pub target: &'a Target,
    pub facts: &'a HostFacts,
}

impl ProbedTarget<'_> {
    /// Judges one of the facts, if it was gathered.
    pub fn judge<T>(fact: &Fact<T>, judge: impl FnOnce(&T) -> Judgement) -> Judgement {
        match fact {
            Fact::Gathered { milliseconds, value } => judge(value).took(*milliseconds),
            Fact::NotGathered { reason } => Judgement::unknown(reason.to_string()),
        }
    }
}

/// AWS's responses about the destination registry.
pub struct RegistryFacts {
    pub region: Option<String>,
    /// The account, or why it is unknown.
    pub account: Result<String, String>,
    pub token: ApiResponse,
    pub repository: ApiResponse,
}

impl RegistryFacts {
    pub fn subject(&self) -> Subject {
        let name =
            self.account.as_ref().map_or_else(|_| "ECR".to_owned(), |account| format!("ECR of {account}"));
        Subject::new(SubjectKind::Registry, name)
    }
}
