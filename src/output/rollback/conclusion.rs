//! The last lines of a rollback: what happened, and what to do about images that nodes cannot pull.

use std::collections::BTreeSet;

use crate::model::image::Image;
use crate::output::not_pulled::not_pulled;
use crate::output::table::count;
use crate::sync::rollback::RollbackReport;
use crate::sync::rollout::{Outcome, WorkloadReport};

/// Whether there was nothing to roll back, and nothing is wrong.
pub(super) fn is_nothing(report: &RollbackReport) -> bool {
    report.workloads.is_empty() && report.skipped.is_empty() && !report.needs_attention()
}

/// What to print instead of an empty table; `None` if something is wrong.
pub(super) fn nothing_to_do(report: &RollbackReport) -> Option<String> {
    if !is_nothing(report) {
        return None;
    }
    let of = match &report.not_recorded[..] {
        [] => String::new(),
        names => format!(" of {}", names.join(", ")),
    };
    Some(format!("nothing to do: no images{of} were replaced by sync-images"))
}

/// What happened or would happen, in one sentence; `None` if nothing was to be changed.
pub(super) fn conclusion(report: &RollbackReport) -> Option<String> {
    let is_whole = |one: &WorkloadReport| !report.skipped.iter().any(|left| left.workload == one.workload);
    let number = |is: &dyn Fn(&WorkloadReport) -> bool| report.workloads.iter().filter(|one| is(one)).count();
    let planned = |one: &WorkloadReport| is_planned(one) && !one.changes.is_empty();
    let changed = |one: &WorkloadReport| one.outcome == Outcome::Updated && !one.changes.is_empty();
    let workloads = [
        (number(&|one| matches!(one.outcome, Outcome::Failed(_))), "failed"),
        (number(&|one| matches!(one.outcome, Outcome::RolloutFailed(_))), "rolled back, but not rolled out"),
        (number(&|one| matches!(one.outcome, Outcome::Restored(_))), "kept private"),
        (number(&|one| matches!(one.outcome, Outcome::NotStarted | Outcome::HeldBack(_))), "not changed"),
        (report.not_found.len(), "not found"),
        (number(&|one| planned(one) && is_whole(one)), "to roll back to the original images"),
        (number(&|one| planned(one) && !is_whole(one)), "to roll back in part"),
        (
            number(&|one| is_planned(one) && one.changes.is_empty()),
            "with an outdated record or field ownership to remove",
        ),
        (number(&|one| changed(one) && is_whole(one)), "rolled back to the original images"),
        (number(&|one| changed(one) && !is_whole(one)), "rolled back in part"),
        (
            number(&|one| one.outcome == Outcome::Updated && one.changes.is_empty()),
            "with an outdated record or field ownership removed",
        ),
    ];
    let (upgraded, changed_since): (Vec<_>, Vec<_>) =
        report.skipped.iter().partition(|left| left.public.is_some());
    let images = [(changed_since.len(), "skipped"), (upgraded.len(), "skipped, upgraded since")];
    let parts = |counts: &[(usize, &str)], noun| {
        let counts = counts.iter().filter(|(number, _)| *number > 0);
        counts.map(|(number, what)| format!("{} {what}", count(*number, noun))).collect::<Vec<_>>()
    };
    let parts = [parts(&workloads, "workload"), parts(&images, "image")].concat().join("; ");
    if parts.is_empty() {
        return None;
    }
    let not_pulled = not_pulled(&report.workloads);
    Some(if number(&is_planned) > 0 {
        format!("dry run: {parts}")
    } else if !report.needs_attention() {
        let word = if report.workloads.is_empty() { "nothing to do" } else { "done" };
        format!("{word}: {parts}{not_pulled}")
    } else if report.unlisted.is_empty() && report.unreadable.is_empty() {
        let is_failed = report.workloads.iter().any(|one| one.outcome.needs_attention());
        let next = if is_failed || !report.not_found.is_empty() {
            "; fix the errors above and run again to continue"
        } else {
            // Another run skips the image again.
            "; set it as the error above says"
        };
        format!("incomplete: {parts}{not_pulled}{next}")
    } else {
        // The next line says that the run is incomplete.
        parts
    })
}

/// What a rollback leaves as it is, for a question; empty if there is nothing.
pub fn left_unchanged(report: &RollbackReport) -> String {
    match report.skipped.len() {
        0 => String::new(),
        number => format!(", without {} that changed since", count(number, "image")),
    }
}

fn is_planned(workload: &WorkloadReport) -> bool {
    matches!(workload.outcome, Outcome::Planned | Outcome::DryRunOk)
}

/// What to do if nodes cannot pull original images; `None` if they can.
pub(super) fn public_pull_hint(workloads: &[WorkloadReport]) -> Option<String> {
    let failures = workloads.iter().filter(|workload| workload.outcome.needs_attention());
    let images = failures.flat_map(WorkloadReport::pull_failures).map(|(image, _)| image);
    let hosts: BTreeSet<_> =
        images.filter_map(|image| Some(image.parse::<Image>().ok()?.host().to_owned())).collect();
    if hosts.is_empty() {
        return None;
    }
    let hosts = hosts.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!(
        "hint: nodes cannot pull from {hosts}: allow it and roll back again; or return all workloads to the private \
         images: kubectl castai-privatelink sync-images"
    ))
}

#[cfg(test)]
mod tests;
