//! Gathers the inputs of discovery: from the cluster, from files, or from an inventory of another machine.

use jiff::Timestamp;

use super::snapshot::ClusterSnapshot;
use super::{Found, ImageFilter, discover};
use crate::error::CommandError;
use crate::event::{Event, Observer};
use crate::model::inventory::Inventory;
use crate::sync::settings::{Ports, Settings};

/// Reads the cluster, if a stage needs it.
///
/// # Errors
/// The cluster cannot be reached or rejects our credentials.
pub async fn read_cluster(
    settings: &Settings,
    ports: &Ports,
) -> Result<Option<ClusterSnapshot>, CommandError> {
    let Some(connection) = &ports.cluster else { return Ok(None) };
    let scope = &settings.scope;
    let cluster = ClusterSnapshot::read(connection, scope, &settings.filter.knowledge).await?;
    if settings.stages.discover {
        cluster.with_waiting_pods(scope).await.map(Some)
    } else {
        Ok(Some(cluster))
    }
}

/// The images to mirror. Warns about everything that could not be read.
pub fn inventory(
    settings: &Settings,
    filter: &ImageFilter,
    cluster: Option<&ClusterSnapshot>,
    observer: Observer<'_>,
) -> Inventory {
    let cluster = cluster.filter(|_| settings.stages.discover);
    let inventory = match (settings.artifacts.inventory.given(), cluster) {
        (Some(given), _) => admitted(given, filter),
        (None, Some(cluster)) => {
            cluster.inventory(settings.mirror.region.as_deref(), &settings.manifests, filter)
        }
        (None, None) => {
            let found =
                Found { manifests: &settings.manifests, named: &filter.knowledge.images, ..Found::default() };
            discover(Vec::new(), found, filter, Vec::new(), Timestamp::now())
        }
    };
    for note in &inventory.notes {
        observer(Event::Warning(note.clone()));
    }
    inventory
}

/// The part of an inventory from another machine that matches `filter`.
fn admitted(given: &Inventory, filter: &ImageFilter) -> Inventory {
    let mut inventory = given.clone();
    inventory.images.retain(|wanted| {
        let recorded = wanted.used_by.iter().map(|used_by| used_by.recorded_source.as_ref());
        let mut sources = recorded.chain([wanted.source.as_ref()]);
        sources.any(|source| filter.admits(&wanted.image, source))
    });
    inventory
}
