//! The problems: one block each, the worst first, with the observation and the fix.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::urgency;
use crate::output::style;
use crate::preflight::check::Severity;
use crate::preflight::finding::Finding;
use crate::preflight::judgement::{Fix, Outcome};
use crate::preflight::report::Report;
use crate::printable::one_line;

/// Maximum length of a sentence, in characters. Tables are truncated, so the full text is here.
const LIMIT: usize = 2000;

/// Width of the labels before sentences, with the spaces around them.
const INDENTATION: usize = 13;

/// All problems as text; empty if there are none. Skipped checks are consequences, and are listed with their cause.
/// Sentences are wrapped at `width` on a terminal; commands never are.
pub(super) fn text(report: &Report, width: Option<usize>) -> String {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in &report.findings {
        if matches!(finding.outcome, Outcome::Pass | Outcome::Skipped { .. }) {
            continue;
        }
        match groups.iter_mut().find(|others| says_the_same(others[0], finding)) {
            Some(others) => others.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups.sort_by_key(|same| std::cmp::Reverse(urgency(&same[0].outcome)));
    groups.iter().map(|same| problem(report, same, width)).collect::<Vec<_>>().join("\n")
}

/// Whether one block covers both: the same check with the same observation, or everything that is blocked by the same
/// fix.
fn says_the_same(first: &Finding, other: &Finding) -> bool {
    if first.fixes != other.fixes {
        return false;
    }
    match (&first.outcome, &other.outcome) {
        (Outcome::Unknown { why }, Outcome::Unknown { why: other_why }) => {
            why == other_why || !first.fixes.is_empty()
        }
        (outcome, other_outcome) => {
            outcome == other_outcome
                && first.check.code == other.check.code
                && first.observed == other.observed
                && is_optional(first) == is_optional(other)
        }
    }
}

fn is_optional(finding: &Finding) -> bool {
    finding.severity == Severity::Warning && finding.check.severity == Severity::Error
}

fn problem(report: &Report, same: &[&Finding], width: Option<usize>) -> String {
    let first = same[0];
    let codes = distinct(same.iter().map(|finding| finding.check.code));
    let subjects = distinct(same.iter().map(|finding| finding.subject.name.as_str()));
    let about = match (subjects.as_slice(), first.subject.kind.plural()) {
        ([only], _) => one_line(only, LIMIT),
        (several, plural) => {
            let same_kind = same.iter().all(|finding| finding.subject.kind == first.subject.kind);
            format!("{} {}", several.len(), if same_kind { plural } else { "subjects" })
        }
    };
    let codes = match codes.as_slice() {
        [only] => (*only).to_owned(),
        [first, others @ ..] => format!("{first} and {} more:", others.len()),
        [] => String::new(),
    };
    let mut block =
        Block { text: format!("{} {codes} {about}\n", style::result(first.outcome.name())), width };
    if subjects.len() > 1 {
        block.line("of", &subjects.join(", "));
    }
    let titles = distinct(same.iter().map(|finding| finding.check.title));
    if titles.len() == 1 {
        block.line("check", titles[0]);
    }
    for observed in distinct(same.iter().map(|finding| finding.observed.as_str())) {
        block.line("observed", observed);
    }
    if !matches!(first.outcome, Outcome::Unknown { .. }) {
        block.line("expected", &first.expected);
    }
    let reasons: Vec<_> = same.iter().filter_map(|finding| finding.outcome.reason()).collect();
    let reasons = distinct(reasons.iter().map(String::as_str));
    for (index, reason) in reasons.iter().enumerate() {
        block.line(if index == 0 { "reason" } else { "" }, reason);
    }
    let users = same.iter().flat_map(|finding| &finding.subject.needed_by);
    let users = distinct(users.map(String::as_str)).join(", ");
    if is_optional(first) {
        block.line(
            "needed by",
            &format!("only a warning: no installed component needs it; it serves {users}"),
        );
    } else if matches!(first.outcome, Outcome::Fail | Outcome::Warn) {
        block.line("needed by", &users);
    }
    let skipped = report.findings.iter().filter(|finding| {
        finding.outcome == Outcome::Skipped { blocked_by: first.check.code }
            && same.iter().any(|cause| cause.subject.name == finding.subject.name)
    });
    let skipped = distinct(skipped.map(|finding| finding.check.code)).join(", ");
    if !skipped.is_empty() {
        block.line("skipped", &format!("{skipped} until this passes"));
    }
    for (index, Fix { text, command }) in first.fixes.iter().enumerate() {
        block.line(if index == 0 { "to do" } else { "" }, text);
        if let Some(command) = command {
            block.command(command);
        }
    }
    block.text
}

/// The distinct non-empty texts, in the order of their first appearance.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| !text.is_empty() && seen.insert(*text)).collect()
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
