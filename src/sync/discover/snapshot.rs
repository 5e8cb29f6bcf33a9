//! The cluster at one moment, as most commands read it: workloads, their sources and their owners.

use std::collections::BTreeSet;
use std::slice;

use jiff::Timestamp;

use super::manifests::Manifest;
use super::releases::{listed, persisted_workloads};
use super::{Found, ImageFilter, beside, discover, is_release_wanted, release_namespaces, releases_of};
use crate::cluster::custom::{ListedResources, Resource};
use crate::cluster::environment::Environment;
use crate::cluster::release::{Release, Releases, Search};
use crate::cluster::waiting::WaitingPod;
use crate::cluster::{self, Connection, Listed, Malformed, Scope};
use crate::error::CommandError;
use crate::model::inventory::Inventory;
use crate::model::knowledge::Knowledge;
use crate::model::workload::Workload;
use crate::ownership::owners::{OwnershipContext, application, flux_release};

/// kubectl's name for lists of pods.
pub const PODS: &str = "pods";

/// What a list of workloads lacks.
#[derive(Clone, Debug, Default)]
pub struct Unread {
    /// One sentence each.
    pub notes: Vec<String>,
    /// Kinds that cannot be listed, as kubectl names them.
    pub unlisted: Vec<String>,
}

pub struct ClusterSnapshot {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    pub releases: Vec<Release>,
    /// Releases that workloads name and that are not stored in the cluster, by namespace and name.
    pub releases_not_stored: Vec<(String, String)>,
    /// Whether releases may be missing because listing Secrets is forbidden.
    pub releases_forbidden: bool,
    /// Whether releases may be missing because listing `ConfigMaps` is forbidden.
    release_maps_forbidden: bool,
    /// Releases whose content could not be read, one sentence each.
    pub unreadable_releases: Vec<String>,
    pub resources: Vec<Resource>,
    /// Pods that wait for an image, if they were listed.
    pub pods: Vec<WaitingPod>,
    pub ownership_context: OwnershipContext,
    notes: Vec<String>,
    /// Kinds of workloads and of custom resources that could not be listed.
    unlisted: Vec<String>,
    /// Objects of Cast AI that could not be parsed, one sentence each.
    unreadable: Vec<String>,
}

impl ClusterSnapshot {
    /// Reads one namespace or all. With a selector, only workloads are read.
    ///
    /// # Errors
    /// The cluster cannot be reached or rejects our credentials. What is forbidden becomes a note.
    pub async fn read(
        connection: &Connection,
        scope: &Scope,
        filter: &ImageFilter,
    ) -> Result<Self, CommandError> {
        let (namespace, selector) = (scope.namespace.as_deref(), scope.selector.as_deref());
        let knowledge = &filter.knowledge;
        let (environment, workloads, resources) = tokio::join!(
            Environment::read(connection),
            cluster::list_workloads(connection, namespace, selector),
            resources(connection, namespace, selector, knowledge),
        );
        let environment = environment?;
        let Listed { workloads, mut notes, mut unlisted, mut malformed } = workloads?;
        let ListedResources { resources, notes: unread, unlisted: others, malformed: broken } = resources?;
        unlisted.extend(others);
        malformed.extend(broken);
        // Another tenant's malformed object does not make the result incomplete.
        let (own, foreign): (Vec<_>, Vec<_>) =
            malformed.into_iter().partition(|one: &Malformed| knowledge.is_namespace(&one.namespace));
        let unreadable: Vec<_> = own.into_iter().map(|malformed| malformed.why).collect();
        notes.extend(foreign.into_iter().map(|malformed| malformed.why));
        let Releases {
            releases,
            notes: unopened,
            not_stored: releases_not_stored,
            is_forbidden: releases_forbidden,
            are_maps_forbidden: release_maps_forbidden,
            unreadable: unreadable_releases,
        } = releases(connection, namespace, selector, filter, &workloads).await?;
        notes.extend(unread.into_iter().chain(unopened));
        let no_nodes = environment.nodes.forbidden.iter();
        notes.extend(no_nodes.map(|why| format!("{why}; platforms and region are unknown")));
        let mut ownership_context = ownership_context(connection, &workloads, &resources, knowledge).await;
        ownership_context.persisted = persisted_workloads(&workloads, &releases);
        let pods = Vec::new();
        Ok(Self {
            environment,
            workloads,
            releases,
            releases_not_stored,
            releases_forbidden,
            release_maps_forbidden,
            unreadable_releases,
            resources,
            pods,
            ownership_context,
            notes,
            unlisted,
            unreadable,
        })
    }

    /// Also lists the pods that wait for an image, unless there is a selector.
    ///
    /// # Errors
    /// As [`ClusterSnapshot::read`].
    pub async fn with_waiting_pods(mut self, scope: &Scope) -> Result<Self, CommandError> {
        // If listing pods is forbidden, that is already a note.
        if scope.selector.is_none() && !self.unlisted.iter().any(|kind| kind == PODS) {
            let namespace = scope.namespace.as_deref();
            let (pods, notes) = cluster::list_waiting_pods(&self.environment.connection, namespace).await?;
            self.pods = pods;
            self.notes.extend(notes);
        }
        Ok(self)
    }

    /// Lists the workloads again: mirroring takes long, and workloads may change in the meantime. Returns what could be
    /// read the first time and cannot be read any more.
    ///
    /// # Errors
    /// As [`ClusterSnapshot::read`].
    pub async fn read_workloads_again(&mut self, scope: &Scope) -> Result<Unread, CommandError> {
        let (namespace, selector) = (scope.namespace.as_deref(), scope.selector.as_deref());
        let listed = cluster::list_workloads(&self.environment.connection, namespace, selector).await?;
        self.workloads = listed.workloads;
        let notes = listed.notes.into_iter().filter(|note| !self.notes.contains(note)).collect();
        let unlisted = listed.unlisted.into_iter().filter(|kind| !self.unlisted.contains(kind)).collect();
        Ok(Unread { notes, unlisted })
    }

    /// The kinds of objects with Helm releases that could not be listed.
    pub fn unlisted_release_storage(&self) -> impl Iterator<Item = &'static str> {
        let kinds = [("secrets", self.releases_forbidden), ("configmaps", self.release_maps_forbidden)];
        kinds.into_iter().filter(|(_, is_forbidden)| *is_forbidden).map(|(kind, _)| kind)
    }

    /// The releases that cannot be read, in one sentence, if there are any.
    pub fn unread_releases(&self) -> Option<String> {
        let releases = &self.releases_not_stored;
        (!releases.is_empty()).then(|| {
            format!(
                "Helm releases that are not stored in Secrets or ConfigMaps cannot be read (HELM_DRIVER=sql?): {}; \
                 images of their hooks are not found",
                listed(releases)
            )
        })
    }

    /// Where images are: in all of it.
    pub fn found(&self) -> Found<'_> {
        Found {
            workloads: &self.workloads,
            releases: &self.releases,
            releases_not_stored: &self.releases_not_stored,
            resources: &self.resources,
            manifests: &[],
            pods: &self.pods,
        }
    }

    /// The images in the snapshot and in `manifests`.
    pub fn inventory(&self, region: Option<&str>, filter: &ImageFilter) -> Inventory {
        inventory(slice::from_ref(self), region, &[], filter)
    }
}

/// The images in all of `clusters` and `manifests`.
pub fn inventory(
    clusters: &[ClusterSnapshot],
    region: Option<&str>,
    manifests: &[Manifest],
    filter: &ImageFilter,
) -> Inventory {
    let files = Found { manifests, ..Found::default() };
    let found: Vec<_> = clusters.iter().map(ClusterSnapshot::found).chain([files]).collect();
    let notes = clusters.iter().flat_map(|cluster| cluster.notes.iter().cloned()).collect();
    let described = clusters.iter().map(|cluster| cluster.environment.cluster(region)).collect();
    let unlisted: BTreeSet<_> =
        clusters.iter().flat_map(|cluster| cluster.unlisted.iter().cloned()).collect();
    let mut inventory = discover(described, &found, filter, notes, Timestamp::now());
    inventory.unlisted = unlisted.into_iter().collect();
    let is_any = |is: fn(&ClusterSnapshot) -> bool| clusters.iter().any(is);
    let optional = [
        ("Helm releases", is_any(|cluster| !cluster.releases_not_stored.is_empty())),
        ("content of Helm releases", is_any(|cluster| !cluster.unreadable_releases.is_empty())),
        ("nodes", is_any(|cluster| cluster.environment.nodes.forbidden.is_some())),
    ];
    let storage: BTreeSet<_> = clusters.iter().flat_map(ClusterSnapshot::unlisted_release_storage).collect();
    let not_read = optional.into_iter().filter(|(_, is_unread)| *is_unread).map(|(what, _)| what);
    inventory.not_read = storage.into_iter().rev().chain(not_read).map(str::to_owned).collect();
    inventory.unreadable.extend(clusters.iter().flat_map(|cluster| cluster.unreadable.iter().cloned()));
    let unmatched = filter.unmatched(&inventory);
    inventory.unreadable.extend(unmatched);
    inventory
}

/// Objects that identify the owners of workloads. Argo CD and Flux are only queried if a workload indicates that they
/// are installed.
async fn ownership_context(
    connection: &Connection,
    workloads: &[Workload],
    resources: &[Resource],
    knowledge: &Knowledge,
) -> OwnershipContext {
    let mut context = OwnershipContext::new(workloads, resources, knowledge);
    if workloads.iter().any(|workload| application(workload).is_some()) {
        context.applications = cluster::self_healing_applications(connection).await;
    }
    if workloads.iter().any(|workload| flux_release(workload).is_some()) {
        context.releases = cluster::drift_correcting_releases(connection).await;
    }
    context
}

/// The Helm releases that `workloads` belong to, and those that look like Cast AI's.
async fn releases(
    connection: &Connection,
    namespace: Option<&str>,
    selector: Option<&str>,
    filter: &ImageFilter,
    workloads: &[Workload],
) -> Result<Releases, cluster::Error> {
    if selector.is_some() {
        return Ok(Releases::default());
    }
    let filter = beside(filter.clone(), workloads);
    let of_workloads = releases_of(workloads, &filter);
    let search = Search {
        namespace,
        likely: release_namespaces(workloads, &filter),
        named: of_workloads.clone(),
        is_wanted: &|namespace, name| is_release_wanted(&of_workloads, &filter.knowledge, namespace, name),
    };
    // It contains two searches, and is part of the futures of most commands.
    Box::pin(cluster::list_releases(connection, search)).await
}

/// Custom resources of Cast AI.
async fn resources(
    connection: &Connection,
    namespace: Option<&str>,
    selector: Option<&str>,
    knowledge: &Knowledge,
) -> Result<ListedResources, cluster::Error> {
    match selector {
        Some(_) => Ok(ListedResources::default()),
        None => cluster::list_custom_resources(connection, &knowledge.custom_resources(), namespace).await,
    }
}
