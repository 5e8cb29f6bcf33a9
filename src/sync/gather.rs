//! Gathers the inputs of discovery: from the cluster, from files, or from an inventory of another machine.

use crate::error::CommandError;
use crate::event::{Event, Observer};
use crate::model::inventory::Inventory;
use crate::sync::discover::ImageFilter;
use crate::sync::discover::snapshot::{self, ClusterSnapshot};
use crate::sync::earlier_run;
use crate::sync::public::not_listed;
use crate::sync::settings::{Ports, Settings};

/// Reads the clusters, where a stage needs them.
///
/// # Errors
/// A cluster cannot be reached, or does not know us.
pub(super) async fn read_clusters(
    settings: &Settings,
    ports: &Ports,
) -> Result<Vec<ClusterSnapshot>, CommandError> {
    let mut clusters = Vec::new();
    for connection in &ports.clusters {
        let scope = &settings.scope;
        let cluster = Box::pin(ClusterSnapshot::read(connection, scope, &settings.filter)).await?;
        clusters.push(if settings.stages.discover {
            cluster.with_waiting_pods(scope).await?
        } else {
            cluster
        });
    }
    Ok(clusters)
}

/// The images to mirror. Warns about everything that could not be read.
pub(super) fn inventory(
    settings: &Settings,
    filter: &ImageFilter,
    clusters: &[ClusterSnapshot],
    observer: Observer<'_>,
) -> Inventory {
    let inventory = if let Some(given) = settings.artifacts.inventory.given() {
        admitted(given, filter)
    } else {
        let clusters = if settings.stages.discover { clusters } else { &[] };
        let region = settings.mirror.region.as_deref();
        let mut inventory = snapshot::inventory(clusters, region, &settings.manifests, filter);
        inventory.unreadable.extend(not_listed(&settings.public, &inventory, filter));
        inventory
    };
    for note in &inventory.notes {
        observer(Event::Warning(note.clone()));
    }
    inventory
}

/// Names the flags of an earlier run with other names, which annotations record.
pub(super) fn hint_at_earlier_runs(
    settings: &Settings,
    filter: &ImageFilter,
    clusters: &[ClusterSnapshot],
    observer: Observer<'_>,
) {
    let hint = |cluster: &ClusterSnapshot| {
        earlier_run::hint(&cluster.workloads, &filter.knowledge, &settings.mirror, &filter.mirrors)
    };
    for hint in clusters.iter().filter_map(hint) {
        observer(Event::Note(hint));
    }
}

/// The part of an inventory from another machine that matches `filter`.
fn admitted(given: &Inventory, filter: &ImageFilter) -> Inventory {
    let mut inventory = given.clone();
    inventory.images.retain(|wanted| {
        let recorded = wanted.used_by.iter().map(|used_by| used_by.recorded_source.as_ref());
        let mut sources = recorded.chain([wanted.source.as_ref()]);
        sources.any(|source| filter.admits(&wanted.image, source))
    });
    let unmatched = filter.unmatched(&inventory);
    inventory.unreadable.extend(unmatched);
    inventory
}
