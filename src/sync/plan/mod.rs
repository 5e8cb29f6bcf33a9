//! What has to be copied where: names in the mirror, and what registries hold of them.

pub mod assignment;
pub mod content;
pub mod decide;
pub mod prepare;
pub mod tree;

use self::assignment::{Assignment, assign, unused_maps};
use crate::event::{Event, Observer};
use crate::model::image::Mirror;
use crate::model::inventory::Inventory;
use crate::model::name_map::NameMap;

/// Gives every image of `inventory` its name in `mirror`, and warns of each map that decides none: most likely it is
/// misspelt.
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
