//! The problems: one block each, the worst first, with the observation and the fix.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::output::style;
use crate::preflight::causes::{Cause, caused, causes, distinct, skipped_by};
use crate::preflight::finding::Finding;
use crate::preflight::judgement::{Fix, Outcome};
use crate::preflight::report::Report;
use crate::preflight::subject::{Subject, SubjectKind, VantagePoint};
use crate::printable::one_line;

/// Maximum length of a sentence, in characters. Tables are truncated, so the full text is here.
const LIMIT: usize = 2000;

/// Width of the labels before sentences, with the spaces around them.
const INDENTATION: usize = 13;

/// All problems as text; empty if there are none. Skipped checks are listed with their cause. Sentences are wrapped at
/// `width` on a terminal; commands never are.
pub(super) fn text(report: &Report, width: Option<usize>) -> String {
    let causes = causes(&report.findings);
    causes.iter().map(|cause| problem(report, cause, width)).collect::<Vec<_>>().join("\n")
}

fn problem(report: &Report, cause: &Cause<'_>, width: Option<usize>) -> String {
    let Cause { first, findings: same, .. } = cause;
    let subjects = cause.subjects();
    let about = one_line(&cause.about(), LIMIT);
    let codes = match cause.codes().as_slice() {
        [only] => (*only).to_owned(),
        [first, others @ ..] => format!("{first} and {} more:", others.len()),
        [] => String::new(),
    };
    let mut block =
        Block { text: format!("{} {codes} {about}\n", style::result(cause.worst().outcome.name())), width };
    if subjects.len() > 1 {
        block.line("subjects", &subjects.join(", "));
    }
    let pods = same.iter().filter(|finding| finding.vantage_point != VantagePoint::Here);
    let pods: Vec<_> = pods.map(|finding| finding.vantage_point.to_string()).collect();
    block.line("seen from", &first_names(&distinct(pods.iter().map(String::as_str))));
    let titles = distinct(same.iter().map(|finding| finding.check.title));
    if titles.len() == 1 {
        block.line("check", titles[0]);
    }
    for (index, observed) in observations(same).iter().enumerate() {
        block.line(if index == 0 { "observed" } else { "" }, observed);
    }
    if !matches!(first.outcome, Outcome::Unknown { .. }) {
        block.line("expected", &first.expected);
    }
    let reasons = reasons(same);
    for (index, reason) in reasons.iter().enumerate() {
        block.line(if index == 0 { "reason" } else { "" }, reason);
    }
    let names = |users: fn(&Subject) -> &BTreeSet<String>| {
        distinct(same.iter().flat_map(|finding| users(&finding.subject)).map(String::as_str)).join(", ")
    };
    if first.is_optional() {
        block.line("severity", "warning: no installed component needs it");
        block.line("usually", &format!("needed by {}", names(|subject| &subject.usually_needed_by)));
    } else if matches!(first.outcome, Outcome::Fail | Outcome::Warn) {
        block.line("needed by", &names(|subject| &subject.needed_by));
    }
    block.line("causes", &caused(cause));
    let skipped = skipped_by(&report.findings, cause).into_iter();
    let skipped = distinct(skipped.map(|finding| finding.check.code)).join(", ");
    if !skipped.is_empty() {
        block.line("skipped", &format!("{skipped} until this passes"));
    }
    for (index, Fix { text, .. }) in first.fixes.iter().enumerate() {
        block.line(if index == 0 { "fix" } else { "" }, text);
        let commands = same.iter().filter_map(|finding| finding.fixes.get(index)?.command.as_deref());
        for command in with_all_values(&distinct(commands)) {
            block.command(&command);
        }
    }
    block.text
}

/// What was observed: with the subject, if that differs.
fn observations(same: &[&Finding]) -> Vec<String> {
    match distinct(same.iter().map(|finding| finding.observed.as_str())).as_slice() {
        [] => Vec::new(),
        [only] => vec![(*only).to_owned()],
        _ => {
            let each = same.iter().filter(|finding| !finding.observed.is_empty());
            each.map(|finding| format!("{}: {}", finding.subject.name, finding.observed)).collect()
        }
    }
}

/// Why checks could not run: with the workload, if that differs.
fn reasons(same: &[&Finding]) -> Vec<String> {
    let reasons: Vec<_> =
        same.iter().filter_map(|finding| Some((*finding, finding.outcome.reason()?))).collect();
    let texts = distinct(reasons.iter().map(|(_, reason)| reason.as_str()));
    let of_workloads = reasons.iter().all(|(finding, _)| finding.subject.kind == SubjectKind::Workload);
    if texts.len() < 2 || !of_workloads {
        return texts.into_iter().map(str::to_owned).collect();
    }
    reasons.iter().map(|(finding, reason)| format!("{}: {reason}", finding.subject.name)).collect()
}

/// Commands that differ only in the values of a filter (`Values=a`) as one command (`Values=a,b`).
fn with_all_values(commands: &[&str]) -> Vec<String> {
    const VALUES: &str = "Values=";
    let parts = |command: &str| {
        let (before, rest) = command.split_once(VALUES)?;
        let (value, after) = rest.split_once(' ')?;
        Some((before.to_owned(), value.to_owned(), after.to_owned()))
    };
    let parsed: Option<Vec<_>> = commands.iter().map(|command| parts(command)).collect();
    match parsed.as_deref() {
        Some([first, others @ ..])
            if others.iter().all(|other| (&other.0, &other.2) == (&first.0, &first.2)) =>
        {
            let values: Vec<_> = parsed.iter().flatten().map(|(_, value, _)| value.as_str()).collect();
            vec![format!("{}{VALUES}{} {}", first.0, values.join(","), first.2)]
        }
        _ => commands.iter().map(ToString::to_string).collect(),
    }
}

/// The first names, and the number of others.
fn first_names(names: &[&str]) -> String {
    const NAMED: usize = 6;
    let named = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED) {
        None | Some(0) => named,
        Some(more) => format!("{named} and {more} more"),
    }
}

struct Block {
    text: String,
    width: Option<usize>,
}

impl Block {
    fn line(&mut self, label: &str, sentence: &str) {
        if sentence.is_empty() {
            return;
        }
        let mut sentence = one_line(sentence, LIMIT);
        if let Some(width) = self.width {
            sentence = style::wrap(&sentence, width.saturating_sub(INDENTATION).max(20), INDENTATION);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "  {label:<10} {sentence}");
    }

    /// Not wrapped, so that it can be copied.
    fn command(&mut self, command: &str) {
        let _ = writeln!(self.text, "{:INDENTATION$}{}", "", one_line(command, LIMIT));
    }
}
