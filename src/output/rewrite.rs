//! What `rewrite` says where it prints nothing.

use std::collections::BTreeSet;

use crate::model::image::Mirror;
use crate::model::inventory::Place;
use crate::output::{error, say};
use crate::sync::plan::targets::Target;
use crate::sync::presence::{Missing, Why};

/// Says which images the mirror lacks, and `way` to mirror them.
pub fn missing_images(way: &str, mirror: &Mirror, missing: &[Missing]) {
    for Missing { target, why } in missing {
        let image = target.used_by.first().map_or(&target.destination, |used| &used.image);
        let (Why::Absent(why) | Why::Unknown(why)) = why;
        say(&format!("error: image {image} of {}: {why}", needing(target)));
    }
    let message = format!("error: nothing printed: some images were not found in {mirror}");
    let is_absent = missing.iter().any(|missing| matches!(missing.why, Why::Absent(_)));
    error(&message, is_absent.then_some(way));
}

/// A manifest that needs the image, and how many more do.
fn needing(target: &Target) -> String {
    let places: BTreeSet<&Place> = target.used_by.iter().map(|used| &used.used_by.place).collect();
    let first = match places.first() {
        Some(Place::File { path, manifest }) if path == "-" => format!("{manifest} in the standard input"),
        Some(Place::File { path, manifest }) => format!("{manifest} in {path}"),
        _ => "a manifest".to_owned(),
    };
    match places.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}
