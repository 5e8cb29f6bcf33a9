//! Output of `images`: the inventory, and excluded images with `--explain`.

use jiff::Timestamp;

use crate::cluster::{Connection, Scope};
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::inventory::Inventory;
use crate::sync::discover::manifests::Manifest;
use crate::sync::discover::snapshot::ClusterSnapshot;
use crate::sync::discover::{Found, ImageFilter, beside, discover, explain};
use crate::sync::earlier_run;
use crate::sync::mirror_choice;
use crate::sync::plan::assign_all;
use crate::sync::public::{PublicImage, not_listed};
use crate::sync::settings::MirrorSettings;

/// The settings of `images`.
pub struct Settings {
    pub scope: Scope,
    pub filter: ImageFilter,
    pub mirror: MirrorSettings,
    pub manifests: Vec<Manifest>,
    /// Images of Cast AI in all fields of the manifests.
    pub public: Vec<PublicImage>,
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
        let filter = settings.filter.clone().below(settings.mirror.registries.clone());
        let found = Found { manifests: &settings.manifests, ..Found::default() };
        let mut inventory = discover(Vec::new(), &[found], &filter, Vec::new(), Timestamp::now());
        let unmatched = filter.unmatched(&inventory);
        inventory.unreadable.extend(unmatched);
        inventory.unreadable.extend(not_listed(&settings.public, &inventory, &filter));
        check_maps(&inventory, settings, &filter, observer)?;
        return Ok(explained(inventory, found, settings, &filter));
    };
    let snapshot = Box::pin(ClusterSnapshot::read(connection, &settings.scope, &settings.filter)).await?;
    let snapshot = snapshot.with_waiting_pods(&settings.scope).await?;
    let region = settings.mirror.region.as_deref();
    let filter = settings.filter.clone().below(mirror_choice::known_to_cluster(&settings.mirror, &snapshot));
    let filter = beside(filter, &snapshot.workloads);
    let inventory = snapshot.inventory(region, &filter);
    let knowledge = &settings.filter.knowledge;
    if let Some(unread) = snapshot.unread_releases() {
        observer(Event::Warning(unread));
    }
    let hint = earlier_run::hint(&snapshot.workloads, knowledge, &settings.mirror, &filter.mirrors);
    if let Some(hint) = hint {
        observer(Event::Note(hint));
    }
    check_maps(&inventory, settings, &filter, observer)?;
    Ok(explained(inventory, snapshot.found(), settings, &filter))
}

/// The errors and warnings of `sync-images` about maps, as far as the mirror is known without AWS.
fn check_maps(
    inventory: &Inventory,
    settings: &Settings,
    filter: &ImageFilter,
    observer: Observer<'_>,
) -> Result<(), CommandError> {
    if filter.mirrors.is_empty() {
        return Ok(());
    }
    mirror_choice::refuse_maps(&filter.mirrors, &filter.maps)?;
    for mirror in &filter.mirrors {
        let region = settings.mirror.region_of(inventory.clusters.first(), mirror);
        let maps = settings.mirror.maps_below(mirror);
        assign_all(inventory, mirror, &maps, region.as_deref(), observer);
    }
    Ok(())
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
