//! The conclusion of a run, in one sentence.

use std::fmt::Write as _;

use crate::model::image::Mirror;
use crate::model::inventory::WorkloadKind;
use crate::output::not_pulled::not_pulled;
use crate::output::ownership::is_relinquishment;
use crate::output::table::{count, first_names};
use crate::output::unchecked::not_read;
use crate::sync::report::{ImageReport, ImageResult, SyncReport};
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
        let _ =
            write!(text, ": {} holds {}", mirrors(&report.destinations), count(up_to_date, "needed image"));
    }
    let using = report.workloads.iter().filter(|workload| workload.outcome == Outcome::Unchanged).count();
    if rewriting && using > 0 {
        let _ = write!(text, ", used by {}", count(using, "workload"));
    }
    text + &remarks(report)
}

/// What stops nothing, and is not good either.
fn remarks(report: &SyncReport) -> String {
    not_ready(report) + &not_pulled(&report.workloads) + &not_read(&report.not_read)
}

/// Whether a workload failed that was not to be changed.
fn is_idle(workload: &WorkloadReport) -> bool {
    matches!(workload.outcome, Outcome::Failed(_)) && workload.changes.is_empty()
}

/// Whether a workload was changed, and its pods do not run the change.
const fn is_rollout_failed(workload: &WorkloadReport) -> bool {
    matches!(workload.outcome, Outcome::RolloutFailed(_))
}

/// Whether the last change of a workload has not reached its pods, and this run did not change it.
fn is_unfinished(workload: &WorkloadReport) -> bool {
    is_rollout_failed(workload) && workload.changes.is_empty()
}

/// Whether a workload cannot be changed, whose pods wait for an image.
const fn is_not_rewritable(workload: &WorkloadReport) -> bool {
    matches!(workload.outcome, Outcome::NotRewritable(_))
}

fn is_job(workload: &WorkloadReport) -> bool {
    is_not_rewritable(workload) && workload.workload.kind == WorkloadKind::Job
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

/// What a run would leave as it is although it needs attention, for a question; empty if there is nothing.
pub fn left_unchanged(report: &SyncReport) -> String {
    let is_failed = |image: &&ImageReport| matches!(image.result, ImageResult::Failed | ImageResult::Missing);
    let counts = [
        (report.images.iter().filter(is_failed).count(), "image"),
        (report.workloads.iter().filter(|one| one.needs_attention()).count(), "workload"),
    ];
    let counts = counts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<_> = counts.map(|(number, noun)| count(number, noun)).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(", without the {} of the errors above", parts.join(" and "))
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
    let of = |is: fn(&WorkloadReport) -> bool| {
        report.workloads.iter().filter(|one| one.needs_attention() && is(one)).count()
    };
    let (idle, immutable, unfinished) = (of(is_idle), of(is_not_rewritable), of(is_unfinished));
    let rollouts = of(is_rollout_failed) - unfinished;
    let waiting = of(|one| !is_idle(one) && !is_not_rewritable(one) && !is_rollout_failed(one));
    let (rollout_failed, rollout_unfinished) = (
        if rollouts == 1 { "updated, its rollout failed" } else { "updated, their rollouts failed" },
        if unfinished == 1 { "whose rollout is not finished" } else { "whose rollouts are not finished" },
    );
    let mut parts = Vec::new();
    if held > 0 {
        let new = if copied > 0 { format!(", {copied} of them new") } else { String::new() };
        let replaced = if replaced > 0 { format!(", {replaced} replaced") } else { String::new() };
        let mirrors = mirrors(&report.destinations);
        parts.push(format!("{mirrors} holds {}{new}{replaced}", count(held, "needed image")));
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
        (rollouts, "workload", rollout_failed),
        (idle, "workload", "not running"),
        (unfinished, "workload", rollout_unfinished),
        (immutable, "workload", "not rewritable, whose pods cannot pull"),
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
    let next = if failed + waiting + idle + rollouts + unfinished > 0 {
        "; fix the errors above and run again to continue"
    } else if immutable > 0 && of(is_not_rewritable) == of(is_job) {
        // Another run cannot change it either.
        if immutable == 1 {
            "; delete and recreate the Job, as the error above says"
        } else {
            "; delete and recreate the Jobs, as the errors above say"
        }
    } else if immutable > 0 {
        "; do what the errors above say, because another run does not change it"
    } else {
        ""
    };
    format!("incomplete: {parts}{}{next}", remarks(report))
}

#[cfg(test)]
mod tests;
