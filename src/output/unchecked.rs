//! Images of which something could not be read, with the causes, for a last line.

use std::collections::BTreeSet;

use crate::output::causes::{Cause, Causes};
use crate::output::inventory::incompleteness;
use crate::output::say;
use crate::output::table::count;
use crate::printable::one_line;
use crate::sync::report::{ImageResult, SyncReport};

/// Maximum length of a cause, in characters, so that the text after it remains visible.
const CAUSE_LIMIT: usize = 400;

/// What `status --upstream` and `sync-images` compare with the content of the registry.
pub(super) const PUBLIC_TAGS: &str = "public tags not checked:";

/// `what` was not read, of how many images `place` names, and the most frequent cause; `None` if there is none.
pub(super) fn unchecked(what: &str, place: &str, causes: &Causes<'_, &str>) -> Option<String> {
    let causes = causes.all();
    let most = causes.iter().max_by_key(|cause| cause.items.len())?;
    let cause = one_line(&most.message, CAUSE_LIMIT);
    let images: BTreeSet<_> = causes.iter().flat_map(|cause| &cause.items).collect();
    let images = count(images.len(), "image");
    Some(match causes.len() {
        1 => format!("{what} {images}{place}: {cause}"),
        number => format!("{what} {images}{place}: {number} causes, such as: {cause}"),
    })
}

/// Optional sources that were not read, which change no exit code, as the end of a last line; empty if there are none.
pub(super) fn not_read(sources: &[String]) -> String {
    match sources {
        [] => String::new(),
        sources => format!("; not read: {}", sources.join(", ")),
    }
}

/// Whether all Helm releases could be read.
pub(super) fn are_releases_read(not_read: &[String]) -> bool {
    !not_read.iter().any(|source| source == "Helm releases")
}

/// Says what a run could not look at. It is the last line, so that it remains visible.
pub(super) fn incomplete_run(report: &SyncReport) {
    let unread = incompleteness(&report.unlisted, &report.unreadable);
    let prefix = if unread.is_some() { "" } else { "incomplete: " };
    let not_compared = unchecked(&format!("{prefix}{PUBLIC_TAGS}"), "", &not_compared(report));
    let parts: Vec<_> = unread.into_iter().chain(not_compared).collect();
    if !parts.is_empty() {
        say(&format!("error: {}", parts.join("; ")));
    }
}

/// Names the images that could not be compared; a single cause is in the last line.
pub(super) fn not_compared_problems(report: &SyncReport) {
    let causes = not_compared(report);
    for Cause { message, items, .. } in causes.all().iter().filter(|_| causes.all().len() > 1) {
        let images = items.iter().copied().collect::<Vec<_>>().join(", ");
        say(&format!("note: {images}: not compared with the public tag: {message}"));
    }
}

/// The images that could not be compared with their sources, by cause.
fn not_compared(report: &SyncReport) -> Causes<'_, &str> {
    let mut causes = Causes::new();
    for image in report.images.iter().filter(|image| image.result == ImageResult::NotCompared) {
        let message = image.message.as_deref().unwrap_or_default();
        causes.add(message, [&image.image, &image.destination], image.image.as_written());
    }
    causes
}
