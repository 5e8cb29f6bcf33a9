//! The last line of `preflight`. It claims no more than was checked.

use super::NAME_LIMIT;
use crate::preflight::causes::{Cause, causes, ignored};
use crate::preflight::finding::Finding;
use crate::preflight::judgement::{Fix, Outcome};
use crate::preflight::report::{Report, seen_from};
use crate::preflight::subject::SubjectKind;
use crate::printable::one_line;

/// Maximum number of named causes; the blocks above list all.
const NAMED: usize = 4;

/// Maximum length of a cause, in characters.
const CAUSE_LIMIT: usize = 400;

/// The conclusion below the blocks of all problems, in one sentence: it only names them.
pub(super) fn verdict(report: &Report) -> String {
    conclusion(report, |unknown| {
        format!("Private connectivity not verified; not checked: {}", names(unknown))
    })
}

/// The conclusion where no problem is printed above it: with the first reason and its fix if nothing failed.
pub(super) fn verdict_alone(report: &Report) -> String {
    conclusion(report, |unknown| not_verified(report, unknown))
}

/// `unverified` is the sentence for causes because of which checks could not run, if nothing failed.
fn conclusion(report: &Report, unverified: impl Fn(&[&Cause<'_>]) -> String) -> String {
    let ignored_names = names(&ignored(&report.findings).iter().collect::<Vec<_>>());
    let ignored =
        if ignored_names.is_empty() { String::new() } else { format!("; ignored: {ignored_names}") };
    let causes = causes(&report.findings);
    let of = |name: &str| -> Vec<_> {
        causes.iter().filter(|cause| cause.worst().outcome.name() == name).collect()
    };
    let (failed, unknown) = (of("Fail"), of("Unknown"));
    if !failed.is_empty() {
        let failed = format!("Not ready for PrivateLink: {}", names(&failed));
        return if unknown.is_empty() {
            failed + &ignored
        } else {
            format!("{failed}; not checked: {}{ignored}", names(&unknown))
        };
    }
    if !unknown.is_empty() {
        return unverified(&unknown) + &ignored;
    }
    let mut blocked = report.findings.iter().filter(|finding| finding.needs_attention());
    if let Some(reason) = blocked.next().and_then(|finding| finding.outcome.reason()) {
        return format!(
            "Private connectivity not verified: {}: {reason}{ignored}",
            could_not_run(1 + blocked.count())
        );
    }
    let warnings = if of("Warn").is_empty() { "" } else { "; see the warnings above" };
    if report.has_judged_nothing() && !report.findings.is_empty() {
        return "Private connectivity not verified: the selected checks were skipped".to_owned();
    }
    match (report.findings.is_empty(), report.narrowed) {
        (true, _) => "Private connectivity not verified: none of the selected checks applies to this cluster"
            .to_owned(),
        (false, true) if ignored.is_empty() => format!("The selected checks passed{warnings}"),
        (false, true) => {
            format!("The selected checks passed except those ignored: {ignored_names}{warnings}")
        }
        (false, false) => {
            let claim = if ignored.is_empty() {
                format!("Cast AI is privately reachable from {}", seen_from(&report.findings))
            } else {
                // What is ignored may be what Cast AI needs.
                format!("All checks passed except those ignored: {ignored_names}")
            };
            let not_covered = match report.not_covered.as_slice() {
                [] => String::new(),
                some => format!("; not checked: {}", some.join(", ")),
            };
            format!("{claim}{warnings}{not_covered}")
        }
    }
}

/// Nothing failed, but not everything was looked at: the first cause, and its fix.
fn not_verified(report: &Report, causes: &[&Cause<'_>]) -> String {
    let unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown { .. });
    let number =
        report.findings.iter().filter(|finding| finding.is_problem() && unknown(&finding.outcome)).count();
    let mut text = format!("Private connectivity not verified: {}", could_not_run(number));
    if let Some(cause) = causes.first() {
        text = format!("{text}: {}", one_line(&reason(cause.first), CAUSE_LIMIT));
        if let Some(Fix { text: fix, command }) = cause.first.fixes.first() {
            let command = command.as_ref().map_or_else(String::new, |command| format!(": {command}"));
            text = format!("{text}; {fix}{command}");
        }
    }
    match causes.len() {
        0 | 1 => text,
        2 => format!("{text}; and another cause"),
        causes => format!("{text}; and {} other causes", causes - 1),
    }
}

/// Why a check could not run: of a workload, with its name.
fn reason(finding: &Finding) -> String {
    let reason = finding.outcome.reason().unwrap_or_default();
    match finding.subject.kind {
        SubjectKind::Workload => format!("{}: {reason}", finding.subject.name),
        _ => reason,
    }
}

/// `CPL210 and 1 more: 5 hosts`; the text comes from outside.
pub(super) fn about(cause: &Cause<'_>) -> String {
    let codes = match cause.codes().as_slice() {
        [only] => (*only).to_owned(),
        [first, others @ ..] => format!("{first} and {} more:", others.len()),
        [] => String::new(),
    };
    format!("{codes} {}", cause.about())
}

fn could_not_run(number: usize) -> String {
    if number == 1 { "1 check could not run".to_owned() } else { format!("{number} checks could not run") }
}

/// `5 hosts (CPL210 and 1 more), grpc.cast.ai (CPL220)`.
pub(super) fn names(causes: &[&Cause<'_>]) -> String {
    let name = |cause: &&Cause<'_>| {
        let codes = cause.codes();
        let more = match codes.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} ({}{more})", one_line(&cause.about(), NAME_LIMIT), codes[0])
    };
    let named = causes.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    match causes.len().checked_sub(NAMED) {
        None | Some(0) => named,
        Some(more) => format!("{named} and {more} more"),
    }
}
