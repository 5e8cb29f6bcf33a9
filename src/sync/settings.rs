//! Settings of the pipeline, independent of the command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::{Connection, PatchMode, Scope};
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::model::inventory::{Cluster, Inventory};
use crate::model::lock::Lock;
use crate::model::name_map::NameMap;
use crate::model::plan::Plan;
use crate::model::repository_settings::RepositorySettings;
use crate::model::source_registry::SourceRegistry;
use crate::store::Limits;
use crate::sync::discover::ImageFilter;
use crate::sync::discover::manifests::Manifest;
use crate::sync::plan::attestations::Attestations;
use crate::sync::plan::prepare::Detail;
use crate::sync::public::PublicImage;
use crate::transport;

pub struct Settings {
    pub stages: Stages,
    pub scope: Scope,
    pub filter: ImageFilter,
    /// Files whose images are included.
    pub manifests: Vec<Manifest>,
    /// Images of Cast AI in all fields of these files.
    pub public: Vec<PublicImage>,
    pub mirror: MirrorSettings,
    /// Repositories of `mirror.registries` whose tags may be moved.
    pub replace: Vec<String>,
    pub source_registries: Vec<SourceRegistry>,
    pub repository_settings: RepositorySettings,
    pub artifacts: Artifacts,
    /// How much to read about images that are up to date.
    pub detail: Detail,
    pub attestations: Attestations,
    pub dry_run: Option<DryRun>,
    /// Whether to rewrite workloads even if their owner reverts the images immediately.
    pub force: bool,
    pub limits: Limits,
    pub rollout: RolloutOptions,
}

/// The destination as far as the user specifies it.
#[derive(Clone, Debug, Default)]
pub struct MirrorSettings {
    /// Empty for our path in the ECR of each cluster's account and region.
    pub registries: Vec<Mirror>,
    /// The clusters' region, where the user says it.
    pub region: Option<String>,
    pub maps: Vec<NameMap>,
}

impl MirrorSettings {
    /// The maps whose private names lie in `mirror`.
    pub fn maps_below(&self, mirror: &Mirror) -> Vec<NameMap> {
        self.maps.iter().filter(|map| mirror.includes(map.private())).cloned().collect()
    }

    /// The cluster's region, from the user or from the cluster. Its default is the mirror's region, because nodes have
    /// to reach the mirror in any case.
    pub fn region_of(&self, cluster: Option<&Cluster>, mirror: &Mirror) -> Option<String> {
        self.region
            .clone()
            .or_else(|| cluster?.region.clone())
            .or_else(|| Some(EcrRegistry::of_host(&mirror.registry)?.region))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct RolloutOptions {
    pub mode: PatchMode,
    /// Whether to wait for rollouts; without waiting, nothing is restored either.
    pub wait: bool,
    /// Timeout for a rollout without progress.
    pub timeout: Duration,
    /// Grace period for a component that was broken before to become ready after its containers have started. Half of
    /// it is the grace period for problems that kubelets retry by themselves, such as a pull: by default 15 s, because
    /// the second attempt comes after 10 s (`imageBackOffPeriod` in Kubernetes' `pkg/kubelet/kubelet.go`).
    pub settle_time: Duration,
    /// Whether images are restored if admission gives pods other images than the template's. A rollback without effect
    /// must not lose its record; a rewrite without effect is only reported.
    pub restore_renamed: bool,
    /// Interval between two reads of a rollout.
    pub poll: Duration,
}

impl Default for RolloutOptions {
    fn default() -> Self {
        Self {
            mode: PatchMode::Apply,
            wait: true,
            timeout: Duration::from_mins(5),
            settle_time: Duration::from_secs(30),
            restore_renamed: false,
            poll: Duration::from_millis(300),
        }
    }
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
