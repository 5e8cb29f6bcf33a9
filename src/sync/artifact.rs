//! Validates locks and plans from files. Write access to such a file must not be enough to decide what is written to a
//! registry or to workloads: every destination has to follow from its source.

pub mod file;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Digest, Image, Mirror, Version};
use crate::model::knowledge::Knowledge;
use crate::model::lock::Lock;
use crate::model::name_map::NameMap;
use crate::model::plan::{DestinationPlan, Plan, PlannedImage, RegistryKind};
use crate::sync::plan::assignment::follows;
use crate::sync::provenance::provenance;

/// An invalid entry of a lock or plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry}: {why}")]
pub struct InvalidArtifact {
    /// The entry's destination.
    entry: String,
    why: String,
    pub hint: Option<String>,
}

impl InvalidArtifact {
    fn new(entry: &impl ToString, why: impl Into<String>) -> Self {
        Self { entry: entry.to_string(), why: why.into(), hint: None }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Validates every entry of a lock with the maps of this run.
///
/// # Errors
/// A destination is outside the lock's mirror, does not follow from its source, occurs twice, or is pinned to another
/// digest than the verified one.
pub fn check_lock(lock: &Lock, maps: &[NameMap]) -> Result<(), InvalidArtifact> {
    let mut names = Names::default();
    one_destination(lock.destinations.iter().map(|locked| &locked.mirror))?;
    for locked in &lock.destinations {
        for image in &locked.images {
            check_name(&locked.mirror, maps, &image.source, &image.destination)?;
            check_pins(&image.source, &image.destination, &image.digest)?;
            names.add(&image.destination, &image.digest)?;
        }
    }
    Ok(())
}

/// Validates every image of a plan that would be written or is treated as present.
///
/// # Errors
/// As [`check_lock`], or a source may not be mirrored, or the content to write is incomplete.
pub fn check_plan(plan: &Plan, maps: &[NameMap], knowledge: &Knowledge) -> Result<(), InvalidArtifact> {
    let mut names = Names::default();
    one_destination(plan.destinations.iter().map(|destination| &destination.mirror))?;
    for destination in &plan.destinations {
        check_registry(destination)?;
        for image in &destination.images {
            let Some(content) = image.step.content() else { continue };
            let source = image
                .source
                .as_ref()
                .ok_or_else(|| InvalidArtifact::new(&image.destination, "it has content but no source"))?;
            check_name(&destination.mirror, maps, source, &image.destination)?;
            check_pins(source, &image.destination, &content.digest)?;
            check_origin(image, source, maps, knowledge)?;
            let has_root = content.manifests.iter().any(|manifest| manifest.digest == content.digest);
            if image.step.to_write().is_some() && !has_root {
                let why = format!("missing manifest {}", content.digest);
                return Err(InvalidArtifact::new(&image.destination, why));
            }
            names.add(&image.destination, &content.digest)?;
        }
    }
    Ok(())
}

/// A second destination would be written to without being shown.
fn one_destination<'m>(mut mirrors: impl Iterator<Item = &'m Mirror>) -> Result<(), InvalidArtifact> {
    match mirrors.nth(1) {
        Some(second) => Err(InvalidArtifact::new(second, "only one destination is supported")),
        None => Ok(()),
    }
}

/// The names of the entries so far: versions by repository, and the digest of each tag in the mirror.
#[derive(Default)]
struct Names<'i> {
    versions: BTreeSet<(&'i str, &'i Version)>,
    tags: BTreeMap<(&'i str, Cow<'i, str>), &'i Digest>,
}

impl<'i> Names<'i> {
    /// Each name, however written, is one version of one repository, and each tag has one digest.
    fn add(&mut self, name: &'i Image, digest: &'i Digest) -> Result<(), InvalidArtifact> {
        if !self.versions.insert((name.path(), name.version())) {
            return Err(InvalidArtifact::new(name, "duplicate entry"));
        }
        let tag = name.version().stored_tag();
        match self.tags.insert((name.path(), tag.clone()), digest) {
            Some(other) if other != digest => Err(InvalidArtifact::new(
                name,
                format!("conflicting digests for its tag {tag}: {other} and {digest}"),
            )),
            _ => Ok(()),
        }
    }
}

fn check_registry(plan: &DestinationPlan) -> Result<(), InvalidArtifact> {
    if RegistryKind::of_host(&plan.mirror.registry) == plan.registry {
        return Ok(());
    }
    Err(InvalidArtifact::new(&plan.mirror, "the registry kind does not match its name"))
}

fn check_name(
    mirror: &Mirror,
    maps: &[NameMap],
    source: &Image,
    destination: &Image,
) -> Result<(), InvalidArtifact> {
    if !mirror.holds(destination) {
        return Err(InvalidArtifact::new(destination, format!("it is outside of {mirror}")));
    }
    if follows(mirror, maps, source, destination) {
        return Ok(());
    }
    let hint = format!(
        "if the file was created with --map, pass the same flag here: --map {}={}",
        destination.repository(),
        source.repository()
    );
    Err(InvalidArtifact::new(destination, format!("unexpected name of {source} in {mirror}")).with_hint(hint))
}

/// A digest in a name must be the digest of its content.
fn check_pins(source: &Image, destination: &Image, digest: &Digest) -> Result<(), InvalidArtifact> {
    let pins = [source, destination].into_iter().filter_map(|image| image.version().digest());
    match pins.into_iter().find(|pinned| *pinned != digest) {
        Some(pinned) => Err(InvalidArtifact::new(
            destination,
            format!(
                "digest mismatch: pinned to {pinned}, but its \
                                                           content is {digest}"
            ),
        )),
        None => Ok(()),
    }
}

fn check_origin(
    image: &PlannedImage,
    source: &Image,
    maps: &[NameMap],
    knowledge: &Knowledge,
) -> Result<(), InvalidArtifact> {
    let mut places = image.used_by.iter().map(|used| &used.used_by.place);
    if places.any(|place| provenance(source, place, knowledge, maps).is_some()) {
        return Ok(());
    }
    let why = format!(
        "{source} is not a known Cast AI image, and no workload in Cast AI's namespaces uses \
                       it"
    );
    let hint = "if it was added when the plan was created, pass the same flag here: --include-image, \
                --image-prefix or --knowledge";
    Err(InvalidArtifact::new(&image.destination, why).with_hint(hint))
}

#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod tests;
