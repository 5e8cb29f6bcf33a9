//! What is known before anything is judged: the facts of each kind of subject.

use probe::{Fact, HostFacts};

use super::component::Component;
use super::judgement::Judgement;
use super::machine::MachineFacts;
use super::subject::{Subject, SubjectKind, VantagePoint};
use super::target::Target;
use crate::aws::error::Error;
use crate::castai::endpoints::Service;
use crate::cluster::{self, ErrorKind};

/// All facts that were gathered.
pub struct Facts {
    pub cluster: ClusterFacts,
    pub region: Option<String>,
    pub machine: MachineFacts,
    /// Endpoint services of the region whose host is not published.
    pub services: Vec<ServiceFacts>,
    pub targets: Vec<Target>,
    /// What each vantage point sees of the targets.
    pub views: Vec<View>,
    pub registry: RegistryFacts,
}

/// What was read from the cluster.
pub struct ClusterFacts {
    /// The kubeconfig's context.
    pub name: Option<String>,
    /// How many workloads of any kind were read.
    pub workloads: usize,
    pub unread: Vec<Unread>,
    pub components: Vec<Component>,
}

impl ClusterFacts {
    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Cluster, self.name.as_deref().unwrap_or("cluster"))
    }
}

/// Something of the cluster that could not be read, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// A right is missing: whether all is well stays open.
    Forbidden(String),
    /// The cluster does not answer, or does not know us; and what to do, where that is known.
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

/// An endpoint service of a region.
pub struct ServiceFacts {
    pub service: &'static Service,
    pub region: Option<String>,
}

/// What one vantage point sees.
pub struct View {
    pub vantage_point: VantagePoint,
    /// Nothing, where it is not known to be inside the VPC: what it sees would prove nothing.
    pub hosts: Option<Vec<HostFacts>>,
}

/// A target as one vantage point sees it.
pub struct Sight<'a> {
    pub target: &'a Target,
    pub facts: &'a HostFacts,
}

impl Sight<'_> {
    /// Judges one of the facts, unless there is none.
    pub fn judge<T>(fact: &Fact<T>, judge: impl FnOnce(&T) -> Judgement) -> Judgement {
        match fact {
            Fact::Gathered { milliseconds, value } => judge(value).took(*milliseconds),
            Fact::NotGathered { reason } => Judgement::unknown(reason.to_string()),
        }
    }
}

/// What AWS says of the registry that images are mirrored to.
pub struct RegistryFacts {
    pub region: Option<String>,
    pub account: Option<String>,
    pub token: Answer,
    pub repository: Answer,
}

impl RegistryFacts {
    pub fn subject(&self) -> Subject {
        let name =
            self.account.as_ref().map_or_else(|| "ECR".to_owned(), |account| format!("ECR of {account}"));
        Subject::new(SubjectKind::Registry, name)
    }
}

/// An answer of AWS' API.
pub enum Answer {
    Answered {
        milliseconds: u64,
        result: Result<&'static str, Error>,
    },
    /// Why it was not asked.
    NotAsked(String),
}
