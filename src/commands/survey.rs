//! The cluster as most commands read it: what runs there, what it came from, and who owns it.

use jiff::Timestamp;

use super::scene::{self, Scene};
use super::{CommandError, registry};
use crate::castai::knowledge::Knowledge;
use crate::cli::Arguments;
use crate::cluster::custom::Resource;
use crate::cluster::release::{Release, Search};
use crate::cluster::waiting::WaitingPod;
use crate::cluster::{self, Connection, Listed};
use crate::model::image::Mirror;
use crate::model::inventory::Inventory;
use crate::model::workload::Workload;
use crate::ownership::owners::Surroundings;
use crate::sync::discover::manifests::Manifest;
use crate::sync::discover::{
    Found, ImageFilter, discover, is_release_wanted, release_namespaces, releases_of,
};
use crate::sync::status::{PullFailure, StatusReport, namespaces, pull_failures, without_outdated};

/// What kubectl calls the list of pods.
const PODS: &str = "pods";

pub(super) struct Survey {
    pub(super) scene: Scene,
    pub(super) workloads: Vec<Workload>,
    pub(super) releases: Vec<Release>,
    pub(super) resources: Vec<Resource>,
    /// Pods that wait for an image, where they were asked for.
    pods: Vec<WaitingPod>,
    pub(super) surroundings: Surroundings,
    notes: Vec<String>,
    /// Kinds of workloads that may not be listed.
    unlisted: Vec<String>,
}

impl Survey {
    /// Reads the namespace that the flags name, or all. A selector chooses workloads alone, and leaves the rest out.
    pub(super) async fn of(
        arguments: &Arguments,
        selector: Option<&str>,
        knowledge: &Knowledge,
    ) -> Result<Self, CommandError> {
        let connection = scene::connect(arguments).await?;
        let namespace = arguments.connection.namespace.as_deref();
        let (scene, workloads, resources) = tokio::join!(
            Scene::of(&connection),
            cluster::list_workloads(&connection, namespace, selector),
            resources(&connection, namespace, selector, knowledge),
        );
        let scene = scene?;
        let Listed { workloads, mut notes, unlisted } = workloads?;
        let (resources, unread) = resources?;
        let (releases, unopened) = releases(&connection, namespace, selector, knowledge, &workloads).await?;
        notes.extend(unread.into_iter().chain(unopened).chain(scene.nodes.notes.iter().cloned()));
        let surroundings = scene::surroundings(&connection, &workloads, &resources).await;
        let pods = Vec::new();
        Ok(Self { scene, workloads, releases, resources, pods, surroundings, notes, unlisted })
    }

    /// Also reads the pods that wait for an image, unless a selector chooses workloads alone.
    pub(super) async fn with_waiting_pods(
        mut self,
        arguments: &Arguments,
        selector: Option<&str>,
    ) -> Result<Self, CommandError> {
        // Whoever may not list pods was told so.
        if selector.is_none() && !self.unlisted.iter().any(|kind| kind == PODS) {
            let namespace = arguments.connection.namespace.as_deref();
            let (pods, notes) = cluster::list_waiting_pods(&self.scene.connection, namespace).await?;
            self.pods = pods;
            self.notes.extend(notes);
        }
        Ok(self)
    }

    /// Leaves out what pods of an earlier template wait for.
    pub(super) fn without_outdated_pods(mut self) -> Self {
        self.pods = without_outdated(self.pods, &self.workloads);
        self
    }

    /// Finds the pods of Cast AI that cannot pull, where what was found of it is, and adds them to `report`. A selector
    /// chooses workloads, and so their pods alone. Pods that a rollout is about to replace are given time to go.
    pub(super) async fn add_pull_failures(
        &self,
        arguments: &Arguments,
        selector: Option<&str>,
        inventory: &Inventory,
        report: &mut StatusReport,
    ) -> Result<(), CommandError> {
        if report.unlisted.iter().any(|kind| kind == PODS) {
            return Ok(());
        }
        let namespaces = namespaces(inventory, &self.workloads);
        let mut delay = arguments.network.retry_delay;
        for retries in (0..=arguments.network.retries).rev() {
            let (pods, notes) = cluster::list_pull_failures(&self.scene.connection, &namespaces).await?;
            report.pull_failures = pull_failures(&pods, &self.workloads, inventory, selector.is_none());
            if !notes.is_empty() {
                report.unlisted.push(PODS.to_owned());
                report.notes.extend(notes);
                return Ok(());
            }
            let failures = &report.pull_failures;
            if failures.is_empty() || !failures.iter().all(PullFailure::is_being_replaced) || retries == 0 {
                return Ok(());
            }
            tokio::time::sleep(delay).await;
            delay = delay.saturating_mul(2);
        }
        Ok(())
    }

    /// Reads the workloads anew: what was done in the meantime takes long, and others work too.
    pub(super) async fn look_again(
        &mut self,
        arguments: &Arguments,
        selector: Option<&str>,
    ) -> Result<(), CommandError> {
        let namespace = arguments.connection.namespace.as_deref();
        let listed = cluster::list_workloads(&self.scene.connection, namespace, selector).await?;
        self.workloads = listed.workloads;
        Ok(())
    }

    /// Where images are: in all of it, in `manifests`, and what the user named.
    pub(super) fn found<'a>(&'a self, manifests: &'a [Manifest], filter: &'a ImageFilter) -> Found<'a> {
        Found {
            workloads: &self.workloads,
            releases: &self.releases,
            resources: &self.resources,
            manifests,
            pods: &self.pods,
            named: &filter.knowledge.images,
        }
    }

    /// The ECR that images are mirrored to by default, as far as the cluster alone tells.
    pub(super) fn default_mirror(&self, region: Option<&str>) -> Option<Mirror> {
        let cluster = self.scene.cluster(region);
        registry::of_cluster(Some(&cluster), cluster.region.as_deref()).ok()
    }

    /// The images in all of it.
    pub(super) fn inventory(
        &self,
        region: Option<&str>,
        manifests: &[Manifest],
        filter: &ImageFilter,
    ) -> Inventory {
        let found = self.found(manifests, filter);
        let clusters = vec![self.scene.cluster(region)];
        Inventory {
            unlisted: self.unlisted.clone(),
            ..discover(clusters, found, filter, self.notes.clone(), Timestamp::now())
        }
    }
}

/// The Helm releases that `workloads` belong to, and those that look like Cast AI's.
async fn releases(
    connection: &Connection,
    namespace: Option<&str>,
    selector: Option<&str>,
    knowledge: &Knowledge,
    workloads: &[Workload],
) -> Result<(Vec<Release>, Vec<String>), cluster::Error> {
    if selector.is_some() {
        return Ok((Vec::new(), Vec::new()));
    }
    let of_workloads = releases_of(workloads, knowledge);
    let search = Search {
        namespace,
        likely: release_namespaces(workloads, knowledge),
        is_wanted: &|namespace, name| is_release_wanted(&of_workloads, knowledge, namespace, name),
    };
    cluster::list_releases(connection, search).await
}

/// Custom resources of Cast AI's.
async fn resources(
    connection: &Connection,
    namespace: Option<&str>,
    selector: Option<&str>,
    knowledge: &Knowledge,
) -> Result<(Vec<Resource>, Vec<String>), cluster::Error> {
    match selector {
        Some(_) => Ok((Vec::new(), Vec::new())),
        None => cluster::list_custom_resources(connection, &knowledge.custom_resources(), namespace).await,
    }
}
