//! The conclusion of a run, in one sentence.

use std::fmt::Write as _;

use crate::model::image::Mirror;
use crate::output::ownership::is_relinquishment;
use crate::output::table::count;
use crate::sync::report::{ImageResult, SyncReport};
use crate::sync::rollout::Outcome;

/// Where a run mirrors to, for a sentence.
pub fn mirrors(destinations: &[Mirror]) -> String {
    destinations.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

pub(super) fn nothing_to_do(report: &SyncReport, rewriting: bool) -> String {
    let up_to_date = report.images.iter().filter(|image| image.result == ImageResult::UpToDate).count();
    let mut text = "up to date".to_owned();
    if up_to_date > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {} holds {}", mirrors(&report.destinations), count(up_to_date, "image"));
    }
    let using = report.workloads.iter().filter(|workload| workload.outcome == Outcome::Unchanged).count();
    if rewriting && using > 0 {
        let _ = write!(text, ", used by {}", count(using, "workload"));
    }
    text + &not_read(report) + "\n"
}

/// Optional sources, which do not change the exit code.
fn not_read(report: &SyncReport) -> String {
    match &report.not_read[..] {
        [] => String::new(),
        sources => format!("; not read: {}", sources.join(", ")),
    }
}

/// The conclusion of a run that did something, in one sentence.
pub(super) fn conclusion(report: &SyncReport) -> String {
    let images = |result| report.images.iter().filter(|image| image.result == result).count();
    let (copied, replaced) = (images(ImageResult::Copied), images(ImageResult::Replaced));
    let removed = images(ImageResult::TagRemoved);
    let held = copied + replaced + images(ImageResult::UpToDate) + images(ImageResult::NotCompared) + removed;
    let written = report.workloads.iter().filter(|one| one.outcome == Outcome::Updated);
    let (relinquished, updated): (Vec<_>, Vec<_>) = written.partition(|one| is_relinquishment(one));
    let waiting = report.workloads.iter().filter(|one| one.needs_attention()).count();
    let mut parts = Vec::new();
    if held > 0 {
        let replaced = if replaced > 0 { format!(", {replaced} replaced") } else { String::new() };
        let mirrors = mirrors(&report.destinations);
        parts.push(format!("{mirrors} holds {}, {copied} of them new{replaced}", count(held, "image")));
    }
    if !updated.is_empty() {
        parts.push(format!("{} updated", count(updated.len(), "workload")));
    }
    if !relinquished.is_empty() {
        parts.push(format!("ownership relinquished on {}", count(relinquished.len(), "workload")));
    }
    if !report.needs_attention() {
        return format!("done: {}{}", parts.join("; "), not_read(report));
    }
    let failed = images(ImageResult::Failed) + images(ImageResult::Missing);
    let failures = [
        (failed, "image", "failed"),
        (waiting, "workload", "not updated"),
        (removed, "image", "whose public tag was removed"),
    ];
    let failures = failures.into_iter().filter(|(number, ..)| *number > 0);
    let mut failures =
        failures.map(|(number, noun, what)| format!("{} {what}", count(number, noun))).peekable();
    // What could not be looked at is named in the line after this one, which says that the run is incomplete.
    if failures.peek().is_none() {
        return parts.join("; ") + &not_read(report);
    }
    let parts = failures.chain(parts).collect::<Vec<_>>().join("; ");
    let next = if failed + waiting > 0 { "; fix the errors above and run again to continue" } else { "" };
    format!("incomplete: {parts}{}{next}", not_read(report))
}
