//! Pods as vantage points: where the user wants them, whether they could be created, and how each one ended.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use probe::pod::PodReport;

use super::judgement::Fix;
use super::subject::PodLocation;

/// Whether pods look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InCluster {
    /// Pods look besides this machine, if that is confirmed.
    Auto,
    Off,
    /// Only pods look.
    Only,
}

/// The settings of pods.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSettings {
    pub mode: InCluster,
    pub nodes: NodeChoice,
    /// An image that the user mirrored, instead of the one that is pushed.
    pub image: Option<String>,
    /// Additional roots that the probe trusts, in PEM.
    pub ca: Option<String>,
    /// How long a pod may take until its container has started.
    pub start_timeout: Duration,
}

/// The default of [`PodSettings::start_timeout`]: containerd gives up on a registry that does not answer after 30
/// seconds, and only then says why.
pub const START_TIMEOUT: Duration = Duration::from_secs(45);

impl PodSettings {
    /// No pods.
    pub fn off() -> Self {
        Self {
            mode: InCluster::Off,
            nodes: NodeChoice::default(),
            image: None,
            ca: None,
            start_timeout: START_TIMEOUT,
        }
    }
}

/// The nodes to look from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeChoice {
    /// This number of nodes of each combination of subnet, architecture and node group.
    PerGroup(NonZeroUsize),
    All,
    Named(BTreeSet<String>),
}

impl Default for NodeChoice {
    fn default() -> Self {
        Self::PerGroup(NonZeroUsize::MIN)
    }
}

/// A subnet of the cluster's VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub range: IpNet,
}

/// What is known of pods as vantage points.
#[derive(Clone, Debug, PartialEq)]
pub struct PodFacts {
    /// Where the pods run, or would run.
    pub namespace: String,
    pub creation: Creation,
    /// The pods that were created.
    pub runs: Vec<PodRun>,
    /// Nodes that no pod looks from.
    pub left_out: Vec<LeftOut>,
    /// What the pods differ in from the component's, one sentence each.
    pub notes: Vec<String>,
    /// Why objects of the run may be left in the cluster.
    pub not_removed: Option<String>,
}

/// A node that no pod looks from, nor from another one of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub node: String,
    pub why: String,
}

/// Whether pods were created.
#[derive(Clone, Debug, PartialEq)]
pub enum Creation {
    /// No check needs them, or `--in-cluster=off`: nothing is reported about them.
    Off,
    /// It is not confirmed; with the reason and the command that confirms it.
    NotConfirmed { why: String, fix: Fix },
    /// Something that they need is missing or not permitted.
    NotPossible { why: String, fix: Option<Fix> },
    /// Requests were sent; with the API server's message for each pod that it refused.
    Requested { refused: Vec<(Arc<PodLocation>, String)> },
}

/// A pod that was created.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRun {
    pub location: Arc<PodLocation>,
    pub name: String,
    pub image: String,
    pub ended: Ended,
    /// From the first request until it ended.
    pub milliseconds: u64,
}

/// How a pod ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Reported(PodReport),
    Failed(Trouble),
}

/// What kept a pod from reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub phase: Phase,
    /// Kubernetes' reason, such as `ErrImagePull`.
    pub reason: String,
    /// The text of the event or of the status.
    pub message: String,
}

/// The phases of a pod, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Schedule,
    /// Its network and volumes.
    Sandbox,
    Pull,
    /// The start of its container, and its run until it reports.
    Run,
}

impl Trouble {
    /// `ErrImagePull: failed to pull …`.
    pub fn to_text(&self) -> String {
        match (self.reason.as_str(), self.message.as_str()) {
            (reason, "") => reason.to_owned(),
            ("", message) => message.to_owned(),
            (reason, message) => format!("{reason}: {message}"),
        }
    }
}

impl PodFacts {
    /// No pods.
    pub const fn off() -> Self {
        Self {
            namespace: String::new(),
            creation: Creation::Off,
            runs: Vec::new(),
            left_out: Vec::new(),
            notes: Vec::new(),
            not_removed: None,
        }
    }

    /// Whether at least one pod reported what it sees.
    pub fn have_reported(&self) -> bool {
        self.runs.iter().any(|run| matches!(run.ended, Ended::Reported(_)))
    }
}
