//! Output of `images`: the inventory, and excluded images with `--explain`.

use jiff::Timestamp;

use super::manifests::Manifest;
use super::snapshot::ClusterSnapshot;
use super::{Found, ImageFilter, discover, explain};
use crate::cluster::{Connection, Scope};
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::inventory::Inventory;
use crate::sync::target;

/// The settings of `images`.
pub struct Settings {
    pub scope: Scope,
    pub filter: ImageFilter,
    pub manifests: Vec<Manifest>,
    /// Whether to explain what was excluded.
    pub explain: bool,
}

/// Lists the images of the cluster, or only those of the manifests if there is no connection.
///
/// # Errors
/// The cluster cannot be reached or rejects our credentials.
pub async fn run(
    settings: &Settings,
    connection: Option<&Connection>,
    observer: Observer<'_>,
) -> Result<Inventory, CommandError> {
    observer(Event::Stage(Stage::Discover));
    let Some(connection) = connection else {
        let filter = &settings.filter;
        let found = Found { manifests: &settings.manifests, ..Found::default() };
        let inventory = discover(Vec::new(), &[found], filter, Vec::new(), Timestamp::now());
        return Ok(explained(inventory, found, settings, filter));
    };
    let snapshot = ClusterSnapshot::read(connection, &settings.scope, &settings.filter.knowledge).await?;
    let snapshot = snapshot.with_waiting_pods(&settings.scope).await?;
    let filter = settings.filter.clone().below(target::default_of(&snapshot, None).into_iter().collect());
    let inventory = snapshot.inventory(None, &filter);
    Ok(explained(inventory, snapshot.found(), settings, &filter))
}

fn explained(
    mut inventory: Inventory,
    found: Found<'_>,
    settings: &Settings,
    filter: &ImageFilter,
) -> Inventory {
    if settings.explain {
        inventory.explanation = Some(explain(&inventory, found, filter));
    }
    inventory
}
