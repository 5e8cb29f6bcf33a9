//! Rewrites manifests to private names, once the registry is known to have all the images.

pub mod input;
pub mod invalid;
pub mod text;

use std::collections::BTreeSet;
use std::slice;

use jiff::Timestamp;

use self::invalid::invalid_images;
use self::text::Edit;
use crate::cluster::environment::Environment;
use crate::error::CommandError;
use crate::event::{Event, Observer};
use crate::model::image::Mirror;
use crate::model::inventory::{Cluster, Inventory};
use crate::model::lock::Lock;
use crate::model::provenance::Provenance;
use crate::parse::documents::Format;
use crate::store::{self, Limits};
use crate::sync::discover::manifests::{Manifest, Text};
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::mirror_choice;
use crate::sync::plan::assignment::{Assignment, ImageSource, assign};
use crate::sync::plan::wanted_images::wanted_images;
use crate::sync::presence::{Missing, missing, unproven};
use crate::sync::public::{PublicImage, public_images};
use crate::sync::settings::MirrorSettings;
use crate::sync::settings::Ports;

/// The settings of `rewrite`.
pub struct Settings {
    pub filter: ImageFilter,
    pub mirror: MirrorSettings,
    /// A lock of another machine; without it, the registry is read.
    pub lock: Option<Lock>,
    pub parts: Vec<Part>,
}

/// A text of manifests, with its pod specs.
pub struct Part {
    pub text: Text,
    /// `None` if there is no document in it.
    pub format: Option<Format>,
    pub manifests: Vec<Manifest>,
}

/// The rewritten texts, and what prevents printing them.
pub struct Rewritten {
    pub texts: Vec<String>,
    pub mirror: Mirror,
    /// Images that are not known to be in the registry.
    pub missing: Vec<Missing>,
    /// Derived images that would not be found, one line each.
    pub missing_derived_images: Vec<String>,
    /// Images of Cast AI that stay public.
    pub public: Vec<PublicImage>,
}

impl Settings {
    /// The filter with the mirrors that are known without reading a cluster.
    pub fn known_filter(&self) -> ImageFilter {
        let mirrors = match &self.lock {
            Some(lock) => lock.destinations.iter().map(|locked| locked.mirror.clone()).collect(),
            None => self.mirror.registries.clone(),
        };
        self.filter.clone().below(mirrors)
    }

    /// Whether any manifest names an image of Cast AI, or one that the user maps. Helm passes every stream of a release through its post-renderer,
    /// and those without any have to pass unchanged, whatever can be reached.
    pub fn name_castai(&self) -> bool {
        let filter = self.known_filter();
        let inventory = inventory_of(self.parts.iter().flat_map(|part| &part.manifests), &filter, Vec::new());
        inventory
            .images
            .iter()
            .any(|image| image.provenance == Some(Provenance::Known) || filter.is_mapped(&image.image))
    }

    /// The images of Cast AI that stay public in `texts`, which are the parts before or after the rewrite: those with
    /// invalid names, and those outside of pod specs. Those that the user excluded are only reported.
    pub fn public_images(
        &self,
        texts: &[String],
        filter: &ImageFilter,
        observer: Observer<'_>,
    ) -> Vec<PublicImage> {
        let manifests = self.parts.iter().flat_map(|part| &part.manifests);
        let mut found: Vec<_> = manifests.flat_map(|manifest| invalid_images(manifest, filter)).collect();
        let locations: BTreeSet<_> = found.iter().map(PublicImage::location).collect();
        let others = self.parts.iter().zip(texts);
        let others = others.flat_map(|(part, text)| public_images(&part.text.path, text, &filter.knowledge));
        let others: Vec<_> = others.filter(|public| !locations.contains(&public.location())).collect();
        found.extend(others);
        let is_wanted =
            |public: &PublicImage| filter.admits(&public.image, None) && !filter.excludes(&public.written);
        let (wanted, excluded): (Vec<_>, Vec<_>) = found.into_iter().partition(is_wanted);
        let names: BTreeSet<_> = excluded.iter().map(|public| &public.written).collect();
        for name in names {
            observer(Event::Note(format!("note: {name} stays public: excluded by --only or --exclude")));
        }
        wanted
    }

    /// The original texts.
    pub fn texts(&self) -> Vec<String> {
        self.parts.iter().map(|part| part.text.text.clone()).collect()
    }
}

/// Rewrites every part, and determines the images that the registry lacks. Changes nothing.
///
/// # Errors
/// The registry cannot be determined or read, or a text cannot be edited.
pub async fn run(
    settings: &Settings,
    ports: &Ports,
    observer: Observer<'_>,
) -> Result<Rewritten, CommandError> {
    let Settings { filter, mirror: wanted, lock, parts } = settings;
    let mut clusters = Vec::new();
    for connection in &ports.clusters {
        clusters.push(Environment::read(connection).await?.cluster(wanted.region.as_deref()));
    }
    let inventory = inventory_of(parts.iter().flat_map(|part| &part.manifests), filter, clusters);
    for note in &inventory.notes {
        observer(Event::Warning(note.clone()));
    }
    let cluster = inventory.clusters.first();
    let mirror = match lock {
        Some(lock) => mirror_choice::locked_mirror(lock, cluster)?.clone(),
        None => mirror_choice::chosen(&ports.network, wanted, cluster).await?,
    };
    mirror_choice::refuse_maps(slice::from_ref(&mirror), &wanted.maps)?;
    let filter = filter.clone().below(vec![mirror.clone()]);

    // Each manifest is decided separately: another one of the same name may have other records.
    let region = wanted.region_of(cluster, &mirror);
    let mut assignments = Vec::new();
    let (mut texts, mut missing_derived_images) = (Vec::new(), Vec::new());
    for Part { text: read, manifests, .. } in parts {
        let mut edits = Vec::new();
        for manifest in manifests {
            let inventory = inventory_of([manifest], &filter, Vec::new());
            let own = assign(&inventory, &mirror, &wanted.maps, region.as_deref());
            edits.extend(text::edits(manifest, &own));
            let advice = text::missing_derived_images(manifest, &own).into_iter();
            missing_derived_images.extend(advice.map(|advice| format!("error: {}: {advice}", read.path)));
            assignments.extend(own);
        }
        texts.push(rewritten(read, &edits)?);
    }
    report_skipped(&assignments, observer);
    let wanted_images = wanted_images(assignments);
    let missing = if let Some(lock) = lock {
        unproven(lock, &wanted_images)
    } else {
        let stores =
            store::open(slice::from_ref(&mirror), &ports.network, Limits::default(), observer).await?;
        missing(&stores.destination(&mirror), &mirror, &wanted_images)
            .await
            .map_err(|error| CommandError::new(format!("error: {error}")))?
    };
    let public = settings.public_images(&texts, &filter, observer);
    Ok(Rewritten { texts, mirror, missing, missing_derived_images, public })
}

fn inventory_of<'m>(
    manifests: impl IntoIterator<Item = &'m Manifest>,
    filter: &ImageFilter,
    clusters: Vec<Cluster>,
) -> Inventory {
    let manifests: Vec<Manifest> = manifests.into_iter().cloned().collect();
    let found = Found { manifests: &manifests, ..Found::default() };
    discover(clusters, &[found], filter, Vec::new(), Timestamp::now())
}

fn rewritten(read: &Text, edits: &[Edit]) -> Result<String, CommandError> {
    text::rewrite(&read.text, edits)
        .map_err(|refused| CommandError::new(format!("error: {}: {refused}", read.path)))
}

fn report_skipped(assignments: &[Assignment], observer: Observer<'_>) {
    let skipped_images: BTreeSet<String> = assignments
        .iter()
        .filter_map(|assignment| match &assignment.source {
            ImageSource::Reachable(why) => Some(format!("note: {} skipped: {why}", assignment.destination)),
            _ => None,
        })
        .collect();
    for line in skipped_images {
        observer(Event::Note(line));
    }
}
