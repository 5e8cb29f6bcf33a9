//! The last lines of a rollback: what happened, and what to do about images that nodes cannot pull.

use std::collections::BTreeSet;

use crate::model::image::Image;
use crate::output::table::count;
use crate::sync::rollback::RollbackReport;
use crate::sync::rollout::{Outcome, WorkloadReport};

/// Whether there was nothing to roll back, and nothing is wrong.
pub(super) fn is_nothing(report: &RollbackReport) -> bool {
    report.workloads.is_empty() && report.skipped.is_empty() && !report.needs_attention()
}

/// What to print instead of an empty table.
pub(super) fn nothing_to_do(report: &RollbackReport) -> String {
    if !is_nothing(report) {
        return String::new();
    }
    let of = match &report.not_recorded[..] {
        [] => String::new(),
        names => format!(" of {}", names.join(", ")),
    };
    format!("nothing to do: no images{of} were replaced by sync-images\n")
}

/// What happened or would happen, in one sentence; `None` if nothing was to be changed.
pub(super) fn conclusion(report: &RollbackReport, wait: bool) -> Option<String> {
    let workloads = |is: fn(&WorkloadReport) -> bool| report.workloads.iter().filter(|one| is(one)).count();
    if report.workloads.is_empty() {
        return None;
    }
    let dry_run = workloads(is_planned) > 0;
    let upgraded: BTreeSet<_> =
        report.skipped.iter().filter(|left| left.public.is_some()).map(|left| &left.workload).collect();
    let parts = [
        (workloads(|one| matches!(one.outcome, Outcome::Failed(_))), "failed"),
        (workloads(|one| matches!(one.outcome, Outcome::Restored(_))), "kept private"),
        (workloads(|one| matches!(one.outcome, Outcome::NotStarted | Outcome::HeldBack(_))), "not changed"),
        (upgraded.len(), "upgraded since"),
        (report.not_found.len(), "not found"),
        (workloads(|one| is_planned(one) && !one.changes.is_empty()), "to roll back to the original images"),
        (
            workloads(|one| is_planned(one) && one.changes.is_empty()),
            "with an outdated record or field ownership to remove",
        ),
        (
            workloads(|one| one.outcome == Outcome::Updated && !one.changes.is_empty()),
            "rolled back to the original images",
        ),
        (
            workloads(|one| one.outcome == Outcome::Updated && one.changes.is_empty()),
            "with an outdated record or field ownership removed",
        ),
    ];
    let parts: Vec<_> = parts.iter().filter(|(number, _)| *number > 0).collect();
    if parts.is_empty() {
        return None;
    }
    let parts = parts.iter().map(|(number, what)| format!("{} {what}", count(*number, "workload")));
    let parts = parts.collect::<Vec<_>>().join("; ");
    Some(if dry_run {
        format!("dry run: {parts}")
    } else if !report.needs_attention() {
        format!("done: {parts}{}", if wait { "" } else { "; rollouts were not watched" })
    } else if report.unlisted.is_empty() && report.unreadable.is_empty() {
        format!("incomplete: {parts}; fix the errors above and run again to continue")
    } else {
        // The next line says that the run is incomplete.
        parts
    })
}

const fn is_planned(workload: &WorkloadReport) -> bool {
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
