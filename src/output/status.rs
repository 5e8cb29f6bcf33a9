//! Renders the result of `status`.

mod conclusion;
mod pods;

use std::collections::BTreeSet;
use std::io;

use self::conclusion::{conclusion, not_checked_notes, restore_hint};
use crate::output::common_registry::CommonRegistry;
use crate::output::format::OutputFormat;
use crate::output::ownership::{describe_ownership, owner_table, revert_notes};
use crate::output::pull_hint::pull_hint;
use crate::output::restart::restart_hints;
use crate::output::table::{Column, is_folded};
use crate::output::unchecked::are_releases_read;
use crate::output::workloads::{WorkloadWords, place};
use crate::output::{document, lines, result, say, table, width_for};
use crate::ownership::owners::ChangedBy;
use crate::sync::status::{ImageStatus, NotChecked, State, StatusReport, Subject};

/// Prints the report. The last line, the verdict, does not depend on `format`.
pub fn status(report: &StatusReport, has_flags: bool, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => document(report, format)?,
        OutputFormat::Name => lines(names(report).into_iter())?,
        OutputFormat::Table | OutputFormat::Wide => {
            let wide = format == OutputFormat::Wide;
            let width = width_for(format);
            let registry = CommonRegistry::of_mirrors(&report.destinations, width);
            let mut tables = vec![
                images(report, &registry, width),
                pods::pull_failures(report, &registry, width),
                pods::not_ready(report, width),
                pods::older_digests(report, &registry, width),
            ];
            if wide {
                tables.push(owners(report));
            }
            tables.retain(|table| !table.is_empty());
            let heading = if tables.is_empty() { String::new() } else { registry.line() };
            result(&(heading + &tables.join("\n")))?;
            if is_folded(width) {
                for note in not_checked_notes(report) {
                    say(&note);
                }
            }
        }
    }
    if !matches!(format, OutputFormat::Json | OutputFormat::Yaml) {
        for note in revert_notes(report.reverters().into_iter(), are_releases_read(&report.not_read)) {
            say(&note);
        }
    }
    let failures = report.pull_failures.iter();
    let hint = pull_hint(failures.map(|failure| (failure.image.as_str(), failure.message.as_str())));
    for hint in hint.into_iter().chain(pods::log_hint(report)) {
        say(&hint);
    }
    for line in restore_hint(report).into_iter().chain(restart_hints(&report.older_digests)) {
        say(&line);
    }
    if let Some(verdict) = conclusion(report, has_flags) {
        say(&verdict);
    }
    Ok(())
}

/// Everything that needs attention, each once.
fn names(report: &StatusReport) -> Vec<String> {
    let images = report.images.iter().filter(|image| image.needs_attention()).map(|image| &image.place);
    let failures = report.pull_failures.iter().map(|failure| &failure.place);
    let older = report.older_digests.iter().map(|older| &older.place);
    let places: BTreeSet<_> = images.chain(failures).chain(older).map(place).collect();
    let workloads =
        report.not_ready.iter().map(|one| (one.workload.namespace.clone(), one.workload.to_string()));
    let all: BTreeSet<_> = places.into_iter().chain(workloads).collect();
    all.into_iter().map(|(_, name)| name).collect()
}

fn images(report: &StatusReport, registry: &CommonRegistry, width: Option<usize>) -> String {
    if report.images.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = report
        .images
        .iter()
        .map(|image| {
            let (namespace, place) = place(&image.place);
            let image_field = image.image_field.to_string();
            let name = registry.relative(image.image.as_written());
            let detail = detail(image, registry, !is_folded(width));
            [namespace, place, image_field, name, word(image).to_owned(), detail]
        })
        .collect();
    let columns = [
        Column::wrapped("NAMESPACE", 12).yielding(1).shared(),
        Column::wrapped("USED BY", 18),
        Column::wrapped("FIELD", 28).yielding(0).joined(),
        Column::wrapped("IMAGE", 18),
        Column::wrapped("STATUS", 12),
        // A time is not broken, and 80 characters are enough for this and the columns that do not yield.
        Column::wrapped("DETAIL", 22).repeated(),
    ];
    table::fitted(columns, &rows, width)
}

/// The first twelve hex digits of a digest.
fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(12).collect()
}

/// The other owners of each workload's images.
fn owners(report: &StatusReport) -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for image in &report.images {
        let (namespace, place) = place(&image.place);
        rows.extend(
            image
                .owners
                .iter()
                .map(|owner| [namespace.clone(), place.clone(), owner.name.clone(), owner.reverts.clone()]),
        );
    }
    rows.dedup();
    if rows.is_empty() {
        return String::new();
    }
    owner_table(&rows)
}

const fn word(image: &ImageStatus) -> &'static str {
    match &image.state {
        State::Mirrored => "mirrored",
        State::Unchecked(_) if !image.not_checked.is_empty() => "not checked",
        State::Unchecked(_) if image.destination.is_none() => "rewritten",
        State::Unchecked(_) => "unknown",
        State::Reverted(_) => "reverted",
        State::Upgraded(_) => "upgraded",
        State::NotRewritten => "not rewritten",
        State::Missing => "missing",
        State::Archived => "archived",
        State::Behind(_) => "behind",
        State::TagRemoved(_) => "tag removed",
        State::OtherRegistry(_) => "other registry",
        State::NotRewritable(_) => "not rewritable",
        State::Skipped(_) => "skipped",
        State::SourceUnknown(_) => "source unknown",
        State::InvalidName(_) => "invalid name",
    }
}

/// The details of the state, or why it is unknown. On a terminal, notes below the table have the causes, once each.
fn detail(image: &ImageStatus, registry: &CommonRegistry, with_cause: bool) -> String {
    let unread = image.not_checked.iter().map(|NotChecked { subject, cause }| {
        let what = match subject {
            Subject::Registry => "cannot read the registry",
            Subject::PublicTags => "cannot read the public tag",
        };
        if with_cause { format!("{what}: {cause}") } else { what.to_owned() }
    });
    let state = match &image.state {
        State::Unchecked(_) if !image.not_checked.is_empty() => None,
        _ => Some(state_detail(image, registry)).filter(|detail| detail != "-"),
    };
    let source = image.not_at_source.then(|| "tag not found at the source".to_owned());
    let newer = image.newer.as_ref().map(|newer| match newer.count {
        1 => format!("newer at the source: {}", newer.latest),
        count => format!("{count} newer at the source, latest {}", newer.latest),
    });
    let parts: Vec<_> = state.into_iter().chain(source).chain(unread).chain(newer).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

fn state_detail(image: &ImageStatus, registry: &CommonRegistry) -> String {
    match &image.state {
        State::Mirrored => image.ownership.as_ref().map_or_else(|| "-".to_owned(), describe_ownership),
        State::NotRewritable(why) => format!("{why}{}", WorkloadWords::SYNC.next(&image.place)),
        State::Unchecked(why)
        | State::Skipped(why)
        | State::SourceUnknown(why)
        | State::TagRemoved(why)
        | State::InvalidName(why) => why.clone(),
        State::OtherRegistry(registry) => {
            format!("rewritten to {registry}: check it with --registry {registry}")
        }
        State::Reverted(_) => match &image.changed_by {
            Some(by) => format!("by {}", changed_by(by)),
            None => "by an unknown field manager".to_owned(),
        },
        State::Upgraded(from) => {
            let version = from.strip_prefix(image.image.repository()).unwrap_or(from);
            let by =
                image.changed_by.as_ref().map_or_else(String::new, |by| format!(" by {}", changed_by(by)));
            let mirrored = if image.mirrored == Some(true) { ", mirrored" } else { "" };
            format!("from {}{by}{mirrored}", version.trim_start_matches(':'))
        }
        State::NotRewritten => match image.mirrored {
            Some(true) => "mirrored".to_owned(),
            Some(false) if image.restore_command.is_some() => "archived in the registry".to_owned(),
            Some(false) => "not mirrored yet".to_owned(),
            None => "-".to_owned(),
        },
        State::Archived => "nodes cannot pull it from the archive".to_owned(),
        State::Missing => match &image.destination {
            Some(destination) => {
                format!("{} not found in the registry", registry.relative(destination.as_written()))
            }
            None => "tag not found in the registry".to_owned(),
        },
        State::Behind(digest) => format!("the public tag is now {}", short(digest)),
    }
}

/// `Helm (field manager "helm") at 2026-08-21T10:00:00Z`.
fn changed_by(by: &ChangedBy) -> String {
    let manager = format!("field manager {:?}", by.manager);
    let who = by.who.map_or_else(|| manager.clone(), |who| format!("{who} ({manager})"));
    by.at.map_or_else(|| who.clone(), |at| format!("{who} at {at}"))
}
