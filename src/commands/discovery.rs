//! Where images are looked for: the cluster as it was read, manifests, and what the user adds to what we know.

use std::path::{Path, PathBuf};

use super::Stop;
use super::scene::{self, Scene};
use crate::castai::knowledge::Knowledge;
use crate::cli::{Arguments, SelectionArguments};
use crate::cluster::custom::Resource;
use crate::cluster::release::{Release, Search};
use crate::cluster::waiting::WaitingPod;
use crate::cluster::workload::Workload;
use crate::cluster::{self, Listed};
use crate::image::Image;
use crate::sync::discover::{Found, ImageFilter, is_release_wanted, release_namespaces, releases_of};
use crate::sync::documents;
use crate::sync::inventory::Inventory;
use crate::sync::manifests::{self, Manifest};

/// The cluster as it was read.
pub(super) struct Seen {
    pub(super) scene: Scene,
    pub(super) workloads: Vec<Workload>,
    pub(super) releases: Vec<Release>,
    pub(super) resources: Vec<Resource>,
    /// Pods that wait for an image, where they were asked for.
    pub(super) pods: Vec<WaitingPod>,
    pub(super) notes: Vec<String>,
    pub(super) unlisted: Vec<String>,
}

impl Seen {
    /// Reads the cluster in the namespace that the user names. A selector chooses workloads alone, and leaves releases
    /// and custom resources out.
    pub(super) async fn gather(
        arguments: &Arguments,
        selector: Option<&str>,
        knowledge: &Knowledge,
    ) -> Result<Self, Stop> {
        let connection = scene::connect(arguments).await?;
        let namespace = arguments.connection.namespace.as_deref();
        let definitions = if selector.is_some() { Vec::new() } else { knowledge.custom_resources() };
        let (nodes, workloads, resources) = tokio::join!(
            Scene::of(&connection),
            cluster::list_workloads(&connection, namespace, selector),
            cluster::list_custom_resources(&connection, &definitions, namespace),
        );
        let scene = nodes?;
        let Listed { workloads, mut notes, unlisted } = workloads?;
        let (resources, unread) = resources?;
        notes.extend(unread);
        let mut releases = Vec::new();
        if selector.is_none() {
            let of_workloads = releases_of(&workloads, knowledge);
            let search = Search {
                namespace,
                likely: release_namespaces(&workloads, knowledge),
                is_wanted: &|namespace, name| is_release_wanted(&of_workloads, knowledge, namespace, name),
            };
            let (found, unopened) = cluster::list_releases(&connection, search).await?;
            releases = found;
            notes.extend(unopened);
        }
        notes.extend(scene.nodes.notes.iter().cloned());
        Ok(Self { scene, workloads, releases, resources, pods: Vec::new(), notes, unlisted })
    }

    /// Also reads the pods that wait for an image, unless a selector chooses workloads alone.
    pub(super) async fn with_waiting_pods(
        mut self,
        arguments: &Arguments,
        selector: Option<&str>,
    ) -> Result<Self, Stop> {
        // Whoever may not list pods was told so.
        if selector.is_none() && !self.unlisted.iter().any(|kind| kind == "pods") {
            let namespace = arguments.connection.namespace.as_deref();
            let (pods, notes) = cluster::list_waiting_pods(&self.scene.connection, namespace).await?;
            self.pods = pods;
            self.notes.extend(notes);
        }
        Ok(self)
    }

    pub(super) fn found<'a>(&'a self, manifests: &'a [Manifest], named: &'a [Image]) -> Found<'a> {
        Found {
            workloads: &self.workloads,
            releases: &self.releases,
            resources: &self.resources,
            manifests,
            pods: &self.pods,
            named,
        }
    }
}

/// What the flags choose, with the file of `--knowledge` read.
pub(super) fn filter(selection: &SelectionArguments) -> Result<ImageFilter, Stop> {
    let mut knowledge = match &selection.knowledge {
        Some(path) => read_knowledge(path)?,
        None => Knowledge::default(),
    };
    knowledge.image_prefixes.extend(selection.image_prefixes.iter().cloned());
    knowledge.images.extend(selection.include_images.iter().cloned());
    let filter = ImageFilter::new(&selection.only, &selection.exclude)
        .map_err(|error| Stop::new(format!("error: --only or --exclude: {error}")))?;
    Ok(filter.with(knowledge))
}

fn read_knowledge(path: &Path) -> Result<Knowledge, Stop> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Stop::new(format!("error: reading --knowledge {shown}: {error}")))?;
    let wrong = |why: String| {
        let message = format!("error: --knowledge {shown}: {why}");
        Stop::with_hint(message, "docs/images.md shows what such a file may hold")
    };
    let mut documents = documents::read(&text).map_err(|fault| wrong(fault.why))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Knowledge::read(document.value).map_err(wrong),
        (None, _) => Err(wrong("the file is empty".to_owned())),
        (Some(_), false) => Err(wrong("it holds several documents, and one is wanted".to_owned())),
    }
}

/// Reads the manifests of `-f`. Standard input may be a person who types, and Ctrl-C must be heard meanwhile.
pub(super) async fn read_manifests(files: &[PathBuf]) -> Result<Vec<Manifest>, Stop> {
    let files = files.to_vec();
    let read = tokio::task::spawn_blocking(move || -> Result<Vec<_>, manifests::Error> {
        let found: Vec<_> =
            files.iter().map(|file| manifests::read(&file.to_string_lossy())).collect::<Result<_, _>>()?;
        Ok(found.into_iter().flatten().collect())
    });
    read.await.map_err(std::io::Error::other)?.map_err(|error| Stop::new(format!("error: {error}")))
}

/// Where was looked, for the message that nothing was found there.
pub(super) fn place(arguments: &Arguments, inventory: &Inventory) -> String {
    match inventory.clusters.first() {
        Some(cluster) => match &arguments.connection.namespace {
            Some(namespace) => format!("in namespace {namespace} of cluster {}", cluster.name),
            None => format!("in cluster {}", cluster.name),
        },
        None => "in the files given".to_owned(),
    }
}

/// What to widen where nothing was found, if the user narrowed anything.
pub(super) fn narrowing(arguments: &Arguments, selection: &SelectionArguments) -> Option<String> {
    let flags = [
        ("-n", arguments.connection.namespace.is_some()),
        ("-l", selection.selector.is_some()),
        ("--only", !selection.only.is_empty()),
        ("--exclude", !selection.exclude.is_empty()),
    ];
    let given: Vec<_> = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
    (!given.is_empty()).then(|| format!("widen {}, or leave it out", given.join(" and ")))
}
