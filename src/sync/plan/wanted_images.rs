//! References in the destination, and what wants each. No I/O.

use std::collections::BTreeMap;

use crate::model::image::{Image, Mirror};
use crate::model::plan::PlannedUse;
use crate::model::provenance::Provenance;
use crate::store::Capabilities;
use crate::sync::plan::assignment::{Assignment, ImageSource};

/// One destination reference with all its uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedImage {
    pub destination: Image,
    pub source: ImageSource,
    pub provenance: Option<Provenance>,
    pub used_by: Vec<PlannedUse>,
}

/// One wanted image per destination reference, sorted. If several sources have the same destination, the most trusted one
/// is used, and the others fail with an error that names it; if none is more trusted, all fail.
pub fn wanted_images(assignments: Vec<Assignment>) -> Vec<WantedImage> {
    let mut by_destination: BTreeMap<Image, Vec<WantedImage>> = BTreeMap::new();
    for Assignment { destination, source, provenance, used_by } in assignments {
        let images = by_destination.entry(destination.clone()).or_default();
        let same = images.iter_mut().find(|image| is_one_claim(&image.source, &source));
        let Some(image) = same else {
            images.push(WantedImage { destination, source, provenance, used_by });
            continue;
        };
        image.used_by.extend(used_by);
        // One use may have evidence that another does not have, such as an annotation.
        if matches!(image.source, ImageSource::Unknown(_)) {
            (image.source, image.provenance) = (source, provenance);
        }
    }
    by_destination.into_values().flat_map(settle_conflicts).collect()
}

/// Whether two sources of one destination mean the same.
fn is_one_claim(one: &ImageSource, other: &ImageSource) -> bool {
    match (one, other) {
        (ImageSource::Known(one), ImageSource::Known(other)) => one.is_same(other),
        _ => true,
    }
}

fn settle_conflicts(mut images: Vec<WantedImage>) -> Vec<WantedImage> {
    let best = images.iter().filter_map(|image| image.provenance).min();
    let has_one_best = images.iter().filter(|image| image.provenance == best).count() == 1;
    if images.len() < 2 {
        return images;
    }
    let names: Vec<String> =
        images.iter().filter_map(|image| image.source.known()).map(Image::to_string).collect();
    for image in &mut images {
        if has_one_best && image.provenance == best {
            continue;
        }
        let Some(source) = image.source.known().cloned() else { continue };
        let others: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| *name != source.as_written()).collect();
        image.source = ImageSource::InvalidName(format!(
            "{} would also be mirrored as {}: set another name for one of them with --map",
            others.join(" and "),
            image.destination
        ));
        image.destination = source;
    }
    images
}

/// Whether every place names the destination already.
pub(super) fn is_settled(image: &WantedImage) -> bool {
    image.used_by.iter().all(|used| used.image.is_same(&image.destination))
}

impl WantedImage {
    /// Why the destination cannot have this name, with the fix, if it cannot.
    pub fn name_fault(&self, mirror: &Mirror, capabilities: &Capabilities) -> Option<String> {
        let fault = (capabilities.repository_fault)(self.destination.path())?;
        let ImageSource::Known(source) = &self.source else { return Some(fault) };
        Some(format!("{fault}: add --map {mirror}/<NAME>={}", source.repository()))
    }
}
