//! What `sync-images` would do and did, for people and for machines.

mod conclusion;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use self::conclusion::{conclusion, dry_run, nothing_to_do};
pub use self::conclusion::{left_unchanged, mirrors};
use crate::model::inventory::{Place, WorkloadName};
use crate::model::owner::Owner;
use crate::model::plan::Plan;
use crate::model::provenance::Provenance;
use crate::model::traffic::HostTraffic;
use crate::output::changes::{change_rows, change_table, cluster_lines};
use crate::output::common_registry::CommonRegistry;
use crate::output::failures::image_failures;
use crate::output::format::OutputFormat;
use crate::output::not_pulled::updated_or_not_pulled;
use crate::output::ownership::{
    image_fields, is_relinquishment, owner_table, ownership_notes, relinquish_notes, relinquish_status,
    revert_notes,
};
use crate::output::pull_hint::rollout_pull_hint;
use crate::output::table::{Column, bytes, count};
use crate::output::unchecked::{are_releases_read, incomplete_run, not_compared_problems};
use crate::output::workloads::{WorkloadWords, place, workload_problems};
use crate::output::{document, lines, question_width, result, say, sentence, style, table, width_for};
use crate::sync::report::{ImageReport, ImageResult, RunOutcome, SyncReport};
use crate::sync::rollout::{Outcome, WorkloadReport};

/// kubectl's message for a change in a dry run.
const DRY_RUN: &str = "image updated (dry run)";

/// Prints the traffic with each host.
pub fn traffic(traffic: &[(String, HostTraffic)]) {
    for (host, traffic) in traffic {
        let requests = count(usize::try_from(traffic.requests).unwrap_or(usize::MAX), "request");
        let (sent, received) = (bytes(traffic.sent), bytes(traffic.received));
        say(&format!("{host}: {requests}, {sent} sent, {received} received"));
    }
}

/// Prints what a run would do: with JSON and YAML the plan itself, if there is one.
pub fn planned(
    plan: Option<&Plan>,
    report: &SyncReport,
    rewriting: bool,
    format: OutputFormat,
) -> io::Result<()> {
    match (format, plan) {
        (OutputFormat::Json | OutputFormat::Yaml, Some(plan)) => document(plan, format)?,
        (OutputFormat::Json | OutputFormat::Yaml, None) => document(report, format)?,
        (OutputFormat::Name, _) => names(report, rewriting)?,
        (OutputFormat::Table | OutputFormat::Wide, _) => {
            let wide = format == OutputFormat::Wide;
            if report.is_unchanged() && !report.images.is_empty() && !wide {
                sentence(&nothing_to_do(report, rewriting))?;
            } else {
                result(&planned_text(plan, report, wide, DRY_RUN, width_for(format)))?;
            }
            problems(report);
            owner_notes(report);
            relinquish_notes(&report.workloads);
            if !report.is_unchanged() {
                say(&dry_run(report));
            }
        }
    }
    incomplete_run(report);
    Ok(())
}

/// Shows the planned changes before the confirmation prompt.
pub fn show_planned(report: &SyncReport) {
    let plan = match &report.end {
        RunOutcome::Planned(plan) => plan.as_ref(),
        RunOutcome::Discovered | RunOutcome::Declined | RunOutcome::Done => None,
    };
    let is_changed =
        |image: &ImageReport| !matches!(image.result, ImageResult::UpToDate | ImageResult::Skipped);
    let images = report.images.iter().filter(|image| is_changed(image)).cloned().collect();
    let changed = SyncReport { images, ..report.clone() };
    let planned = planned_text(plan, &changed, false, "to update", question_width());
    for line in (clusters(report) + &planned).lines() {
        say(line);
    }
    // What stays as it is belongs to the decision.
    problems(report);
    owner_notes(report);
    relinquish_notes(&report.workloads);
    say("");
}

/// The clusters of a run, before anything is changed.
pub fn clusters(report: &SyncReport) -> String {
    let clusters = report.clusters.iter();
    clusters
        .map(|cluster| cluster_lines(&cluster.name, cluster.account.as_deref(), cluster.account_origin))
        .collect()
}

fn planned_text(
    plan: Option<&Plan>,
    report: &SyncReport,
    wide: bool,
    planned: &'static str,
    width: Option<usize>,
) -> String {
    let registry = CommonRegistry::of_mirrors(&report.destinations, width);
    let mut text = registry.line() + &images(report, true, wide, width);
    for planned in plan.iter().flat_map(|plan| &plan.destinations) {
        let estimate = planned.estimate;
        let requests = estimate.source_requests + estimate.destination_requests;
        if estimate.upload_bytes > 0 || estimate.download_bytes > 0 {
            // Writing to a string cannot fail.
            let is_named_above = registry.is_mirror(&planned.mirror);
            let destination = if is_named_above { String::new() } else { format!(" to {}", planned.mirror) };
            let estimate = format!(
                "download: {}, upload{destination}: {}, about {requests} requests",
                bytes(estimate.download_bytes),
                bytes(estimate.upload_bytes),
            );
            let _ = writeln!(text, "\n{}", style::wrap(&estimate, width.unwrap_or(usize::MAX), 0));
        }
    }
    let shown = |workload: &&WorkloadReport| wide || workload.outcome != Outcome::Unchanged;
    let changed: Vec<_> = report.workloads.iter().filter(shown).collect();
    let outcome = |workload: &WorkloadReport| outcome(workload, planned);
    let changes = change_table(&change_rows(&changed, outcome, &registry), "NEW IMAGE", width);
    if !changes.is_empty() {
        text.push_str(if report.images.is_empty() { "" } else { "\n" });
        text.push_str(&changes);
    }
    if wide { text + &owners(report) } else { text }
}

/// Prints what a run did. `rewriting`: whether workloads were to be changed.
pub fn done(report: &SyncReport, rewriting: bool, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => document(report, format)?,
        OutputFormat::Name => names(report, rewriting)?,
        OutputFormat::Table | OutputFormat::Wide => {
            let (wide, width) = (format == OutputFormat::Wide, width_for(format));
            let is_empty = report.images.is_empty() && report.workloads.is_empty();
            let is_short = report.is_unchanged() && !wide;
            if !is_empty && !is_short {
                let registry = CommonRegistry::of_mirrors(&report.destinations, width);
                let tables = images(report, false, wide, width) + &workloads(report, wide, width);
                result(&(registry.line() + &tables))?;
            }
            problems(report);
            ownership_notes(&report.workloads);
            if !is_empty && is_short {
                sentence(&nothing_to_do(report, rewriting))?;
            }
            if !report.is_unchanged() && !report.found_nothing() {
                say(&conclusion(report));
            }
        }
    }
    incomplete_run(report);
    Ok(())
}

/// The changed workloads, or the images if no workload was to be changed.
fn names(report: &SyncReport, rewriting: bool) -> io::Result<()> {
    if !rewriting {
        let copied = report.images.iter().filter(|image| image.result.is_written());
        lines(copied.map(|image| image.destination.to_string()))?;
        problems(report);
        return Ok(());
    }
    let changed = |workload: &&WorkloadReport| {
        matches!(workload.outcome, Outcome::Updated | Outcome::DryRunOk | Outcome::Planned)
    };
    lines(report.workloads.iter().filter(changed).map(|workload| workload.workload.to_string()))?;
    problems(report);
    Ok(())
}

fn images(report: &SyncReport, planned: bool, wide: bool, width: Option<usize>) -> String {
    let registry = CommonRegistry::of_mirrors(&report.destinations, width);
    // The public name does not tell the copies in several registries apart.
    let name = |image: &ImageReport| match report.destinations.len() {
        0 | 1 => image.image.to_string(),
        _ => registry.relative(image.destination.as_written()),
    };
    let rows: Vec<_> = report
        .images
        .iter()
        .map(|image| {
            [
                name(image),
                image.digest.as_ref().map_or_else(|| "-".to_owned(), |digest| digest.short().to_owned()),
                platforms(image),
                image.size.map_or_else(|| "-".to_owned(), bytes),
                image_result(image, planned),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        Column::wrapped("IMAGE", 30),
        Column::whole("DIGEST").yielding(0),
        Column::wrapped("PLATFORMS", 10).yielding(1).shared(),
        Column::whole("SIZE").yielding(2),
        Column::wrapped("RESULT", 10),
    ];
    let mut text = table::fitted(columns, &rows, width);
    if wide {
        let rows: Vec<_> = report
            .images
            .iter()
            .flat_map(|image| {
                image.used_by.iter().map(|used| {
                    let (namespace, place) = place(&used.place);
                    [
                        image.destination.to_string(),
                        namespace,
                        place,
                        used.image_field.to_string(),
                        used.why.clone(),
                    ]
                })
            })
            .collect();
        text.push('\n');
        text.push_str(&table::render(["DESTINATION", "NAMESPACE", "USED BY", "FIELD", "WHY"], &rows));
    }
    text
}

/// The result, with a remark for images of unknown source.
fn image_result(image: &ImageReport, planned: bool) -> String {
    let word = match (image.result, planned) {
        (ImageResult::Copied, true) => "to copy",
        (ImageResult::Replaced, true) => "to replace",
        (result, _) => result.as_str(),
    };
    match image.provenance {
        Some(Provenance::Unknown) => format!("{word}, unknown provenance"),
        _ => word.to_owned(),
    }
}

fn workloads(report: &SyncReport, wide: bool, width: Option<usize>) -> String {
    let is_shown = |workload: &&WorkloadReport| wide || workload.outcome != Outcome::Unchanged;
    let rows: Vec<_> = report
        .workloads
        .iter()
        .filter(is_shown)
        .map(|workload| {
            [
                workload.workload.namespace.clone(),
                workload.workload.to_string(),
                Some(image_fields(workload))
                    .filter(|fields| !fields.is_empty())
                    .unwrap_or_else(|| "-".to_owned()),
                outcome(workload, DRY_RUN).to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        Column::wrapped("NAMESPACE", 12).yielding(1).shared(),
        Column::wrapped("WORKLOAD", 20),
        Column::wrapped("FIELD", 24).yielding(0),
        Column::wrapped("RESULT", 13).shared(),
    ];
    let text = "\n".to_owned() + &table::fitted(columns, &rows, width);
    if wide { text + &owners(report) } else { text }
}

/// The owners that will revert images.
fn owners(report: &SyncReport) -> String {
    let row = |workload: &WorkloadName, owner: &Owner| {
        [workload.namespace.clone(), workload.to_string(), owner.name.clone(), owner.reverts.clone()]
    };
    let workloads = report.workloads.iter();
    let rows: Vec<_> = workloads
        .flat_map(|workload| workload.owners.iter().map(|owner| row(&workload.workload, owner)))
        .collect();
    if rows.is_empty() { String::new() } else { "\n".to_owned() + &owner_table(&rows) }
}

/// The same for workloads whose images are about to be changed, once per kind of owner.
pub fn owner_notes(report: &SyncReport) {
    let owners = report.workloads.iter().flat_map(|workload| &workload.owners);
    for note in revert_notes(owners, are_releases_read(&report.not_read)) {
        say(&note);
    }
}

/// In kubectl's words where kubectl has some.
fn outcome(workload: &WorkloadReport, planned: &'static str) -> &'static str {
    match &workload.outcome {
        outcome if is_relinquishment(workload) => relinquish_status(outcome),
        Outcome::Updated => updated_or_not_pulled(workload, "image updated", "image updated, not pulled yet"),
        Outcome::Unchanged => "unchanged",
        Outcome::Planned => planned,
        Outcome::DryRunOk => "image updated (server dry run)",
        Outcome::HeldBack(_) => "held back",
        Outcome::NotRewritable(_) => "not rewritable",
        Outcome::Failed(_) => "failed",
        Outcome::RolloutFailed(_) => "rollout failed",
        Outcome::Restored(_) => "restored",
        Outcome::NotStarted => "not updated",
    }
}

/// Prints problems and notes to stderr, one line each.
fn problems(report: &SyncReport) {
    let mut notes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for image in &report.images {
        match (&image.message, image.result) {
            // Errors and the last line name them.
            (_, ImageResult::Failed | ImageResult::Missing | ImageResult::NotCompared) | (None, _) => {}
            (Some(message), _) => notes.entry(message).or_default().push(image.image.as_written()),
        }
    }
    for (message, images) in notes {
        say(&format!("note: {}: {message}", images.join(", ")));
    }
    for line in image_failures(&report.images) {
        say(&line);
    }
    not_compared_problems(report);
    if let Some(note) = replaced_note(&report.images) {
        say(&note);
    }
    if !report.unreachable_sources.is_empty() {
        say(&elsewhere(&report.unreachable_sources));
    }
    workload_problems(&report.workloads, WorkloadWords::SYNC);
    if let Some(hint) = rollout_pull_hint(&report.workloads) {
        say(&hint);
    }
}

/// What running pods do after their tags moved in the registry.
fn replaced_note(images: &[ImageReport]) -> Option<String> {
    let is_used =
        |image: &&ImageReport| image.used_by.iter().any(|used| matches!(used.place, Place::Workload(_)));
    let replaced = images.iter().filter(|image| image.result == ImageResult::Replaced).filter(is_used);
    match replaced.count() {
        0 => None,
        1 => Some("1 tag with other content than before".to_owned()),
        number => Some(format!("{number} tags with other content than before")),
    }
    .map(|tags| {
        format!(
            "note: {tags}: running pods keep the previous content until they are restarted; `kubectl \
             castai-privatelink status` lists them, and how to restart them"
        )
    })
}

/// How to copy on a machine that reaches the sources, such as a laptop, what a bastion cannot copy.
fn elsewhere(sources: &BTreeSet<String>) -> String {
    let sources = sources.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    format!(
        "hint: copy the images on a machine that reaches {sources}: `sync-images --no-mirror --no-rewrite \
         --inventory FILE` here, `sync-images --no-discover --inventory FILE --no-rewrite --lock FILE` there, \
         then `sync-images --no-mirror --lock FILE` here"
    )
}

/// Nearly all images are for Linux, so only other systems are printed.
fn platforms(image: &ImageReport) -> String {
    if image.platforms.is_empty() {
        return "-".to_owned();
    }
    let short = |platform: &String| platform.strip_prefix("linux/").unwrap_or(platform).to_owned();
    image.platforms.iter().map(short).collect::<Vec<_>>().join(",")
}
