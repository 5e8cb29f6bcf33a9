//! Gathers the input of `status`: the cluster, the content of the registry, and the public tags.

use std::slice;

use super::registries::{compare_differing, fetch_public_tags, fetch_versions, list_destination};
use super::{
    NotReady, OlderDigest, PullFailure, RegistrySnapshot, SourceSnapshot, StatusReport, Subject, digests,
    maybe_unfinished, namespaces, not_ready, pull_failures, recorded_mirror, statuses, without_outdated,
};
use crate::cluster::waiting::WaitingPod;
use crate::cluster::{self, Connection, ErrorKind, Scope};
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::image::Mirror;
use crate::model::inventory::{Cluster, Inventory};
use crate::model::source_registry::SourceRegistry;
use crate::model::workload::Workload;
use crate::store::choose::{self, Unidentified};
use crate::store::{self, Limits, Reference, Repository, Store};
use crate::sync::discover::snapshot::{ClusterSnapshot, PODS};
use crate::sync::discover::{ImageFilter, beside};
use crate::sync::earlier_run;
use crate::sync::mirror_choice;
use crate::sync::plan::assign_all;
use crate::sync::plan::assignment::Assignment;
use crate::sync::plan::attestations::Attestations;
use crate::sync::plan::resolve::Pair;
use crate::sync::plan::tree::ManifestCache;
use crate::sync::rollout::missing_pods::why_unfinished;
use crate::sync::settings::MirrorSettings;
use crate::transport;

/// The settings of `status`.
pub struct Settings {
    pub scope: Scope,
    pub filter: ImageFilter,
    pub mirror: MirrorSettings,
    pub source_registries: Vec<SourceRegistry>,
    /// Whether to compare public tags too.
    pub upstream: bool,
    /// Whether to read no registry.
    pub cluster_only: bool,
}

/// Reads everything that `settings` require. Read-only.
///
/// # Errors
/// The cluster cannot be read, or the registry cannot be determined. What cannot be read from registries is in the
/// report.
pub async fn run(
    settings: &Settings,
    connection: &Connection,
    network: &transport::Settings,
    observer: Observer<'_>,
) -> Result<StatusReport, CommandError> {
    observer(Event::Stage(Stage::Discover));
    let snapshot = Box::pin(ClusterSnapshot::read(connection, &settings.scope, &settings.filter)).await?;
    let mut snapshot = snapshot.with_waiting_pods(&settings.scope).await?;
    snapshot.pods = without_outdated(snapshot.pods, &snapshot.workloads);
    let region = settings.mirror.region.as_deref();
    let known = mirror_choice::known_to_cluster(&settings.mirror, &snapshot);
    let inventory =
        snapshot.inventory(region, &beside(settings.filter.clone().below(known), &snapshot.workloads));
    let mut report = StatusReport::new(Vec::new(), Vec::new(), &inventory);
    let pods = add_pull_failures(settings, &snapshot, network, &inventory, &mut report).await?;
    report.not_ready =
        add_refusals(connection, not_ready(&pods, &snapshot.workloads, &inventory, &report.pull_failures))
            .await;
    let running = maybe_unfinished(&snapshot.workloads, &inventory, &report.not_ready, &report.pull_failures);
    report.not_ready.extend(unfinished_rollouts(connection, running).await);
    report.not_ready.sort_by(|left, right| left.workload.cmp(&right.workload));
    for note in &report.notes {
        observer(Event::Warning(note.clone()));
    }
    let known = mirror_choice::known_to_cluster(&settings.mirror, &snapshot);
    let knowledge = &settings.filter.knowledge;
    if let Some(hint) = earlier_run::hint(&snapshot.workloads, knowledge, &settings.mirror, &known) {
        observer(Event::Note(hint));
    }
    report.skipped = skipped(settings);
    report.selected_by = selected_by(settings);
    if !inventory.images.is_empty() {
        observer(Event::Stage(Stage::Plan));
        let running = Running { pods: &pods, workloads: &snapshot.workloads };
        let Registries { mirror, assignments, seen, older_digests } =
            read_registries(settings, network, &inventory, &running, observer).await?;
        report.older_digests = older_digests;
        report.images =
            statuses(&snapshot.workloads, &assignments, seen.as_ref(), &snapshot.ownership_context);
        report.destinations.push(mirror);
    }
    Ok(report)
}

/// What the settings exclude.
fn skipped(settings: &Settings) -> Vec<Subject> {
    let subjects = [(Subject::Registry, settings.cluster_only), (Subject::PublicTags, !settings.upstream)];
    subjects.into_iter().filter(|(_, is_skipped)| *is_skipped).map(|(subject, _)| subject).collect()
}

/// The flags that select a part of the cluster.
fn selected_by(settings: &Settings) -> Vec<&'static str> {
    let flags = [
        ("-n", settings.scope.namespace.is_some()),
        ("-l", settings.scope.selector.is_some()),
        ("--only", settings.filter.has_only()),
        ("--exclude", settings.filter.has_exclude()),
    ];
    flags.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag).collect()
}

/// Adds pods of Cast AI that cannot pull, in the namespaces where it was found, to `report`. With a
/// selector, `--only` or `--exclude`, only pods of workloads that use a matching image count. Pods that a rollout is about to replace get a grace period. Returns all pods there.
async fn add_pull_failures(
    settings: &Settings,
    snapshot: &ClusterSnapshot,
    network: &transport::Settings,
    inventory: &Inventory,
    report: &mut StatusReport,
) -> Result<Vec<WaitingPod>, CommandError> {
    if report.unlisted.iter().any(|kind| kind == PODS) {
        return Ok(Vec::new());
    }
    let (connection, workloads) = (&snapshot.environment.connection, &snapshot.workloads);
    let namespaces = namespaces(inventory, workloads);
    let mut delay = network.retry_delay;
    for retries in (0..=network.retries).rev() {
        let (pods, notes) = cluster::list_pods_with_images(connection, &namespaces).await?;
        let is_whole = settings.scope.selector.is_none() && !settings.filter.is_narrowed();
        report.pull_failures = pull_failures(&pods, workloads, inventory, is_whole);
        if !notes.is_empty() {
            report.unlisted.push(PODS.to_owned());
            report.notes.extend(notes);
            return Ok(pods);
        }
        let failures = &report.pull_failures;
        if failures.is_empty() || !failures.iter().all(PullFailure::is_being_replaced) || retries == 0 {
            return Ok(pods);
        }
        tokio::time::sleep(delay).await;
        delay = delay.saturating_mul(2);
    }
    Ok(Vec::new())
}

/// Adds why the API server refuses pods. It is unknown where the events cannot be read.
async fn add_refusals(connection: &Connection, mut workloads: Vec<NotReady>) -> Vec<NotReady> {
    for not_ready in workloads.iter_mut().filter(|one| one.is_unexplained()) {
        if let Ok(Some(refusal)) = cluster::rollout::refusal(connection, &not_ready.workload).await {
            not_ready.refused(refusal.message);
        }
    }
    workloads
}

/// The rollouts that are not finished, or may not be, because they cannot be read. A workload that is gone has none.
async fn unfinished_rollouts(connection: &Connection, running: Vec<&Workload>) -> Vec<NotReady> {
    let mut all = Vec::new();
    for workload in running {
        match cluster::rollout::unfinished(connection, &workload.name).await {
            Ok(Some(now)) => all.push(NotReady::unfinished(workload, why_unfinished(&now))),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => all.push(NotReady::unfinished(workload, format!("it cannot be read: {error}"))),
        }
    }
    all
}

/// The pods of Cast AI's namespaces, and the workloads that control them.
struct Running<'a> {
    pods: &'a [WaitingPod],
    workloads: &'a [Workload],
}

/// What registries have, compared with what pods run.
struct Registries {
    mirror: Mirror,
    assignments: Vec<Assignment>,
    /// `None` if no registry is read. What cannot be read has its cause in it.
    seen: Option<RegistrySnapshot>,
    older_digests: Vec<OlderDigest>,
}

async fn read_registries(
    settings: &Settings,
    network: &transport::Settings,
    inventory: &Inventory,
    running: &Running<'_>,
    observer: Observer<'_>,
) -> Result<Registries, CommandError> {
    let cluster = inventory.clusters.first();
    let region = settings.mirror.region.as_deref().or_else(|| cluster?.region.as_deref());
    let (mirror, refusal) = mirror(settings, network, inventory, cluster, region, observer).await?;
    mirror_choice::refuse_maps(slice::from_ref(&mirror), &settings.mirror.maps)?;
    let region = settings.mirror.region_of(cluster, &mirror);
    let assignments = assign_all(inventory, &mirror, &settings.mirror.maps, region.as_deref(), observer);
    if settings.cluster_only {
        return Ok(Registries { mirror, assignments, seen: None, older_digests: Vec::new() });
    }
    let stores = store::open(slice::from_ref(&mirror), network, Limits::default(), observer).await?;
    let stores = stores.reading_through(&settings.source_registries);
    let sources = stores.sources();
    let read_mirror = async {
        match &refusal {
            Some(error) => RegistrySnapshot::unread(&assignments, &error.to_string()),
            None => list_destination(&stores.destination(&mirror), &mirror, &assignments).await,
        }
    };
    let seen = if settings.upstream {
        let (seen, tags) = tokio::join!(read_mirror, fetch_public_tags(&sources, &assignments));
        // After the tags in use, which count more where a registry limits requests.
        let versions = fetch_versions(&sources, &assignments).await;
        let pair = Pair {
            sources: &sources,
            destination: &stores.destination(&mirror),
            mirror: &mirror,
            attestations: Attestations::default(),
            cache: &ManifestCache::default(),
        };
        let reduced = compare_differing(&pair, &assignments, &seen, &tags).await;
        RegistrySnapshot { sources: Some(SourceSnapshot { tags, versions, reduced }), ..seen }
    } else {
        read_mirror.await
    };
    let older = digests::older_digests(running.pods, running.workloads, &assignments, &seen);
    let older_digests =
        if older.is_empty() { older } else { without_platforms(&stores.destination(&mirror), older).await };
    Ok(Registries { mirror, assignments, seen: Some(seen), older_digests })
}

/// The same without pods that run a platform of the current index, by its own digest.
async fn without_platforms(destination: &Store<'_>, older: Vec<OlderDigest>) -> Vec<OlderDigest> {
    let mut remaining = Vec::new();
    for older in older {
        let repository = Repository::from_image(&older.image);
        let reference = Reference::from_version(older.image.version());
        let index = destination.manifest(&repository, reference).await;
        if !index.is_ok_and(|index| digests::contains(&index.bytes, &older.running)) {
            remaining.push(older);
        }
    }
    remaining
}

/// The registry, and why AWS could not confirm it if it should have.
async fn mirror(
    settings: &Settings,
    network: &transport::Settings,
    inventory: &Inventory,
    cluster: Option<&Cluster>,
    region: Option<&str>,
    observer: Observer<'_>,
) -> Result<(Mirror, Option<Unidentified>), CommandError> {
    // Without AWS, the cluster's account may belong to someone else.
    let of_cluster = || choose::of_cluster(cluster, region);
    if settings.cluster_only {
        let given = mirror_choice::mirror_of_cluster(cluster, &settings.mirror.registries).cloned();
        let recorded = given.or_else(|| recorded_mirror(inventory));
        return Ok((recorded.map_or_else(of_cluster, Ok)?, None));
    }
    let error = match mirror_choice::identified(network, &settings.mirror, cluster).await? {
        Ok(mirror) => return Ok((mirror, None)),
        Err(error) => error,
    };
    let guessed = of_cluster().ok().or_else(|| recorded_mirror(inventory)).ok_or_else(|| {
        let hint = "to read only the cluster, pass --cluster-only and --registry";
        CommandError::with_hint(format!("error: {error}"), error.hint().unwrap_or(hint))
    })?;
    if let Some(hint) = error.hint() {
        observer(Event::Note(format!("hint: {hint}")));
    }
    Ok((guessed, Some(error)))
}
