//! Renders a preflight report: facts, one line per host, problems with their fixes, and the verdict, which comes last,
//! where it remains visible on a terminal.

mod archive;
pub mod catalogue;
mod html;
mod ignored;
mod junit;
pub mod pods;
mod problems;
mod short;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use self::verdict::verdict_alone;
use crate::output::format::{FileFormat, OutputFormat, PreflightFormat};
use crate::output::table::{Column, count};
use crate::output::{document, for_terminal, result, say, style, table, terminal_width};
use crate::preflight::causes::causes;
use crate::preflight::check::Step;
use crate::preflight::finding::Finding;
use crate::preflight::ignore::one_word;
use crate::preflight::judgement::Outcome;
use crate::preflight::report::Report;
use crate::printable::one_line;

/// The columns of the host table: the steps of a check chain.
const STEPS: [(&str, Step); 5] = [
    ("DNS", Step::Dns),
    ("PRIVATE", Step::Private),
    ("TCP", Step::Tcp),
    ("TLS", Step::Tls),
    ("RESPONSE", Step::Response),
];

/// Maximum length of a subject's name, in characters. A host name has at most 253.
const NAME_LIMIT: usize = 260;

/// Prints the report. If it was not read by a person, the verdict goes to stderr.
///
/// # Errors
/// Writing to standard output failed.
pub fn print(report: &Report, format: PreflightFormat) -> io::Result<()> {
    let has_started = report.error.is_none() || !report.findings.is_empty();
    let text = match format {
        PreflightFormat::Json => document(&report.document(), OutputFormat::Json).map(|()| None)?,
        PreflightFormat::Yaml => document(&report.document(), OutputFormat::Yaml).map(|()| None)?,
        PreflightFormat::Junit => Some(junit::text(report)),
        _ if !has_started => None,
        PreflightFormat::Table => Some(text(report, false, terminal_width())),
        PreflightFormat::Wide => Some(text(report, true, terminal_width())),
        PreflightFormat::Short => Some(short::text(report)),
        PreflightFormat::Name => Some(names(report)),
    };
    if let Some(text) = text {
        result(&text)?;
    }
    let ends_with_verdict =
        matches!(format, PreflightFormat::Table | PreflightFormat::Wide | PreflightFormat::Short);
    if has_started && !ends_with_verdict {
        say(&verdict_alone(report));
    }
    for ignore in &report.unmatched_ignores {
        say(&format!("note: --ignore={ignore} matches no problem"));
    }
    Ok(())
}

/// The report as a file.
///
/// # Errors
/// It cannot be written as JSON.
pub fn file(report: &Report, format: FileFormat, is_redacted: bool) -> io::Result<Vec<u8>> {
    match format {
        FileFormat::Html => Ok(html::page(report, is_redacted).into_bytes()),
        FileFormat::Archive => archive::bytes(report, is_redacted),
    }
}

/// What a report lacks, for those who wait for it: `2 causes: 5 hosts (CPL210 and 1 more), grpc.cast.ai (CPL220)`.
pub fn missing(report: &Report) -> String {
    let causes = causes(&report.findings);
    // Warnings do not count.
    let causes: Vec<_> =
        causes.iter().filter(|cause| cause.findings.iter().any(|one| one.needs_attention())).collect();
    match (&report.error, causes.as_slice()) {
        (Some(error), []) => one_line(&error.message, NAME_LIMIT),
        (None, []) => verdict_alone(report),
        (_, causes) => format!("{}: {}", count(causes.len(), "cause"), verdict::names(causes)),
    }
}

/// The report as coloured text. `wide` prints every finding with its duration instead of summary tables. Summary tables
/// are fitted to `width`, the terminal's, and sentences are wrapped.
pub fn text(report: &Report, wide: bool, width: Option<usize>) -> String {
    let tables =
        if wide { vec![every_finding(report)] } else { vec![facts(report, width), hosts(report, width)] };
    let mut parts: Vec<_> = tables.iter().map(|table| style::results(table)).collect();
    parts.extend([problems::text(report, width), ignored::text(report, width), summary(report, width)]);
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// `CODE/subject`, a line for each finding, without spaces inside, so that shell loops work.
pub fn names(report: &Report) -> String {
    report.findings.iter().fold(String::new(), |mut names, finding| {
        // Writing to a string cannot fail.
        let subject = one_word(&one_line(&finding.subject.name, NAME_LIMIT));
        let _ = writeln!(names, "{}/{subject}", finding.check.code);
        names
    })
}

/// The observation, or the reason why there is none.
fn observation(finding: &Finding) -> String {
    match (finding.observed.as_str(), finding.outcome.reason()) {
        ("", None) => "-".to_owned(),
        ("", Some(reason)) => reason,
        (observed, _) => observed.to_owned(),
    }
}

/// One line per check that is not a step: the worst result, and the observation or the number of passes.
fn facts(report: &Report, width: Option<usize>) -> String {
    let mut checks: Vec<Vec<&Finding>> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.step().is_none()) {
        match checks.last_mut() {
            Some(same) if same[0].check.code == finding.check.code => same.push(finding),
            _ => checks.push(vec![finding]),
        }
    }
    let rows: Vec<_> = checks
        .iter()
        .filter_map(|findings| {
            let worst = findings.iter().max_by_key(|finding| finding.urgency())?;
            let passed = findings.iter().filter(|finding| finding.outcome == Outcome::Pass).count();
            let seen = match findings.as_slice() {
                // Problems are printed in full below.
                [only] if only.outcome.is_problem() => "see below".to_owned(),
                [only] => observation(only),
                all => format!("{passed} of {} passed", all.len()),
            };
            let check = worst.check;
            Some([worst.result().to_owned(), check.code.to_owned(), check.title.to_owned(), seen])
        })
        .collect();
    let columns = [
        Column::whole("RESULT"),
        Column::whole("CODE"),
        Column::wrapped("CHECK", 20),
        Column::wrapped("OBSERVED", 28).yielding(0),
    ];
    table::fitted(columns, &rows, width)
}

/// One line per host with the results of its check chain. Components that need a failing host are listed below.
fn hosts(report: &Report, width: Option<usize>) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut findings: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.step().is_some()) {
        let host = finding.subject.name.as_str();
        if !order.contains(&host) {
            order.push(host);
        }
        findings.entry(host).or_default().push(finding);
    }
    let rows: Vec<_> = order
        .iter()
        .map(|host| {
            let of_host = &findings[host];
            let step = |index: usize| {
                let (_, step) = STEPS[index];
                let results = of_host.iter().filter(|finding| finding.step() == Some(step));
                results.max_by_key(|finding| finding.urgency()).map_or("-", |finding| {
                    match finding.outcome {
                        // Steps after a failed one: the table shows where the chain ends.
                        Outcome::Skipped { .. } => "-",
                        _ => finding.result(),
                    }
                })
            };
            let needed_by: BTreeSet<&str> =
                of_host.iter().flat_map(|finding| &finding.subject.needed_by).map(String::as_str).collect();
            let needed_by = match (needed_by.first(), needed_by.len()) {
                (None, _) => "-".to_owned(),
                (Some(only), 1) => (*only).to_owned(),
                (Some(first), all) => format!("{first} +{}", all - 1),
            };
            [
                (*host).to_owned(),
                step(0).to_owned(),
                step(1).to_owned(),
                step(2).to_owned(),
                step(3).to_owned(),
                step(4).to_owned(),
                needed_by,
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let [dns, private, tcp, tls, answer] = STEPS.map(|(name, _)| Column::whole(name));
    let host = Column::wrapped("HOST", 20);
    let needed_by = Column::wrapped("NEEDED BY", 24).yielding(0);
    table::fitted([host, dns, private, tcp, tls, answer, needed_by], &rows, width)
}

fn every_finding(report: &Report) -> String {
    let rows: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            [
                finding.result().to_owned(),
                finding.check.code.to_owned(),
                finding.subject.name.clone(),
                finding.check.title.to_owned(),
                finding.source(),
                format!("{} ms", finding.milliseconds),
                observation(finding),
            ]
        })
        .collect();
    table::render(["RESULT", "CODE", "SUBJECT", "CHECK", "VANTAGE POINT", "TIME", "OBSERVED"], &rows)
}

fn summary(report: &Report, width: Option<usize>) -> String {
    let counts = report.counts();
    let mut parts = vec![format!("{} passed", counts.pass)];
    for (count, word) in [
        (counts.fail, "failed"),
        (counts.warn, "warned"),
        (counts.unknown, "unknown"),
        (counts.skipped, "skipped"),
        (counts.ignored, "ignored"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let verdict = for_terminal(&verdict::verdict(report), width);
    format!("{}\n{verdict}\n", parts.join(", "))
}

#[cfg(test)]
mod tests;
