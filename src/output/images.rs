//! Renders the images that Cast AI needs.

use std::collections::BTreeSet;
use std::io;

use super::common_registry::CommonRegistry;
use super::inventory::{USES, incomplete, why};
use super::table::{self, Column};
use super::workloads::place;
use super::{document, lines, result, width_for};
use crate::model::image::Image;
use crate::model::inventory::{Explanation, Inventory, WantedImage};
use crate::output::format::OutputFormat;

/// Prints an inventory: each image by its public name if known, who uses it, and why it is included.
///
/// # Errors
/// Writing to standard output failed.
pub fn images(inventory: &Inventory, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => document(inventory, format)?,
        OutputFormat::Name => {
            let names: BTreeSet<&str> =
                inventory.images.iter().map(|wanted| name(wanted).as_written()).collect();
            lines(names.into_iter().map(str::to_owned))?;
        }
        OutputFormat::Table | OutputFormat::Wide => result(&tables(inventory, format))?,
    }
    incomplete(&inventory.unlisted, &inventory.unreadable);
    Ok(())
}

/// Cast AI's name of the image.
fn name(wanted: &WantedImage) -> &Image {
    wanted.source.as_ref().unwrap_or(&wanted.image)
}

/// Whether the image is written by a name in the mirror, so that nothing is rewritten.
fn is_private(wanted: &WantedImage) -> bool {
    wanted.source.as_ref().is_some_and(|source| *source != wanted.image)
}

fn tables(inventory: &Inventory, format: OutputFormat) -> String {
    let (width, wide) = (width_for(format), format == OutputFormat::Wide);
    let registry = CommonRegistry::of_images(inventory.images.iter().map(name), width);
    let mut images: Vec<&WantedImage> = inventory.images.iter().collect();
    images.sort_by_key(|wanted| name(wanted).as_written());
    let mut rows = Vec::new();
    for wanted in images {
        for used in &wanted.used_by {
            let (namespace, object) = place(&used.place);
            let cells = [
                registry.relative(name(wanted).as_written()),
                namespace,
                object,
                used.image_field.to_string(),
                why(wanted, used) + if is_private(wanted) { "; already private" } else { "" },
            ];
            rows.push((cells, wanted.image.to_string()));
        }
    }
    let mut text = match (rows.is_empty(), wide) {
        (true, _) => String::new(),
        (false, false) => {
            let rows: Vec<_> = rows.into_iter().map(|(cells, _)| cells).collect();
            registry.line() + &table::fitted(USES, &rows, width)
        }
        (false, true) => {
            let rows: Vec<_> = rows
                .into_iter()
                .map(|([image, namespace, object, image_field, why], written)| {
                    [image, namespace, object, image_field, why, written]
                })
                .collect();
            table::render(["IMAGE", "NAMESPACE", "USED BY", "FIELD", "WHY", "WRITTEN AS"], &rows)
        }
    };
    if let Some(explanation) = &inventory.explanation {
        text.push_str(&explained(explanation, width, text.is_empty()));
    }
    text
}

fn explained(explanation: &Explanation, width: Option<usize>, is_first: bool) -> String {
    let mut text = if is_first { String::new() } else { "\n".to_owned() };
    let searched: Vec<_> = explanation.searched.iter().map(|line| [line.clone()]).collect();
    text.push_str(&table::fitted([Column::wrapped("SEARCHED", 20)], &searched, width));
    if explanation.excluded.is_empty() {
        return text + "\nno other object looks like Cast AI's\n";
    }
    let dash = || "-".to_owned();
    let rows: Vec<_> = explanation
        .excluded
        .iter()
        .map(|excluded| {
            let (namespace, object) = place(&excluded.place);
            [
                object,
                namespace,
                excluded.image_field.as_ref().map_or_else(dash, ToString::to_string),
                excluded.image.clone().unwrap_or_else(dash),
                excluded.why.clone(),
            ]
        })
        .collect();
    let columns = [
        Column::wrapped("EXCLUDED", 20),
        Column::wrapped("NAMESPACE", 12).yielding(1).shared(),
        Column::wrapped("FIELD", 12).yielding(0).shared(),
        Column::wrapped("IMAGE", 20).yielding(2).shared(),
        Column::wrapped("WHY", 20).repeated(),
    ];
    text + "\n" + &table::fitted(columns, &rows, width)
}
