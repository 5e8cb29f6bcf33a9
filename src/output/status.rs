//! Renders the result of `status`.

use std::collections::BTreeSet;
use std::io;

use crate::model::inventory::Place;
use crate::output::format::OutputFormat;
use crate::output::ownership::{describe_ownership, owner_table};
use crate::output::pull_hint::pull_hint;
use crate::output::table::Column;
use crate::output::verdict::verdict;
use crate::output::workloads::place;
use crate::output::{document, lines, result, say, table, terminal_width};
use crate::ownership::owners::ChangedBy;
use crate::sync::status::{ImageStatus, NotChecked, OlderDigest, PullFailure, State, StatusReport, Subject};

/// Prints the report. The last line, the verdict, does not depend on `format`.
pub fn status(report: &StatusReport, has_flags: bool, format: OutputFormat) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => document(report, format)?,
        OutputFormat::Name => lines(names(report).into_iter().map(|of| place(of).1))?,
        OutputFormat::Table | OutputFormat::Wide => {
            let wide = format == OutputFormat::Wide;
            let width = terminal_width().filter(|_| !wide);
            let mut tables =
                vec![images(report, width), pull_failures(report, width), older_digests(report, width)];
            if wide {
                tables.push(owners(report));
            }
            tables.retain(|table| !table.is_empty());
            result(&tables.join("\n"))?;
        }
    }
    if !matches!(format, OutputFormat::Json | OutputFormat::Yaml) {
        for owner in report.reverters() {
            say(&format!("note: {} {}", owner.name, owner.reverts));
        }
    }
    let failures = report.pull_failures.iter();
    let hint = pull_hint(failures.map(|failure| (failure.image.as_str(), failure.message.as_str())));
    if let Some(hint) = hint {
        say(&hint);
    }
    if let Some(verdict) = verdict(report, has_flags) {
        say(&verdict);
    }
    Ok(())
}

/// Everything that needs attention, each once.
fn names(report: &StatusReport) -> BTreeSet<&Place> {
    let images = report.images.iter().filter(|image| image.needs_attention()).map(|image| &image.place);
    let failures = report.pull_failures.iter().map(|failure| &failure.place);
    let older = report.older_digests.iter().map(|older| &older.place);
    images.chain(failures).chain(older).collect()
}

fn images(report: &StatusReport, width: Option<usize>) -> String {
    if report.images.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = report
        .images
        .iter()
        .map(|image| {
            let (namespace, place) = place(&image.place);
            let image_field = image.image_field.to_string();
            [namespace, place, image_field, image.image.to_string(), word(image).to_owned(), detail(image)]
        })
        .collect();
    let columns = [
        Column::whole("NAMESPACE").dispensable(0),
        Column::keeping_end("USED BY", 20),
        Column::keeping_start("AS", 10).dispensable(1),
        Column::keeping_end("IMAGE", 16).dispensable(2),
        Column::whole("STATUS"),
        Column::keeping_start("DETAIL", 12).dispensable(3),
    ];
    table::fitted(columns, &rows, width)
}

/// The images that cannot be pulled, and where.
fn pull_failures(report: &StatusReport, width: Option<usize>) -> String {
    if report.pull_failures.is_empty() {
        return String::new();
    }
    let row = |failure: &PullFailure| {
        let (namespace, place) = place(&failure.place);
        let (image_field, image) = (failure.image_field.to_string(), failure.image.clone());
        let pods = failure.pods.len().to_string();
        [namespace, place, image_field, image, pods, failure.reason.clone(), pull_detail(failure)]
    };
    let rows: Vec<_> = report.pull_failures.iter().map(row).collect();
    let columns = [
        Column::whole("NAMESPACE").dispensable(0),
        Column::keeping_end("PODS OF", 20),
        Column::keeping_start("AS", 10).dispensable(1),
        Column::keeping_end("IMAGE", 16).dispensable(3),
        Column::whole("PODS").dispensable(2),
        Column::whole("CANNOT PULL"),
        Column::keeping_start("DETAIL", 12).dispensable(4),
    ];
    table::fitted(columns, &rows, width)
}

/// The pods that run an older digest of their image's tag.
fn older_digests(report: &StatusReport, width: Option<usize>) -> String {
    if report.older_digests.is_empty() {
        return String::new();
    }
    let short = |digest: &str| digest.trim_start_matches("sha256:").chars().take(12).collect::<String>();
    let row = |older: &OlderDigest| {
        let (namespace, place) = place(&older.place);
        let (image_field, image) = (older.image_field.to_string(), older.image.to_string());
        let pods = older.pods.len().to_string();
        [namespace, place, image_field, image, pods, short(&older.running), short(&older.current)]
    };
    let rows: Vec<_> = report.older_digests.iter().map(row).collect();
    let columns = [
        Column::whole("NAMESPACE").dispensable(0),
        Column::keeping_end("PODS OF", 20),
        Column::keeping_start("AS", 10).dispensable(1),
        Column::keeping_end("IMAGE", 16).dispensable(3),
        Column::whole("PODS").dispensable(2),
        Column::whole("RUN DIGEST"),
        Column::whole("REGISTRY HAS"),
    ];
    table::fitted(columns, &rows, width)
}

fn pull_detail(failure: &PullFailure) -> String {
    let outdated = "the workload has another image now: delete the pod if it remains";
    match (failure.message.as_str(), failure.outdated) {
        ("", false) => "-".to_owned(),
        ("", true) => outdated.to_owned(),
        (message, false) => message.to_owned(),
        (message, true) => format!("{message}; {outdated}"),
    }
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
        State::Behind(_) => "behind",
        State::TagRemoved(_) => "tag removed",
        State::OtherRegistry(_) => "other registry",
        State::NotRewritable(_) => "not rewritable",
        State::Skipped(_) => "skipped",
        State::SourceUnknown(_) => "source unknown",
        State::InvalidName(_) => "no name",
    }
}

/// The details of the state, or why it is unknown.
fn detail(image: &ImageStatus) -> String {
    let unread = image.not_checked.iter().map(|NotChecked { subject, cause }| match subject {
        Subject::Registry => format!("cannot read the registry: {cause}"),
        Subject::PublicTags => format!("cannot read the public tag: {cause}"),
    });
    let state = match &image.state {
        State::Unchecked(_) if !image.not_checked.is_empty() => None,
        _ => Some(state_detail(image)).filter(|detail| detail != "-"),
    };
    let newer = image.newer.as_ref().map(|newer| match newer.count {
        1 => format!("newer at the source: {}", newer.latest),
        count => format!("{count} newer at the source, latest {}", newer.latest),
    });
    let parts: Vec<_> = state.into_iter().chain(unread).chain(newer).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

fn state_detail(image: &ImageStatus) -> String {
    match &image.state {
        State::Mirrored => image.ownership.as_ref().map_or_else(|| "-".to_owned(), describe_ownership),
        State::Unchecked(why)
        | State::NotRewritable(why)
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
            Some(false) => "not mirrored yet".to_owned(),
            None => "-".to_owned(),
        },
        State::Missing => match &image.destination {
            Some(destination) => format!("{destination} not found in the registry"),
            None => "tag not found in the registry".to_owned(),
        },
        State::Behind(digest) => format!("the public tag is now {digest}"),
    }
}

/// `Helm (field manager "helm") at 2026-08-21T10:00:00Z`.
fn changed_by(by: &ChangedBy) -> String {
    let manager = format!("field manager {:?}", by.manager);
    let who = by.who.map_or_else(|| manager.clone(), |who| format!("{who} ({manager})"));
    by.at.map_or_else(|| who.clone(), |at| format!("{who} at {at}"))
}
