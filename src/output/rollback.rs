//! What `rollback` would do and did, for people and for machines.

use std::io;

use crate::output::claims::{is_release, release};
use crate::output::format::OutputFormat;
use crate::output::sync::{incomplete, lines};
use crate::output::table::Column;
use crate::output::workloads::{WorkloadWords, workload_problems};
use crate::output::{document, question_width, result, say, table, terminal_width};
use crate::sync::rollback::{LeftAlone, RollbackReport};
use crate::sync::rollout::{Outcome, WorkloadReport};

/// Prints what a run did, or would do.
pub fn done(report: &RollbackReport, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => return document(report, format),
        OutputFormat::Name => {
            let changed = |workload: &&WorkloadReport| {
                matches!(workload.outcome, Outcome::Updated | Outcome::DryRunOk | Outcome::Planned)
            };
            lines(report.workloads.iter().filter(changed).map(|workload| workload.workload.to_string()))?;
        }
        OutputFormat::Table | OutputFormat::Wide => {
            let width = terminal_width().filter(|_| format != OutputFormat::Wide);
            let text = changes(report, "image rolled back (dry run)", width);
            match text.is_empty() {
                true if !report.left_alone.is_empty() || !report.not_found.is_empty() => {}
                true => result("nothing to do: no image is recorded as replaced by sync-images\n")?,
                false => result(&text)?,
            }
        }
    }
    problems(report);
    Ok(())
}

/// Shows what a run is about to do to the person who is asked whether it may.
pub fn show_planned(report: &RollbackReport) {
    for line in changes(report, "to roll back", question_width()).lines() {
        say(line);
    }
    report.left_alone.iter().for_each(|left| say(&described(left)));
    say("");
}

/// One row for each image, as it is afterwards.
fn changes(report: &RollbackReport, planned: &'static str, width: Option<usize>) -> String {
    let mut rows = Vec::new();
    for workload in &report.workloads {
        let outcome = match &workload.outcome {
            outcome if is_release(workload) => release(outcome),
            Outcome::Updated => "image rolled back",
            Outcome::DryRunOk => "image rolled back (server dry run)",
            Outcome::Planned => planned,
            Outcome::Unchanged | Outcome::HeldBack(_) => "unchanged",
            Outcome::Fixed(_) => "not changeable",
            Outcome::Failed(_) => "failed",
            Outcome::Restored(_) => "kept private",
            Outcome::NotReached => "not reached",
        };
        let row = |carrier: String, image: String| {
            let name = workload.workload.to_string();
            [workload.workload.namespace.clone(), name, carrier, image, outcome.to_owned()]
        };
        let changed = workload.changes.iter();
        rows.extend(changed.map(|change| {
            row(change.carrier.to_string(), change.to.clone().unwrap_or_else(|| "<none>".to_owned()))
        }));
        if workload.changes.is_empty() && workload.outcome != Outcome::Unchanged {
            rows.push(row("-".to_owned(), "-".to_owned()));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        Column::whole("NAMESPACE").dispensable(1),
        Column::keeping_end("WORKLOAD", 20),
        Column::keeping_start("AS", 10).dispensable(0),
        Column::keeping_end("FORMER IMAGE", 16).dispensable(2),
        Column::keeping_start("RESULT", 13),
    ];
    table::fitted(columns, &rows, width)
}

/// What went wrong or is worth knowing, a line each, on stderr.
fn problems(report: &RollbackReport) {
    incomplete(&report.unlisted);
    for name in &report.not_found {
        say(&format!(
            "error: {name} is not there: check the name and -n, and look at all with rollback --dry-run"
        ));
    }
    for name in &report.not_recorded {
        say(&format!("note: {name}: no image of it is recorded as replaced by sync-images"));
    }
    workload_problems(&report.workloads, WorkloadWords::ROLLBACK);
    report.left_alone.iter().for_each(|left| say(&described(left)));
    for workload in report.workloads.iter().filter(|workload| workload.outcome == Outcome::Unchanged) {
        let name = format!("{} in namespace {}", workload.workload, workload.workload.namespace);
        say(&format!(
            "note: {name}: nothing of ours is left there but the record of it, which has no use any more"
        ));
    }
    if report.workloads.iter().any(|workload| workload.outcome.needs_attention()) {
        say(
            "hint: let nodes reach the registries of the former images and roll back again, or take everything to the \
             private ones with `kubectl castai-privatelink sync-images`",
        );
    }
}

fn described(left: &LeftAlone) -> String {
    let LeftAlone { workload, carrier, current, public, .. } = left;
    let name = format!("{workload} in namespace {}: {carrier}", workload.namespace);
    match public {
        Some(public) => format!(
            "error: {name} was changed since to {current}, and is never taken back to another version: to use the public \
             one, set it to {public}"
        ),
        None => format!("note: {name} was changed since to {current}: left alone"),
    }
}
