//! The input of all `values` commands: the images that the cluster needs, and their names in the mirror.

use std::slice;

use crate::cluster::{Connection, Scope};
use crate::error::CommandError;
use crate::event::{Event, Observer};
use crate::model::image::Mirror;
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::sync::discover::snapshot::ClusterSnapshot;
use crate::sync::discover::{ImageFilter, beside};
use crate::sync::earlier_run;
use crate::sync::mirror_choice;
use crate::sync::plan::assign_all;
use crate::sync::plan::assignment::{Assignment, ImageSource, Naming};
use crate::sync::settings::MirrorSettings;
use crate::transport;

pub struct NamedImages {
    pub snapshot: ClusterSnapshot,
    pub mirror: Mirror,
    pub maps: Vec<NameMap>,
    pub knowledge: Knowledge,
    pub assignments: Vec<Assignment>,
    /// Kinds and objects that could not be read, as in the inventory.
    pub unlisted: Vec<String>,
    pub unreadable: Vec<String>,
}

/// Reads the cluster, and assigns a name to every image. Warns about everything that could not be read.
///
/// # Errors
/// The cluster cannot be read, or the registry cannot be determined.
pub async fn read(
    connection: &Connection,
    network: &transport::Settings,
    scope: &Scope,
    settings: &MirrorSettings,
    knowledge: Knowledge,
    observer: Observer<'_>,
) -> Result<NamedImages, CommandError> {
    let filter = ImageFilter::default().with(knowledge.clone()).mapped(settings.maps.clone());
    let snapshot = Box::pin(ClusterSnapshot::read(connection, scope, &filter)).await?;
    let region = settings.region.as_deref();
    let described = snapshot.environment.cluster(region);
    let mirror = mirror_choice::chosen(network, settings, Some(&described)).await?;
    mirror_choice::refuse_path(&mirror)?;
    mirror_choice::refuse_maps(slice::from_ref(&mirror), &settings.maps)?;
    let filter = beside(filter.below(vec![mirror.clone()]), &snapshot.workloads);
    let inventory = snapshot.inventory(region, &filter);
    if let Some(unread) = snapshot.unread_releases() {
        observer(Event::Warning(unread));
    }
    let known = slice::from_ref(&mirror);
    if let Some(hint) = earlier_run::hint(&snapshot.workloads, &knowledge, settings, known) {
        observer(Event::Note(hint));
    }
    for note in &inventory.notes {
        observer(Event::Warning(note.clone()));
    }
    let region = settings.region_of(Some(&described), &mirror);
    let assignments = assign_all(&inventory, &mirror, &settings.maps, region.as_deref(), observer);
    let maps = settings.maps.clone();
    let (unlisted, unreadable) = (inventory.unlisted, inventory.unreadable);
    Ok(NamedImages { snapshot, mirror, maps, knowledge, assignments, unlisted, unreadable })
}

impl NamedImages {
    /// What names were given by.
    pub fn naming(&self) -> Naming<'_> {
        Naming { mirror: &self.mirror, maps: &self.maps, knowledge: &self.knowledge }
    }

    /// Whether something that Cast AI needs could not be looked at.
    pub const fn is_incomplete(&self) -> bool {
        !self.unlisted.is_empty() || !self.unreadable.is_empty()
    }

    /// # Errors
    /// No image can have a private name.
    pub fn refuse_nothing(&self) -> Result<(), CommandError> {
        let is_named = |assigned: &Assignment| matches!(assigned.source, ImageSource::Known(_));
        if self.assignments.iter().any(is_named) {
            return Ok(());
        }
        Err(CommandError::not_found(
            format!(
                "error: no image of Cast AI to mirror found in cluster {}",
                self.snapshot.environment.connection.name
            ),
            "before the first installation, run `helm template … | kubectl castai-privatelink values helm -f -`, or \
             `kubectl castai-privatelink values policy --extent=prefixes`; or choose another cluster with --context",
        ))
    }
}
