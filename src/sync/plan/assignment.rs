//! Determines the source of each wanted image, and its name in the mirror.
//!
//! A reference may already point to the mirror, after a rewrite or through a Helm value. Then it is translated back: by
//! `--map`, else by the naming rule, but only if the resulting name may be mirrored, because anyone can publish other
//! names. Our annotation is evidence for a name in Cast AI's own namespaces, but never maps a source to a destination:
//! anyone who may edit a workload may edit it.

use std::collections::BTreeMap;

use crate::castai::derivation;
use crate::model::image::ecr::{EcrRegistry, has_vpc_endpoint};
use crate::model::image::{Image, InvalidReference, Mirror};
use crate::model::inventory::{Inventory, Reason, Use, WantedImage};
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::model::plan::PlannedUse;
use crate::model::provenance::Provenance;
use crate::sync::provenance::provenance;

/// One destination reference, with its source and its uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name in the mirror; the image itself if it is skipped or cannot have such a name.
    pub destination: Image,
    pub source: ImageSource,
    /// The provenance of the source's name, the most trusted of its uses; `None` if there is no source.
    pub provenance: Option<Provenance>,
    pub used_by: Vec<PlannedUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    Known(Image),
    /// It is in the mirror, but its source is unknown; the text says which flag to add.
    Unknown(String),
    /// Nodes can already reach its registry; the text says why.
    Reachable(String),
    /// It cannot have a name in the mirror, or may not be mirrored; the text says why.
    InvalidName(String),
}

impl ImageSource {
    pub const fn known(&self) -> Option<&Image> {
        match self {
            Self::Known(source) => Some(source),
            Self::Unknown(_) | Self::Reachable(_) | Self::InvalidName(_) => None,
        }
    }
}

/// The maps whose private name no image uses.
pub fn unused_maps<'m>(assignments: &[Assignment], maps: &'m [NameMap]) -> Vec<&'m NameMap> {
    let is_unused = |map: &&NameMap| {
        assignments.iter().all(|assigned| assigned.destination.repository() != map.private())
    };
    maps.iter().filter(is_unused).collect()
}

/// Assigns source and destination in `mirror` to every wanted image, sorted by destination. `region` is the cluster's.
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
                ImageSource::Known(source) => {
                    // An image that is derived from an image that may be mirrored may be mirrored too.
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

/// The image and use of the container from whose image the image of `used_by` is derived at run time.
fn container_of<'i>(inventory: &'i Inventory, used_by: &Use) -> Option<(&'i WantedImage, &'i Use)> {
    let Reason::Derived { from } = &used_by.reason else {
        return None;
    };
    let wanted = inventory.images.iter().find(|wanted| &wanted.image == from)?;
    let container = wanted.used_by.iter().find(|container| container.contains_source_of(used_by))?;
    Some((wanted, container))
}

/// The destination and source of a derived image follow its container's image. Its destination is where the component
/// looks for it if such a name exists and no map sets another; otherwise a variable has to set it.
fn derive(
    image: &Image,
    used_by: &Use,
    (destination, source): (Image, ImageSource),
    mirror: &Mirror,
    maps: &[NameMap],
) -> (Image, ImageSource) {
    let Some(rule) = used_by.image_field.derived().and_then(derivation::named) else {
        return (
            image.clone(),
            ImageSource::InvalidName(format!("{} is not known to this version", used_by.image_field)),
        );
    };
    let beside = rule.found_beside(&destination);
    let mapped = beside.as_ref().ok().and_then(|beside| {
        let map = maps.iter().find(|map| map.private() == beside.repository())?;
        Some(beside.with_repository(map.public()).map_or_else(unnameable, ImageSource::Known))
    });
    let derived = match (source, mapped) {
        (source @ (ImageSource::Reachable(_) | ImageSource::InvalidName(_)), _) => {
            return (image.clone(), source);
        }
        (_, Some(source)) => return (beside.unwrap_or_else(|_| image.clone()), source),
        (source @ ImageSource::Unknown(_), None) => {
            return match beside {
                Ok(beside) => (beside, source),
                Err(why) => (image.clone(), ImageSource::InvalidName(why)),
            };
        }
        (ImageSource::Known(controller), None) => match rule.beside(&controller) {
            Ok(derived) => derived,
            Err(why) => return (image.clone(), ImageSource::InvalidName(why)),
        },
    };
    let named = match (maps.iter().find(|map| map.public() == derived.repository()), beside) {
        (Some(map), _) => derived.with_repository(map.private()),
        (None, Ok(beside)) => Ok(beside),
        (None, Err(_)) => mirror.name_of(&derived),
    };
    match named {
        Ok(named) => (named, ImageSource::Known(derived)),
        Err(error) => (image.clone(), unnameable(error)),
    }
}

/// The inputs of naming.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    pub mirror: &'a Mirror,
    pub maps: &'a [NameMap],
    pub knowledge: &'a Knowledge,
}

impl Naming<'_> {
    fn assign(&self, wanted: &WantedImage, used_by: &Use, region: Option<&str>) -> (Image, ImageSource) {
        let Self { mirror, maps, .. } = *self;
        let image = &wanted.image;
        if let Some(map) = maps.iter().find(|map| map.private() == image.repository()) {
            return (
                image.clone(),
                image.with_repository(map.public()).map_or_else(unnameable, ImageSource::Known),
            );
        }
        let is_mapped = |name: &Image| maps.iter().any(|map| map.public() == name.repository());
        if mirror.holds(image) && !is_mapped(image) {
            return (image.clone(), self.read_back(wanted, used_by));
        }
        // An image that we mirrored to another registry still has the recorded public image as its source.
        let recorded = used_by.recorded_source.as_ref();
        let source =
            recorded.filter(|source| self.provenance(source, wanted, used_by).is_some()).unwrap_or(image);
        if let (false, Some(why)) = (is_mapped(source), reachable(source, region)) {
            return (image.clone(), ImageSource::Reachable(why));
        }
        if self.provenance(source, wanted, used_by).is_none() {
            return (image.clone(), ImageSource::InvalidName(not_ours(source)));
        }
        match name_in(mirror, maps, source) {
            Ok(destination) => (destination, ImageSource::Known(source.clone())),
            Err(error) => (image.clone(), unnameable(error)),
        }
    }

    /// The provenance of a source's name; `None` if it may not be mirrored. Every use of that very name is evidence,
    /// while a record only counts for its own workload.
    fn provenance(&self, source: &Image, wanted: &WantedImage, used_by: &Use) -> Option<Provenance> {
        let others = wanted.used_by.iter().filter(|_| *source == wanted.image);
        let places = others.chain([used_by]).map(|used_by| &used_by.place);
        places.filter_map(|place| provenance(source, place, self.knowledge, self.maps)).min()
    }

    /// The source of an image that is already in the mirror: the name by the naming rule, if Cast AI is known to use
    /// it, or if a trustworthy record of ours agrees.
    fn read_back(&self, wanted: &WantedImage, used_by: &Use) -> ImageSource {
        let (image, recorded) = (&wanted.image, used_by.recorded_source.as_ref());
        let may_be_mirrored = |source: &Image| {
            self.knowledge.knows(source)
                || (recorded.is_some_and(|recorded| recorded.is_same(source))
                    && provenance(source, &used_by.place, self.knowledge, self.maps).is_some())
        };
        match self.mirror.source_of(image).filter(may_be_mirrored) {
            Some(source) => ImageSource::Known(source),
            None => ImageSource::Unknown(format!(
                "unknown source of {image}: add --map {}={}",
                image.repository(),
                recorded.map_or("<public repository>", Image::repository)
            )),
        }
    }
}

/// Why an image outside Cast AI's namespaces is not mirrored.
fn not_ours(source: &Image) -> String {
    format!(
        "{} is not a known Cast AI image and is used outside of Cast AI's namespaces: to mirror it, add \
         --include-image {source}",
        source.repository()
    )
}

/// The name of a public image in the mirror.
///
/// # Errors
/// It cannot have a name there.
pub fn name_in(mirror: &Mirror, maps: &[NameMap], source: &Image) -> Result<Image, InvalidReference> {
    match maps.iter().find(|map| map.public() == source.repository()) {
        Some(map) => source.with_repository(map.private()).map(Image::with_explicit_tag),
        None => mirror.name_of(source),
    }
}

/// Whether `destination` is a valid name for `source` in `mirror`: by a map, by the naming rule, or next to the
/// component that derives it.
pub fn follows(mirror: &Mirror, maps: &[NameMap], source: &Image, destination: &Image) -> bool {
    let is_pair = |map: &NameMap| {
        map.public() == source.repository()
            && map.private() == destination.repository()
            && source.version() == destination.version()
    };
    let is_beside = || {
        let (rule, origin) = derivation::origin_of(source)?;
        rule.found_beside(&name_in(mirror, maps, &origin).ok()?).ok()
    };
    mirror.holds(destination)
        && (maps.iter().any(is_pair)
            || mirror.name_of(source).is_ok_and(|name| name.is_same(destination))
            || is_beside().is_some_and(|name| name.is_same(destination)))
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a chain of combinators")]
fn unnameable(error: InvalidReference) -> ImageSource {
    ImageSource::InvalidName(error.to_string())
}

/// Why nodes without internet can reach this image's registry, if they can: every private ECR of the cluster's region
/// uses the same `ecr.dkr` endpoint, including EKS' own add-on registries. `public.ecr.aws` does not.
fn reachable(image: &Image, region: Option<&str>) -> Option<String> {
    let registry = EcrRegistry::of_host(image.host())?;
    if Some(registry.region.as_str()) != region || !has_vpc_endpoint(image.host()) {
        return None;
    }
    Some("already in this region's ECR; left unchanged".to_owned())
}

#[cfg(test)]
mod tests;
