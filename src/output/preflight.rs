//! A preflight report for people: facts, one line per host, and then what is not well, with what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::output::table;
use crate::preflight::catalog;
use crate::preflight::check::{Finding, Outcome, Remedy, SubjectKind};
use crate::preflight::report::Report;
use crate::printable::one_line;

/// The steps of the way to a host, each with the checks that it stands for.
const STEPS: [(&str, &[&str]); 5] = [
    ("DNS", &[catalog::ENDPOINT_RESOLVES, catalog::ECR_RESOLVES]),
    ("PRIVATE", &[catalog::ENDPOINT_PRIVATE, catalog::ECR_PRIVATE]),
    ("TCP", &[catalog::ENDPOINT_TCP, catalog::ECR_TCP]),
    ("TLS", &[catalog::ENDPOINT_TLS, catalog::ENDPOINT_CERTIFICATE, catalog::ECR_TLS]),
    ("ANSWER", &[catalog::ENDPOINT_HTTPS, catalog::ENDPOINT_GRPC]),
];

/// Longest sentence of a finding, in characters.
const LIMIT: usize = 400;

/// The report as text; `wide` adds every finding with its time.
pub fn text(report: &Report, wide: bool) -> String {
    let mut text = if wide { every_finding(report) } else { facts(report) + "\n" + &hosts(report) };
    let problems = problems(report);
    if !problems.is_empty() {
        text.push('\n');
        text.push_str(&problems);
    }
    text.push('\n');
    text.push_str(&summary(report));
    text
}

/// `CODE/subject`, a line for each finding.
pub fn names(report: &Report) -> String {
    report.findings.iter().fold(String::new(), |mut names, finding| {
        // Writing to a string cannot fail.
        let _ = writeln!(names, "{}/{}", finding.check.code, one_line(&finding.subject.name, LIMIT));
        names
    })
}

fn is_step(finding: &Finding) -> bool {
    finding.subject.kind == SubjectKind::Host
        && STEPS.iter().any(|(_, codes)| codes.contains(&finding.check.code))
}

/// One line for each check that is no step: the worst result, and what was seen or how many passed.
fn facts(report: &Report) -> String {
    let mut checks: Vec<Vec<&Finding>> = Vec::new();
    for finding in report.findings.iter().filter(|finding| !is_step(finding)) {
        match checks.last_mut() {
            Some(same) if same[0].check.code == finding.check.code => same.push(finding),
            _ => checks.push(vec![finding]),
        }
    }
    let rows: Vec<_> = checks
        .iter()
        .filter_map(|findings| {
            let worst = findings.iter().max_by_key(|finding| gravity(&finding.outcome))?;
            let passed = findings.iter().filter(|finding| finding.outcome == Outcome::Pass).count();
            let seen = match findings.as_slice() {
                [only] if only.observed.is_empty() => "-".to_owned(),
                [only] => one_line(&only.observed, 50),
                all => format!("{passed} of {} passed", all.len()),
            };
            let check = worst.check;
            Some([worst.outcome.name().to_owned(), check.code.to_owned(), check.title.to_owned(), seen])
        })
        .collect();
    table::render(["RESULT", "CODE", "CHECK", "OBSERVED"], &rows)
}

fn hosts(report: &Report) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut findings: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| is_step(finding)) {
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
                let (_, codes) = STEPS[index];
                let results = of_host.iter().filter(|finding| codes.contains(&finding.check.code));
                results
                    .max_by_key(|finding| gravity(&finding.outcome))
                    .map_or("-", |finding| finding.outcome.name())
            };
            let needed_by: BTreeSet<&str> =
                of_host.iter().flat_map(|finding| &finding.subject.needed_by).map(String::as_str).collect();
            let needed_by = needed_by.into_iter().collect::<Vec<_>>().join(",");
            [
                (*host).to_owned(),
                step(0).to_owned(),
                step(1).to_owned(),
                step(2).to_owned(),
                step(3).to_owned(),
                step(4).to_owned(),
                if needed_by.is_empty() { "-".to_owned() } else { one_line(&needed_by, 60) },
            ]
        })
        .collect();
    let [dns, private, tcp, tls, answer] = STEPS.map(|(name, _)| name);
    table::render(["HOST", dns, private, tcp, tls, answer, "NEEDED BY"], &rows)
}

fn every_finding(report: &Report) -> String {
    let rows: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            [
                finding.outcome.name().to_owned(),
                finding.check.code.to_owned(),
                finding.subject.name.clone(),
                finding.check.title.to_owned(),
                finding.place.to_string(),
                format!("{} ms", finding.elapsed.as_millis()),
                if finding.observed.is_empty() { "-".to_owned() } else { finding.observed.clone() },
            ]
        })
        .collect();
    table::render(["RESULT", "CODE", "SUBJECT", "CHECK", "PLACE", "TIME", "OBSERVED"], &rows)
}

/// How much a result asks for attention.
const fn gravity(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Pass => 0,
        Outcome::Skipped { .. } => 1,
        Outcome::Unknown { .. } => 2,
        Outcome::Warn => 3,
        Outcome::Fail => 4,
    }
}

/// Everything that is not well, the worst first. Findings that say the same are told once, for all their subjects;
/// skipped ones are consequences and stay in the tables.
fn problems(report: &Report) -> String {
    let mut told: Vec<(&Finding, Vec<&Finding>)> = Vec::new();
    for finding in &report.findings {
        if matches!(finding.outcome, Outcome::Pass | Outcome::Skipped { .. }) {
            continue;
        }
        match told.iter_mut().find(|(first, _)| says_the_same(first, finding)) {
            Some((_, others)) => others.push(finding),
            None => told.push((finding, vec![finding])),
        }
    }
    told.sort_by_key(|(finding, _)| std::cmp::Reverse(gravity(&finding.outcome)));
    told.iter().map(|(finding, all)| problem(finding, all)).collect::<Vec<_>>().join("\n")
}

/// Only what could not be looked at repeats itself: one reason, many subjects.
fn says_the_same(first: &Finding, other: &Finding) -> bool {
    matches!(first.outcome, Outcome::Unknown { .. })
        && first.outcome == other.outcome
        && first.remedies == other.remedies
}

fn problem(finding: &Finding, all: &[&Finding]) -> String {
    let subjects: BTreeSet<&str> = all.iter().map(|finding| finding.subject.name.as_str()).collect();
    let codes: BTreeSet<&str> = all.iter().map(|finding| finding.check.code).collect();
    let codes = codes.into_iter().collect::<Vec<_>>().join(",");
    let subjects = match subjects.len() {
        1 => one_line(&finding.subject.name, LIMIT),
        count => format!("{count} subjects"),
    };
    let title = if all.len() == 1 { finding.check.title } else { "could not be looked at" };
    let mut text = format!("{} {codes} {subjects}: {title}\n", finding.outcome.name());
    let mut line = |label: &str, sentence: &str| {
        if !sentence.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {label:<9} {}", one_line(sentence, LIMIT));
        }
    };
    line("observed", &finding.observed);
    line("expected", if matches!(finding.outcome, Outcome::Unknown { .. }) { "" } else { &finding.expected });
    line("why", finding.outcome.reason().as_deref().unwrap_or_default());
    for Remedy { text: sentence, command } in &finding.remedies {
        line("to do", sentence);
        line("", command.as_deref().unwrap_or_default());
    }
    text
}

fn summary(report: &Report) -> String {
    let counts = report.counts();
    let mut parts = vec![format!("{} passed", counts.pass)];
    for (count, word) in [
        (counts.warn, "warned"),
        (counts.fail, "failed"),
        (counts.unknown, "unknown"),
        (counts.skipped, "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let inside = report
        .findings
        .iter()
        .any(|finding| finding.check.code == catalog::HERE_INSIDE && finding.outcome == Outcome::Pass);
    let verdict = match (counts.fail, inside) {
        (0, true) => "nothing seen from here stands between this cluster and Cast AI",
        (0, false) => "nothing failed, but the network was not looked at from inside the VPC",
        (_, _) => "this cluster cannot rely on its private way to Cast AI",
    };
    format!("{}: {verdict}\n", parts.join(", "))
}
