//! What `sync-images` found, for people and for machines.

use std::io;

use crate::model::inventory::{Inventory, Use, WantedImage};
use crate::model::provenance::Provenance;
use crate::output::common_registry::CommonRegistry;
use crate::output::format::OutputFormat;
use crate::output::table::{self, Column, first_names};
use crate::output::workloads::place;
use crate::output::{document, lines, result, say, width_for};

/// Images and where they are used.
pub(super) const USES: [Column; 5] = [
    Column::wrapped("IMAGE", 24),
    Column::wrapped("NAMESPACE", 12).yielding(2).shared(),
    Column::wrapped("USED BY", 24),
    Column::wrapped("FIELD", 28).yielding(1).joined(),
    Column::wrapped("WHY", 20).yielding(0).repeated(),
];

/// Prints an inventory: each image, who uses it, and why it is included.
pub fn inventory(inventory: &Inventory, format: OutputFormat) -> io::Result<()> {
    images_found(inventory, format)?;
    incomplete(&inventory.unlisted, &inventory.unreadable);
    Ok(())
}

fn images_found(inventory: &Inventory, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => document(inventory, format),
        OutputFormat::Name => lines(inventory.images.iter().map(|wanted| wanted.image.to_string())),
        OutputFormat::Table | OutputFormat::Wide => {
            let width = width_for(format);
            let images = inventory.images.iter().map(|wanted| &wanted.image);
            let registry = CommonRegistry::of_images(images, width);
            let mut rows = Vec::new();
            for wanted in &inventory.images {
                for used in &wanted.used_by {
                    let (namespace, place) = place(&used.place);
                    rows.push([
                        registry.relative(wanted.image.as_written()),
                        namespace,
                        place,
                        used.image_field.to_string(),
                        why(wanted, used),
                    ]);
                }
            }
            result(&(registry.line() + &table::fitted(USES, &rows, width)))
        }
    }
}

/// Why an image is included in one place, with remarks.
pub(super) fn why(wanted: &WantedImage, used: &Use) -> String {
    let provenance = if wanted.provenance == Some(Provenance::Unknown) { "; unknown provenance" } else { "" };
    match &used.not_rewritable {
        Some(not_rewritable) => format!("{}{provenance}; not rewritable: {not_rewritable}", used.reason),
        None => format!("{}{provenance}", used.reason),
    }
}

/// Says that a result is incomplete, and how to complete it. It is the last line, so that it remains visible.
pub fn incomplete(unlisted: &[String], unreadable: &[String]) {
    if let Some(incompleteness) = incompleteness(unlisted, unreadable) {
        say(&format!("error: {incompleteness}"));
    }
}

/// What could not be looked at; `None` if there is nothing.
pub(super) fn incompleteness(unlisted: &[String], unreadable: &[String]) -> Option<String> {
    let objects = unreadable.join(", ");
    if unlisted.is_empty() {
        return (!objects.is_empty()).then(|| format!("incomplete: {objects}"));
    }
    let kinds = format!(
        "incomplete: cannot list {}: grant the role of `kubectl castai-privatelink permissions rbac` and run again",
        first_names(unlisted.iter().cloned())
    );
    Some(if objects.is_empty() { kinds } else { format!("{kinds}; {objects}") })
}
