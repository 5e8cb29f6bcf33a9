//! Settings of the pipeline, independent of the command line.

use std::path::PathBuf;

use crate::cluster::{Connection, Scope};
use crate::model::inventory::Inventory;
use crate::model::lock::Lock;
use crate::model::plan::Plan;
use crate::store::Limits;
use crate::sync::discover::ImageFilter;
use crate::sync::discover::manifests::Manifest;
use crate::sync::plan::prepare::Detail;
use crate::sync::rollout::Options;
use crate::sync::target::MirrorSettings;
use crate::transport;

pub struct Settings {
    pub stages: Stages,
    pub scope: Scope,
    pub filter: ImageFilter,
    /// Files whose images are included.
    pub manifests: Vec<Manifest>,
    pub mirror: MirrorSettings,
    /// Repositories of `mirror.registries` whose tags may be moved.
    pub replace: Vec<String>,
    pub artifacts: Artifacts,
    /// How much to read about images that are up to date.
    pub detail: Detail,
    pub dry_run: Option<DryRun>,
    /// Whether to rewrite workloads even if their owner reverts the images immediately.
    pub force: bool,
    pub limits: Limits,
    pub rollout: Options,
}

/// The stages that run; the others are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    pub discover: bool,
    pub mirror: bool,
    pub rewrite: bool,
}

impl Stages {
    /// Whether any of these stages reads the cluster.
    pub const fn need_cluster(self) -> bool {
        self.discover || self.rewrite
    }
}

/// Nothing is changed; patches are computed by the client, or validated by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    Client,
    Server,
}

/// The artifacts that are passed between machines.
#[derive(Default)]
pub struct Artifacts {
    pub inventory: Artifact<Inventory>,
    pub plan: Artifact<Plan>,
    pub lock: Artifact<Lock>,
}

/// A stage's result is written for another machine, or was made by another machine and read.
#[derive(Default)]
pub enum Artifact<T> {
    #[default]
    None,
    Given(T),
    WrittenTo(PathBuf),
}

impl<T> Artifact<T> {
    pub const fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::None | Self::WrittenTo(_) => None,
        }
    }
}

/// The clients of the pipeline. A registry's client is created once the registry is known.
pub struct Ports {
    /// Empty where no stage reads a cluster.
    pub clusters: Vec<Connection>,
    pub network: transport::Settings,
}
