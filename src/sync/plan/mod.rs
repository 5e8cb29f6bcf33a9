//! Plans what to copy: names in the mirror, and the content of registries.

pub mod assignment;
pub mod attestations;
pub mod content;
pub mod decide;
pub mod prepare;
pub mod repositories;
pub mod resolve;
pub mod tree;
pub mod uploads;
pub mod wanted_images;

use self::assignment::{Assignment, assign, unused_maps};
use crate::event::{Event, Observer};
use crate::model::image::Mirror;
use crate::model::inventory::Inventory;
use crate::model::name_map::NameMap;

/// Assigns a name in `mirror` to every image of `inventory`, and warns of each map that matches no image, which is
/// probably misspelt.
pub fn assign_all(
    inventory: &Inventory,
    mirror: &Mirror,
    maps: &[NameMap],
    region: Option<&str>,
    observer: Observer<'_>,
) -> Vec<Assignment> {
    let assignments = assign(inventory, mirror, maps, region);
    for map in unused_maps(&assignments, maps) {
        observer(Event::Warning(format!("--map {map} matches no image: check both names")));
    }
    assignments
}
