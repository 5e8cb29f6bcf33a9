//! Which source each wanted image has, and the name it gets in the mirror.
//!
//! A reference may point at the mirror already, after a rewrite or by a Helm value. It is then read backwards: by
//! `--map`, else by our annotation, else by the layout, and by layout only where the name read back is one that
//! Cast AI is known to use, because anybody can publish the others.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::castai::components;
use crate::castai::knowledge::Knowledge;
use crate::image::ecr::EcrRegistry;
use crate::image::{Image, InvalidReference, Mirror};
use crate::printable::without_login;
use crate::sync::inventory::{Inventory, Reason, Use};
use crate::sync::plan::PlannedUse;

/// One destination reference, where it comes from, and the places that use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name in the mirror; the image itself where it is left alone or cannot have one.
    pub destination: Image,
    pub source: Source,
    pub used_by: Vec<PlannedUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Known(Image),
    /// It lies in the mirror, and nobody knows what was mirrored under that name; the text says what to add.
    Unknown(String),
    /// Nodes reach its registry anyway; the text says why.
    Reachable(String),
    /// It cannot have a name in the mirror; the text says why.
    Unnameable(String),
}

/// `--map PRIVATE=PUBLIC`: two repositories, of which the first is the name of the second in the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMap {
    private: String,
    public: String,
}

impl NameMap {
    pub fn private(&self) -> &str {
        &self.private
    }

    pub fn public(&self) -> &str {
        &self.public
    }
}

impl FromStr for NameMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usage = || {
            format!("expected PRIVATE=PUBLIC, two repositories without tags, not {:?}", without_login(text))
        };
        let (private, public) = text.split_once('=').ok_or_else(usage)?;
        let repository = |name: &str| -> Result<String, String> {
            let image: Image = name.parse().map_err(|error: InvalidReference| error.to_string())?;
            if image.repository() == name { Ok(name.to_owned()) } else { Err(usage()) }
        };
        Ok(Self { private: repository(private)?, public: repository(public)? })
    }
}

impl fmt::Display for NameMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.private, self.public)
    }
}

/// The maps whose private name no image has.
pub fn unused_maps<'m>(assignments: &[Assignment], maps: &'m [NameMap]) -> Vec<&'m NameMap> {
    let is_unused =
        |map: &&NameMap| assignments.iter().all(|assigned| assigned.destination.repository() != map.private);
    maps.iter().filter(is_unused).collect()
}

/// Gives every wanted image its source and its name in `mirror`, in order of that name. `region` is the cluster's.
pub fn assign(
    inventory: &Inventory,
    mirror: &Mirror,
    maps: &[NameMap],
    region: Option<&str>,
) -> Vec<Assignment> {
    let mut assignments: BTreeMap<(Image, Option<Image>), Assignment> = BTreeMap::new();
    for wanted in &inventory.images {
        for used_by in &wanted.used_by {
            let assign_one =
                |image, used_by| assign_one(image, used_by, (mirror, &inventory.knowledge), maps, region);
            let (destination, source) = match container_of(inventory, used_by) {
                Some((image, container)) => derive(&wanted.image, assign_one(image, container), mirror, maps),
                None => assign_one(&wanted.image, used_by),
            };
            let key = match &source {
                Source::Known(source) => Some(source.clone()),
                _ => None,
            };
            assignments
                .entry((destination.clone(), key))
                .or_insert_with(|| Assignment { destination, source, used_by: Vec::new() })
                .used_by
                .push(PlannedUse { image: wanted.image.clone(), used_by: used_by.clone() });
        }
    }
    assignments.into_values().collect()
}

/// The image and the place of the container that makes the image of `used_by` out of its own at run time.
fn container_of<'i>(inventory: &'i Inventory, used_by: &Use) -> Option<(&'i Image, &'i Use)> {
    let Reason::Derived { from } = &used_by.reason else {
        return None;
    };
    let wanted = inventory.images.iter().find(|wanted| &wanted.image == from)?;
    let container = wanted.used_by.iter().find(|container| container.contains_source_of(used_by))?;
    Some((&wanted.image, container))
}

/// The destination and source of a derived image follow its container's. It lies where the component looks for it, as
/// long as there can be such a name and nobody gave it another one; else the component has to be told by a variable.
fn derive(
    image: &Image,
    (destination, source): (Image, Source),
    mirror: &Mirror,
    maps: &[NameMap],
) -> (Image, Source) {
    let beside = components::scanners_image(&destination);
    let mapped = beside.as_ref().ok().and_then(|beside| {
        let map = maps.iter().find(|map| map.private == beside.repository())?;
        Some(beside.with_repository(&map.public).map_or_else(unnameable, Source::Known))
    });
    let scanners = match (source, mapped) {
        (source @ (Source::Reachable(_) | Source::Unnameable(_)), _) => return (image.clone(), source),
        (_, Some(source)) => return (beside.unwrap_or_else(|_| image.clone()), source),
        (source @ Source::Unknown(_), None) => {
            return match beside {
                Ok(beside) => (beside, source),
                Err(why) => (image.clone(), Source::Unnameable(why)),
            };
        }
        (Source::Known(controller), None) => match components::scanners_of(&controller) {
            Ok(scanners) => scanners,
            Err(why) => return (image.clone(), Source::Unnameable(why)),
        },
    };
    let named = match (maps.iter().find(|map| map.public == scanners.repository()), beside) {
        (Some(map), _) => scanners.with_repository(&map.private),
        // It was mirrored under this name before.
        (None, _) if mirror.holds(image) => Ok(image.clone()),
        (None, Ok(beside)) => Ok(beside),
        (None, Err(_)) => mirror.name_of(&scanners),
    };
    match named {
        Ok(named) => (named, Source::Known(scanners)),
        Err(error) => (image.clone(), unnameable(error)),
    }
}

fn assign_one(
    image: &Image,
    used_by: &Use,
    (mirror, knowledge): (&Mirror, &Knowledge),
    maps: &[NameMap],
    region: Option<&str>,
) -> (Image, Source) {
    if let Some(map) = maps.iter().find(|map| map.private == image.repository()) {
        return (image.clone(), image.with_repository(&map.public).map_or_else(unnameable, Source::Known));
    }
    if mirror.holds(image) && !maps.iter().any(|map| map.public == image.repository()) {
        return (image.clone(), read_back(image, used_by, mirror, knowledge));
    }
    // What we mirrored to another registry is still the public image, wherever it lies now.
    let source = used_by.recorded_source.as_ref().unwrap_or(image);
    let is_mapped = maps.iter().any(|map| map.public == source.repository());
    if let (false, Some(why)) = (is_mapped, reachable(source, region)) {
        return (image.clone(), Source::Reachable(why));
    }
    match name_in(mirror, maps, source) {
        Ok(destination) => (destination, Source::Known(source.clone())),
        Err(error) => (image.clone(), unnameable(error)),
    }
}

/// What a public image is called in the mirror.
///
/// # Errors
/// It can have no name there.
pub fn name_in(mirror: &Mirror, maps: &[NameMap], source: &Image) -> Result<Image, InvalidReference> {
    match maps.iter().find(|map| map.public == source.repository()) {
        Some(map) => source.with_repository(&map.private).map(Image::with_explicit_tag),
        None => mirror.name_of(source),
    }
}

/// The source of an image that lies in the mirror already.
fn read_back(image: &Image, used_by: &Use, mirror: &Mirror, knowledge: &Knowledge) -> Source {
    if let Some(recorded) = &used_by.recorded_source {
        return Source::Known(recorded.clone());
    }
    match mirror.source_of(image).filter(|source| knowledge.knows(source)) {
        Some(source) => Source::Known(source),
        None => Source::Unknown(format!(
            "what was mirrored as {image} is unknown: add --map {}=<public repository>",
            image.repository()
        )),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a chain of combinators")]
fn unnameable(error: InvalidReference) -> Source {
    Source::Unnameable(error.to_string())
}

/// Why nodes without internet reach this image's registry, if they do: any private ECR of the cluster's region is
/// behind the same `ecr.dkr` endpoint, EKS' own add-on registries included. `public.ecr.aws` is not one of them.
fn reachable(image: &Image, region: Option<&str>) -> Option<String> {
    let registry = EcrRegistry::of_host(image.host())?;
    if Some(registry.region.as_str()) != region {
        return None;
    }
    Some(format!("nodes reach private ECR registries of {}", registry.region))
}

#[cfg(test)]
mod tests;
