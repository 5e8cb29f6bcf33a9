//! Renders what `rollback` would do or did.

mod conclusion;

use std::io;

pub use self::conclusion::left_unchanged;
use crate::model::image::Image;
use crate::model::inventory::AccountOrigin;
use crate::output::changes::{ChangeRow, change_rows, change_table, cluster_lines};
use crate::output::common_registry::CommonRegistry;
use crate::output::format::OutputFormat;
use crate::output::inventory::incomplete;
use crate::output::not_pulled::updated_or_not_pulled;
use crate::output::ownership::{is_relinquishment, relinquish_status};
use crate::output::pull_hint::rollout_pull_hint;
use crate::output::workloads::{WorkloadWords, workload_problems};
use crate::output::{document, lines, question_width, result, say, sentence, width_for};
use crate::sync::rollback::{RollbackReport, SkippedImage};
use crate::sync::rollout::{Outcome, WorkloadReport};

/// Prints what a run did or would do.
pub fn done(report: &RollbackReport, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => document(report, format)?,
        OutputFormat::Name => {
            let changed = |workload: &&WorkloadReport| {
                matches!(workload.outcome, Outcome::Updated | Outcome::DryRunOk | Outcome::Planned)
            };
            lines(report.workloads.iter().filter(changed).map(|workload| workload.workload.to_string()))?;
        }
        OutputFormat::Table | OutputFormat::Wide => {
            let text = changes(report, "image rolled back (dry run)", width_for(format));
            match conclusion::nothing_to_do(report) {
                Some(nothing) if text.is_empty() => sentence(&nothing)?,
                _ => result(&text)?,
            }
        }
    }
    if !matches!(format, OutputFormat::Json | OutputFormat::Yaml) {
        problems(report);
        if let Some(conclusion) = conclusion::conclusion(report) {
            say(&conclusion);
        }
    }
    incomplete(&report.unlisted, &report.unreadable);
    Ok(())
}

/// Names the cluster that is changed without a prompt.
pub fn show_cluster(context: &str, account: Option<&str>) {
    cluster_lines(context, account, Some(AccountOrigin::EksArn)).lines().for_each(say);
}

/// What to know before nodes need the internet again.
pub fn public_again(report: &RollbackReport, wait: bool) -> String {
    let hosts = report.hosts().into_iter().collect::<Vec<_>>().join(", ");
    let consequence = if wait {
        "if the rollout of a healthy workload fails, it gets its private image back and the rollback stops; a \
         workload that is broken now keeps the original image"
    } else {
        "rollouts are not watched, and a workload that cannot pull its image keeps it"
    };
    format!("nodes will pull from {hosts} again: {consequence}")
}

/// Shows the planned changes before the confirmation prompt.
pub fn show_planned(report: &RollbackReport, context: &str, account: Option<&str>) {
    let planned = cluster_lines(context, account, Some(AccountOrigin::EksArn))
        + &changes(report, "to roll back", question_width());
    for line in planned.lines() {
        say(line);
    }
    report.skipped.iter().for_each(|left| say(&described(left)));
    say("");
}

/// One row per image, with its new state.
fn changes(report: &RollbackReport, planned: &'static str, width: Option<usize>) -> String {
    let outcome = |workload: &WorkloadReport| match &workload.outcome {
        outcome if is_relinquishment(workload) => relinquish_status(outcome),
        Outcome::Updated => {
            updated_or_not_pulled(workload, "image rolled back", "image rolled back, not pulled yet")
        }
        Outcome::DryRunOk => "image rolled back (server dry run)",
        Outcome::Planned => planned,
        Outcome::Unchanged => "unchanged",
        Outcome::HeldBack(_) => "held back",
        Outcome::NotRewritable(_) => "not changeable",
        Outcome::Failed(_) => "failed",
        Outcome::RolloutFailed(_) => "rollout failed",
        Outcome::Restored(_) => "kept private",
        Outcome::NotStarted => "not updated",
    };
    let is_shown =
        |workload: &&WorkloadReport| !workload.changes.is_empty() || workload.outcome != Outcome::Unchanged;
    let shown: Vec<_> = report.workloads.iter().filter(is_shown).collect();
    let private = shown.iter().flat_map(|workload| &workload.changes);
    let private: Vec<Image> = private.filter_map(|change| change.from.as_ref()?.parse().ok()).collect();
    let registry = CommonRegistry::of_images(private.iter(), width);
    let mut rows = change_rows(&shown, outcome, &registry);
    for left in &report.skipped {
        let row = skipped_row(left, &registry);
        // The images of a workload are next to each other.
        let last = rows.iter().rposition(|other| other[..2] == row[..2]);
        rows.insert(last.map_or(rows.len(), |last| last + 1), row);
    }
    let table = change_table(&rows, "ORIGINAL IMAGE", width);
    if table.is_empty() { table } else { registry.line() + &table }
}

/// An image that stays, so that a workload with others is not read as a whole.
fn skipped_row(left: &SkippedImage, registry: &CommonRegistry) -> ChangeRow {
    let SkippedImage { workload, image_field, current, .. } = left;
    let image = registry.relative(current);
    let result = "skipped".to_owned();
    [workload.namespace.clone(), workload.to_string(), image_field.to_string(), image, "-".to_owned(), result]
}

/// Prints problems and notes to stderr, one line each.
fn problems(report: &RollbackReport) {
    for name in &report.not_found {
        say(&format!("error: {name} not found: check the name and -n, or list all with rollback --dry-run"));
    }
    if !conclusion::is_nothing(report) {
        for name in &report.not_recorded {
            say(&format!("note: {name}: no images were replaced by sync-images"));
        }
    }
    workload_problems(&report.workloads, WorkloadWords::ROLLBACK);
    report.skipped.iter().for_each(|left| say(&described(left)));
    for workload in report.workloads.iter().filter(|workload| workload.outcome == Outcome::Unchanged) {
        let name = format!("{} in namespace {}", workload.workload, workload.workload.namespace);
        say(&format!(
            "note: {name}: no image to restore, only an outdated annotation privatelink.cast.ai/images"
        ));
    }
    if let Some(hint) = rollout_pull_hint(&report.workloads) {
        say(&hint);
    }
    if let Some(hint) = conclusion::public_pull_hint(&report.workloads) {
        say(&hint);
    }
}

fn described(left: &SkippedImage) -> String {
    let SkippedImage { workload, image_field, current, public, .. } = left;
    let name = format!("{workload} in namespace {}: {image_field}", workload.namespace);
    match public {
        Some(public) => format!(
            "error: {name} skipped: it was upgraded to {current} since; to use the public image, set it to \
             {public}"
        ),
        None => format!("note: {name} skipped: it was changed to {current} since"),
    }
}
