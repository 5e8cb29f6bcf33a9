//! Which source each wanted image has, and the name it gets in the mirror.
//!
//! A reference may point at the mirror already, after a rewrite or by a Helm value. It is then read backwards: by
//! `--map`, else by the naming rule, and by that only where the name read back is one that may be mirrored, because
//! anybody can publish the others. Our annotation can vouch for a name in Cast AI's own namespaces, but never pairs a
//! source with a destination: every user who may edit a workload may edit it.

use std::collections::BTreeMap;

use crate::castai::derivation;
use crate::model::image::ecr::EcrRegistry;
use crate::model::image::{Image, InvalidReference, Mirror};
use crate::model::inventory::{Inventory, Reason, Use, WantedImage};
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::model::plan::PlannedUse;
use crate::model::provenance::Provenance;
use crate::sync::provenance::provenance;

/// One destination reference, where it comes from, and the places that use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name in the mirror; the image itself where it is left alone or cannot have one.
    pub destination: Image,
    pub source: Source,
    /// Where the source's name comes from, the most trusted of its uses; absent where no source is known.
    pub provenance: Option<Provenance>,
    pub used_by: Vec<PlannedUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Known(Image),
    /// It is in the mirror, but its source is unknown; the text says what to add.
    Unknown(String),
    /// Nodes reach its registry anyway; the text says why.
    Reachable(String),
    /// It cannot have a name in the mirror, or may not be mirrored; the text says why.
    InvalidName(String),
}

impl Source {
    pub const fn known(&self) -> Option<&Image> {
        match self {
            Self::Known(source) => Some(source),
            Self::Unknown(_) | Self::Reachable(_) | Self::InvalidName(_) => None,
        }
    }
}

/// The maps whose private name no image has.
pub fn unused_maps<'m>(assignments: &[Assignment], maps: &'m [NameMap]) -> Vec<&'m NameMap> {
    let is_unused = |map: &&NameMap| {
        assignments.iter().all(|assigned| assigned.destination.repository() != map.private())
    };
    maps.iter().filter(is_unused).collect()
}

/// Gives every wanted image its source and its name in `mirror`, in order of that name. `region` is the cluster's.
pub fn assign(
    inventory: &Inventory,
    mirror: &Mirror,
    maps: &[NameMap],
    region: Option<&str>,
) -> Vec<Assignment> {
    let naming = Naming { mirror, maps, knowledge: &inventory.knowledge };
    let mut assignments: BTreeMap<(Image, Option<Image>), Assignment> = BTreeMap::new();
    for wanted in &inventory.images {
        for used_by in &wanted.used_by {
            let container = container_of(inventory, used_by);
            let (destination, source) = match container {
                Some((container, container_use)) => {
                    let assigned = naming.assign(container, container_use, region);
                    derive(&wanted.image, used_by, assigned, mirror, maps)
                }
                None => naming.assign(wanted, used_by, region),
            };
            let (key, provenance) = match &source {
                Source::Known(source) => {
                    // What a component derives from an image that may be mirrored comes with it.
                    let derived = container.map(|_| Provenance::Unknown);
                    (Some(source.clone()), naming.provenance(source, wanted, used_by).or(derived))
                }
                _ => (None, None),
            };
            let assigned = assignments.entry((destination.clone(), key)).or_insert_with(|| Assignment {
                destination,
                source,
                provenance,
                used_by: Vec::new(),
            });
            assigned.provenance = assigned.provenance.min(provenance);
            assigned.used_by.push(PlannedUse { image: wanted.image.clone(), used_by: used_by.clone() });
        }
    }
    assignments.into_values().collect()
}

/// The image and the place of the container that makes the image of `used_by` out of its own at run time.
fn container_of<'i>(inventory: &'i Inventory, used_by: &Use) -> Option<(&'i WantedImage, &'i Use)> {
    let Reason::Derived { from } = &used_by.reason else {
        return None;
    };
    let wanted = inventory.images.iter().find(|wanted| &wanted.image == from)?;
    let container = wanted.used_by.iter().find(|container| container.contains_source_of(used_by))?;
    Some((wanted, container))
}

/// The destination and source of a derived image follow its container's. It lies where the component looks for it, as
/// long as there can be such a name and nobody gave it another one; else the component has to be told by a variable.
fn derive(
    image: &Image,
    used_by: &Use,
    (destination, source): (Image, Source),
    mirror: &Mirror,
    maps: &[NameMap],
) -> (Image, Source) {
    let Some(rule) = used_by.image_field.derived().and_then(derivation::named) else {
        return (
            image.clone(),
            Source::InvalidName(format!("{} is not known to this version", used_by.image_field)),
        );
    };
    let beside = rule.found_beside(&destination);
    let mapped = beside.as_ref().ok().and_then(|beside| {
        let map = maps.iter().find(|map| map.private() == beside.repository())?;
        Some(beside.with_repository(map.public()).map_or_else(unnameable, Source::Known))
    });
    let derived = match (source, mapped) {
        (source @ (Source::Reachable(_) | Source::InvalidName(_)), _) => return (image.clone(), source),
        (_, Some(source)) => return (beside.unwrap_or_else(|_| image.clone()), source),
        (source @ Source::Unknown(_), None) => {
            return match beside {
                Ok(beside) => (beside, source),
                Err(why) => (image.clone(), Source::InvalidName(why)),
            };
        }
        (Source::Known(controller), None) => match rule.beside(&controller) {
            Ok(derived) => derived,
            Err(why) => return (image.clone(), Source::InvalidName(why)),
        },
    };
    let named = match (maps.iter().find(|map| map.public() == derived.repository()), beside) {
        (Some(map), _) => derived.with_repository(map.private()),
        (None, Ok(beside)) => Ok(beside),
        (None, Err(_)) => mirror.name_of(&derived),
    };
    match named {
        Ok(named) => (named, Source::Known(derived)),
        Err(error) => (image.clone(), unnameable(error)),
    }
}

/// What names are given and read by.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    pub mirror: &'a Mirror,
    pub maps: &'a [NameMap],
    pub knowledge: &'a Knowledge,
}

impl Naming<'_> {
    fn assign(&self, wanted: &WantedImage, used_by: &Use, region: Option<&str>) -> (Image, Source) {
        let Self { mirror, maps, .. } = *self;
        let image = &wanted.image;
        if let Some(map) = maps.iter().find(|map| map.private() == image.repository()) {
            return (
                image.clone(),
                image.with_repository(map.public()).map_or_else(unnameable, Source::Known),
            );
        }
        let is_mapped = |name: &Image| maps.iter().any(|map| map.public() == name.repository());
        if mirror.holds(image) && !is_mapped(image) {
            return (image.clone(), self.read_back(wanted, used_by));
        }
        // What we mirrored to another registry is still the public image, wherever it lies now.
        let recorded = used_by.recorded_source.as_ref();
        let source =
            recorded.filter(|source| self.provenance(source, wanted, used_by).is_some()).unwrap_or(image);
        if let (false, Some(why)) = (is_mapped(source), reachable(source, region)) {
            return (image.clone(), Source::Reachable(why));
        }
        if self.provenance(source, wanted, used_by).is_none() {
            return (image.clone(), Source::InvalidName(not_ours(source)));
        }
        match name_in(mirror, maps, source) {
            Ok(destination) => (destination, Source::Known(source.clone())),
            Err(error) => (image.clone(), unnameable(error)),
        }
    }

    /// Where the name of a source comes from; none where it may not be mirrored. Every place that writes the very name
    /// vouches for it, while a record speaks for its own workload alone.
    fn provenance(&self, source: &Image, wanted: &WantedImage, used_by: &Use) -> Option<Provenance> {
        let others = wanted.used_by.iter().filter(|_| *source == wanted.image);
        let places = others.chain([used_by]).map(|used_by| &used_by.place);
        places.filter_map(|place| provenance(source, place, self.knowledge, self.maps)).min()
    }

    /// The source of an image that lies in the mirror already: what the naming rule reads there, if Cast AI is known to
    /// use it, or if our record says the same where it can be believed.
    fn read_back(&self, wanted: &WantedImage, used_by: &Use) -> Source {
        let (image, recorded) = (&wanted.image, used_by.recorded_source.as_ref());
        let may_be_mirrored = |source: &Image| {
            self.knowledge.knows(source)
                || (recorded.is_some_and(|recorded| recorded.is_same(source))
                    && provenance(source, &used_by.place, self.knowledge, self.maps).is_some())
        };
        match self.mirror.source_of(image).filter(may_be_mirrored) {
            Some(source) => Source::Known(source),
            None => Source::Unknown(format!(
                "unknown source of {image}: add --map {}={}",
                image.repository(),
                recorded.map_or("<public repository>", Image::repository)
            )),
        }
    }
}

/// Why an image is not mirrored that something outside of Cast AI's namespaces names.
fn not_ours(source: &Image) -> String {
    format!(
        "{} is not a known Cast AI image and is used outside of Cast AI's namespaces: to mirror it, add \
         --include-image {source}",
        source.repository()
    )
}

/// What a public image is called in the mirror.
///
/// # Errors
/// It can have no name there.
pub fn name_in(mirror: &Mirror, maps: &[NameMap], source: &Image) -> Result<Image, InvalidReference> {
    match maps.iter().find(|map| map.public() == source.repository()) {
        Some(map) => source.with_repository(map.private()).map(Image::with_explicit_tag),
        None => mirror.name_of(source),
    }
}

/// Whether `destination` is a name that `source` can get in `mirror`: by a map, by the naming rule, or beside the
/// component that derives it.
pub fn follows(mirror: &Mirror, maps: &[NameMap], source: &Image, destination: &Image) -> bool {
    let is_pair = |map: &NameMap| {
        map.public() == source.repository()
            && map.private() == destination.repository()
            && source.version() == destination.version()
    };
    let is_beside = || {
        let (rule, provenance) = derivation::origin_of(source)?;
        rule.found_beside(&name_in(mirror, maps, &provenance).ok()?).ok()
    };
    mirror.holds(destination)
        && (maps.iter().any(is_pair)
            || mirror.name_of(source).is_ok_and(|name| name.is_same(destination))
            || is_beside().is_some_and(|name| name.is_same(destination)))
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a chain of combinators")]
fn unnameable(error: InvalidReference) -> Source {
    Source::InvalidName(error.to_string())
}

/// Why nodes without internet reach this image's registry, if they do: any private ECR of the cluster's region is
/// behind the same `ecr.dkr` endpoint, EKS' own add-on registries included. `public.ecr.aws` is not one of them.
fn reachable(image: &Image, region: Option<&str>) -> Option<String> {
    let registry = EcrRegistry::of_host(image.host())?;
    if Some(registry.region.as_str()) != region {
        return None;
    }
    Some(format!("nodes can pull from private ECR registries of {}", registry.region))
}

#[cfg(test)]
mod tests;
