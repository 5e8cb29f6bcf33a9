//! What `status` found, for people and for machines.

use std::io;

use crate::cli::OutputFormat;
use crate::output::claims::kept;
use crate::output::sync::{incomplete, lines};
use crate::output::table::{Column, count};
use crate::output::workloads::place;
use crate::output::{document, result, say, table, terminal_width};
use crate::sync::ownership::ChangedBy;
use crate::sync::status::{ImageStatus, State, StatusReport};

/// Prints the report, and what to do next.
pub fn status(
    report: &StatusReport,
    upstream: bool,
    has_flags: bool,
    format: OutputFormat,
) -> io::Result<()> {
    match format {
        OutputFormat::Json | OutputFormat::Yaml => return document(report, format),
        OutputFormat::Name => {
            let mut names: Vec<_> = report
                .images
                .iter()
                .filter(|image| image.needs_attention())
                .map(|image| place(&image.place).1)
                .collect();
            names.dedup();
            lines(names.into_iter())?;
        }
        OutputFormat::Table | OutputFormat::Wide => {
            let wide = format == OutputFormat::Wide;
            let text = images(report, terminal_width().filter(|_| !wide))
                + &if wide { owners(report) } else { String::new() };
            result(&text)?;
        }
    }
    incomplete(&report.unlisted);
    next(report, upstream, has_flags);
    Ok(())
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
            let carrier = image.carrier.to_string();
            [namespace, place, carrier, image.image.to_string(), word(image).to_owned(), detail(image)]
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

/// Who else writes the images of each workload.
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

/// Namespace, workload, its owner, and what that does.
pub(super) fn owner_table(rows: &[[String; 4]]) -> String {
    "\n".to_owned() + &table::render(["NAMESPACE", "WORKLOAD", "OWNER", "WHAT IT DOES TO IMAGES"], rows)
}

const fn word(image: &ImageStatus) -> &'static str {
    match &image.state {
        State::Mirrored => "mirrored",
        State::Unchecked(_) if image.destination.is_none() => "rewritten",
        State::Unchecked(_) => "unknown",
        State::Reverted(_) => "reverted",
        State::NotRewritten => "not rewritten",
        State::Missing => "missing",
        State::Behind(_) => "behind",
        State::Fixed(_) => "not rewritable",
        State::LeftAlone(_) => "left alone",
        State::SourceUnknown(_) => "source unknown",
        State::Unnameable(_) => "no name",
    }
}

fn detail(image: &ImageStatus) -> String {
    match &image.state {
        State::Mirrored => image.claim.as_ref().map_or_else(|| "-".to_owned(), kept),
        State::Unchecked(why)
        | State::Fixed(why)
        | State::LeftAlone(why)
        | State::SourceUnknown(why)
        | State::Unnameable(why) => why.clone(),
        State::Reverted(_) => match &image.changed_by {
            Some(by) => format!("by {}", changed_by(by)),
            None => "by somebody unknown".to_owned(),
        },
        State::NotRewritten => match image.mirrored {
            Some(true) => "its mirror is there".to_owned(),
            Some(false) => "not mirrored yet".to_owned(),
            None => "-".to_owned(),
        },
        State::Missing => match &image.destination {
            Some(destination) => format!("the registry has no {destination}"),
            None => "the registry has no such tag".to_owned(),
        },
        State::Behind(digest) => format!("the public tag names {digest} now"),
    }
}

/// `Helm (field manager "helm") at 2026-08-21T10:00:00Z`.
fn changed_by(by: &ChangedBy) -> String {
    let manager = format!("field manager {:?}", by.manager);
    let who = by.who.map_or_else(|| manager.clone(), |who| format!("{who} ({manager})"));
    by.at.map_or_else(|| who.clone(), |at| format!("{who} at {at}"))
}

/// The last lines: how much is to be done, and with which command.
fn next(report: &StatusReport, upstream: bool, has_flags: bool) {
    let of = |is: fn(&State) -> bool| report.images.iter().filter(|image| is(&image.state)).count();
    let counts = [
        (of(|state| matches!(state, State::Reverted(_))), "reverted"),
        (of(|state| *state == State::NotRewritten), "not rewritten"),
        (of(|state| *state == State::Missing), "missing in the registry"),
        (of(|state| matches!(state, State::Behind(_))), "behind the public tag"),
        (of(|state| matches!(state, State::Unnameable(_))), "without a name in the registry"),
        (
            report.images.iter().filter(|image| image.is_to_be_released()).count(),
            "still claimed although its owner names it",
        ),
    ];
    let told: Vec<_> = counts.iter().filter(|(number, _)| *number > 0).collect();
    if told.is_empty() {
        let unknown = of(|state| matches!(state, State::Unchecked(_)));
        let checked = if unknown > 0 {
            format!("; what is mirrored is not known of {}", count(unknown, "image"))
        } else if upstream {
            String::new()
        } else {
            "; whether public tags have moved is not known: --upstream asks".to_owned()
        };
        if !report.images.is_empty() && report.unlisted.is_empty() {
            say(&format!("nothing to do{checked}"));
        }
        return;
    }
    let told = told.iter().map(|(number, what)| format!("{number} {what}")).collect::<Vec<_>>().join(", ");
    for owner in report.reverters() {
        say(&format!("note: {} {}", owner.name, owner.reverts));
    }
    let flags = if has_flags { " with the same flags" } else { "" };
    say(&format!("{told}: next, run kubectl castai-privatelink sync-images{flags}"));
}
