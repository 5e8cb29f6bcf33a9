//! What `rewrite` says where it prints nothing.

use std::collections::BTreeSet;

use crate::model::image::Mirror;
use crate::model::inventory::Place;
use crate::output::{error, say};
use crate::sync::plan::wanted_images::WantedImage;
use crate::sync::presence::{Missing, Why};
use crate::sync::public::PublicImage;

/// Says which images the mirror lacks, and `way` to mirror them.
pub fn missing_images(way: &str, mirror: &Mirror, missing: &[Missing]) {
    for Missing { wanted_image, why } in missing {
        let image = wanted_image.used_by.first().map_or(&wanted_image.destination, |used| &used.image);
        let (Why::Absent(why) | Why::Unknown(why)) = why;
        say(&format!("error: image {image} of {}: {why}", needing(wanted_image)));
    }
    let is_absent = missing.iter().any(|missing| matches!(missing.why, Why::Absent(_)));
    let message = if is_absent {
        format!("error: nothing printed: some images were not found in {mirror}")
    } else {
        format!("error: nothing printed: cannot look up images in {mirror}")
    };
    error(&message, is_absent.then_some(way));
}

/// Says which images of Cast AI stay public, some because their names are invalid, and what to do.
pub fn public_images(public: &[PublicImage]) {
    for PublicImage { path, manifest, field, written, invalid, .. } in public {
        let place = in_file(manifest, path);
        match invalid {
            Some(why) => {
                say(&format!("error: image {written} of {place} cannot be rewritten at {field}: {why}"));
            }
            None => say(&format!("error: image {written} of {place} stays public at {field}")),
        }
    }
    if public.iter().all(|public| public.invalid.is_some()) {
        return error(
            "error: nothing printed: names of images of Cast AI are invalid",
            Some("correct these names, or leave them as they are with --exclude IMAGE"),
        );
    }
    error(
        "error: nothing printed: images of Cast AI stay public, because rewrite only changes images of pods",
        Some(
            "set private names there, for charts with `values helm`; or accept the public ones with \
             --exclude IMAGE",
        ),
    );
}

fn in_file(manifest: &str, path: &str) -> String {
    match path {
        "-" => format!("{manifest} in the standard input"),
        path => format!("{manifest} in {path}"),
    }
}

/// A manifest that needs the image, and how many more do.
fn needing(wanted_image: &WantedImage) -> String {
    let places: BTreeSet<&Place> = wanted_image.used_by.iter().map(|used| &used.used_by.place).collect();
    let first = match places.first() {
        Some(Place::File { path, manifest }) => in_file(manifest, path),
        _ => "a manifest".to_owned(),
    };
    match places.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}
