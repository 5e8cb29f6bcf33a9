//! The causes of problems with their fixes: what a reader looks for first.

use std::fmt::Write as _;

use super::{badge, class, text};
use crate::output::preflight::ignored;
use crate::preflight::causes::{self, Cause, caused, distinct, skipped_by};
use crate::preflight::judgement::Outcome;
use crate::preflight::report::Report;

pub(super) fn section(report: &Report) -> String {
    let causes = causes::causes(&report.findings);
    let ignored = causes::ignored(&report.findings);
    let mut section = String::new();
    if !causes.is_empty() {
        let title = if causes.len() == 1 { "1 cause".to_owned() } else { format!("{} causes", causes.len()) };
        section = format!("<section id=\"causes\">\n<h2>{title}, with fixes</h2>\n");
        for cause in &causes {
            section.push_str(&article(report, cause));
        }
        section.push_str("</section>\n");
    }
    if !ignored.is_empty() {
        section.push_str("<section id=\"ignored\">\n<h2>Ignored</h2>\n<ul class=\"card list\">\n");
        for cause in &ignored {
            // Writing to a string cannot fail.
            let _ = writeln!(section, "<li>{}</li>", text(&ignored::line(cause)));
        }
        section.push_str("</ul>\n</section>\n");
    }
    section
}

fn article(report: &Report, cause: &Cause<'_>) -> String {
    let Cause { first, findings, .. } = cause;
    let result = cause.worst().result();
    let codes = cause.codes();
    let titles = distinct(findings.iter().map(|finding| finding.check.title));
    let mut article = format!(
        "<article class=\"card cause {}\">\n<h3>{}<span>{}</span></h3>\n<dl class=\"facts\">\n",
        class(result),
        badge(result),
        text(&cause.about()),
    );
    let mut fact = |label: &str, values: &[String]| {
        if !values.is_empty() {
            let _ = writeln!(article, "<dt>{label}</dt><dd>{}</dd>", values.join("<br>"));
        }
    };
    let checks: Vec<_> =
        codes.iter().zip(&titles).map(|(code, title)| format!("{code} {}", text(title))).collect();
    fact(if checks.len() == 1 { "Check" } else { "Checks" }, &checks);
    let subjects = cause.subjects();
    let observed = distinct(findings.iter().map(|finding| finding.observed.as_str()));
    if subjects.len() > 1 {
        let names = if observed.len() > 1 {
            let each = findings.iter().filter(|finding| !finding.observed.is_empty());
            each.map(|finding| format!("{}: {}", text(&finding.subject.name), text(&finding.observed)))
                .collect()
        } else {
            vec![text(&subjects.join(", "))]
        };
        fact(if observed.len() > 1 { "Observed" } else { "Affects" }, &names);
    }
    if observed.len() == 1 || subjects.len() == 1 {
        fact("Observed", &observed.iter().map(|observed| text(observed)).collect::<Vec<_>>());
    }
    let reasons: Vec<_> = findings.iter().filter_map(|finding| finding.outcome.reason()).collect();
    let reasons = distinct(reasons.iter().map(String::as_str));
    fact("Reason", &reasons.iter().map(|reason| text(reason)).collect::<Vec<_>>());
    if !matches!(first.outcome, Outcome::Unknown { .. }) && !first.expected.is_empty() {
        fact("Expected", &[text(&first.expected)]);
    }
    let needed = distinct(findings.iter().flat_map(|finding| &finding.subject.needed_by).map(String::as_str));
    if !needed.is_empty() {
        fact("Needed by", &[text(&needed.join(", "))]);
    }
    if first.is_optional() {
        fact("Severity", &["warning: no installed component needs it".to_owned()]);
    }
    let consequences = caused(cause);
    if !consequences.is_empty() {
        fact("Causes", &[text(&consequences)]);
    }
    match skipped_by(&report.findings, cause).len() {
        0 => {}
        1 => fact("Consequence", &["1 more check is skipped until this passes".to_owned()]),
        number => fact("Consequences", &[format!("{number} more checks are skipped until this passes")]),
    }
    article.push_str("</dl>\n");
    article.push_str(&fixes(cause));
    article + "</article>\n"
}

/// The fixes, with the commands of all findings.
fn fixes(cause: &Cause<'_>) -> String {
    let fixes = cause.first.fixes.iter().enumerate().map(|(index, fix)| {
        let commands =
            cause.findings.iter().filter_map(|finding| finding.fixes.get(index)?.command.as_deref());
        let commands =
            distinct(commands).into_iter().map(|command| format!("<pre>{}</pre>\n", text(command)));
        format!("<li><p class=\"how\">Fix: {}</p>\n{}</li>\n", text(&fix.text), commands.collect::<String>())
    });
    let fixes: String = fixes.collect();
    if fixes.is_empty() { fixes } else { format!("<ol class=\"fixes\">\n{fixes}</ol>\n") }
}
