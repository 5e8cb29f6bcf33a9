//! The conclusion of a run, in one sentence.

use std::fmt::Write as _;

use crate::model::image::Mirror;
use crate::output::ownership::is_relinquishment;
use crate::output::table::{count, first_names};
use crate::output::unchecked::not_read;
use crate::sync::report::{ImageResult, SyncReport};
use crate::sync::rollout::{Outcome, WorkloadReport};

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
    text + &remarks(report) + "\n"
}

/// What stops nothing, and is not good either.
fn remarks(report: &SyncReport) -> String {
    not_ready(report) + &not_read(&report.not_read)
}

/// Whether a workload failed that was not to be changed.
fn is_idle(workload: &WorkloadReport) -> bool {
    matches!(workload.outcome, Outcome::Failed(_)) && workload.changes.is_empty()
}

/// Workloads that run what they should, and were broken before: that is no failure of the run, and nothing good.
fn not_ready(report: &SyncReport) -> String {
    let workloads = report.workloads.iter().filter(|workload| workload.not_ready);
    let names: Vec<_> = workloads.map(|workload| workload.workload.to_string()).collect();
    let verb = match names.len() {
        0 => return String::new(),
        1 => "is",
        _ => "are",
    };
    let names = first_names(names.into_iter());
    format!("; {names} {verb} not ready: run kubectl castai-privatelink status")
}

/// The conclusion of a dry run that found something to do, in one sentence.
pub(super) fn dry_run(report: &SyncReport) -> String {
    let images = |result| report.images.iter().filter(|image| image.result == result).count();
    let is_planned = |one: &&WorkloadReport| matches!(one.outcome, Outcome::Planned | Outcome::DryRunOk);
    let waiting = report.workloads.iter().filter(|one| one.needs_attention()).count();
    let counts = [
        (images(ImageResult::Failed) + images(ImageResult::Missing), "image", "failed"),
        (waiting, "workload", "not to be updated"),
        (images(ImageResult::Copied), "image", "to copy"),
        (images(ImageResult::Replaced), "image", "to replace"),
        (report.workloads.iter().filter(is_planned).count(), "workload", "to update"),
    ];
    let parts = counts.into_iter().filter(|(number, ..)| *number > 0);
    let parts: Vec<_> = parts.map(|(number, noun, what)| format!("{} {what}", count(number, noun))).collect();
    if parts.is_empty() {
        "dry run: nothing to do".to_owned()
    } else {
        format!("dry run: {}", parts.join("; "))
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
    let (idle, waiting): (Vec<_>, Vec<_>) =
        report.workloads.iter().filter(|one| one.needs_attention()).partition(|one| is_idle(one));
    let (idle, waiting) = (idle.len(), waiting.len());
    let mut parts = Vec::new();
    if held > 0 {
        let new = if copied > 0 { format!(", {copied} of them new") } else { String::new() };
        let replaced = if replaced > 0 { format!(", {replaced} replaced") } else { String::new() };
        let mirrors = mirrors(&report.destinations);
        parts.push(format!("{mirrors} holds {}{new}{replaced}", count(held, "image")));
    }
    if !updated.is_empty() {
        parts.push(format!("{} updated", count(updated.len(), "workload")));
    }
    if !relinquished.is_empty() {
        parts.push(format!("ownership relinquished on {}", count(relinquished.len(), "workload")));
    }
    if !report.needs_attention() {
        return format!("done: {}{}", parts.join("; "), remarks(report));
    }
    let failed = images(ImageResult::Failed) + images(ImageResult::Missing);
    let failures = [
        (failed, "image", "failed"),
        (waiting, "workload", "not updated"),
        (idle, "workload", "not running"),
        (removed, "image", "whose public tag was removed"),
    ];
    let failures = failures.into_iter().filter(|(number, ..)| *number > 0);
    let mut failures =
        failures.map(|(number, noun, what)| format!("{} {what}", count(number, noun))).peekable();
    // What could not be looked at is named in the line after this one, which says that the run is incomplete.
    if failures.peek().is_none() {
        return parts.join("; ") + &remarks(report);
    }
    let parts = failures.chain(parts).collect::<Vec<_>>().join("; ");
    let next =
        if failed + waiting + idle > 0 { "; fix the errors above and run again to continue" } else { "" };
    format!("incomplete: {parts}{}{next}", remarks(report))
}
