//! The report as a page: one file that needs nothing else, without scripts. All text from outside is escaped.

mod causes;
mod drawing;
mod findings;

use std::fmt::Write as _;

use super::verdict::verdict;
use crate::output::markup::escaped;
use crate::preflight::causes::causes;
use crate::preflight::finding::Finding;
use crate::preflight::path::paths;
use crate::preflight::report::Report;

/// Maximum length of a text, in characters.
const LIMIT: usize = 2000;

const STYLE: &str = include_str!("html/style.css");

/// Nothing is loaded from anywhere and no script runs, whatever a browser finds in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page. `is_redacted` says whether placeholders replace account IDs and secrets.
pub(super) fn page(report: &Report, is_redacted: bool) -> String {
    let cluster = report.cluster.as_deref().map(|name| format!(" of {}", text(name))).unwrap_or_default();
    let body = [
        head(report),
        causes::section(report),
        drawing::section(&paths(&report.findings)),
        findings::section(report),
        not_looked_at(report),
    ];
    let redacted = if is_redacted {
        "Account IDs and secrets are replaced by placeholders, in commands too; <code>--no-redact</code> keeps them."
    } else {
        "Nothing is redacted: the page contains account IDs."
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Preflight report{cluster}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}\
         <footer>Made by <code>kubectl castai-privatelink preflight</code>. {redacted}</footer>\n\
         </main>\n</body>\n</html>\n",
        body.concat()
    )
}

/// The title, the verdict and the counts.
fn head(report: &Report) -> String {
    let tone = if report.error.is_some() || report.findings.iter().any(is_failure) {
        "fail"
    } else if report.needs_attention() {
        "unknown"
    } else {
        "pass"
    };
    let verdict = match &report.error {
        Some(error) => {
            let hint =
                error.hint.as_ref().map(|hint| format!("<br>hint: {}", text(hint))).unwrap_or_default();
            format!("{}{hint}", text(&error.message))
        }
        None => text(&verdict(report)),
    };
    let mut head = String::from("<h1>Preflight report</h1>\n<p class=\"meta\">");
    for (label, value) in [("Cluster", &report.cluster), ("Region", &report.region)] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(head, "<span>{label}: {}</span>", text(value));
        }
    }
    let _ = write!(
        head,
        "<span>{}</span></p>\n<p class=\"verdict {tone}\">{verdict}</p>\n",
        report.created.strftime("%F %T UTC")
    );
    let counts = report.counts();
    let counts = [
        (counts.pass, "pass", "passed"),
        (counts.fail, "fail", "failed"),
        (counts.warn, "warn", "warned"),
        (counts.unknown, "unknown", "unknown"),
        (counts.skipped, "skipped", "skipped"),
        (counts.ignored, "ignored", "ignored"),
    ];
    head.push_str("<ul class=\"counts\">");
    for (number, class, word) in counts.into_iter().filter(|(number, ..)| *number > 0) {
        let _ = write!(head, "<li class=\"{class}\">{number} {word}</li>");
    }
    head + "</ul>\n"
}

fn is_failure(finding: &Finding) -> bool {
    finding.result() == "Fail"
}

/// What could not be checked, by cause, and what no check looks at.
fn not_looked_at(report: &Report) -> String {
    let causes = causes(&report.findings);
    let unknown = causes.iter().filter(|cause| cause.worst().result() == "Unknown");
    let unknown = unknown.map(|cause| {
        let reason = cause.first.outcome.reason().unwrap_or_default();
        format!("<li>{}: {} ({})</li>\n", text(&cause.about()), text(&reason), cause.codes().join(", "))
    });
    let never = report.not_covered.iter();
    let never = never.map(|what| format!("<li>{}: not looked at in this run</li>\n", text(what)));
    let items: String = unknown.chain(never).collect();
    format!(
        "<section id=\"not-looked-at\">\n<h2>What was not looked at</h2>\n<ul class=\"card list\">\n{items}</ul>\n</section>\n"
    )
}

/// Text from outside.
fn text(text: &str) -> String {
    escaped(text, LIMIT)
}

/// A result as a badge.
fn badge(result: &str) -> String {
    format!("<span class=\"badge {}\">{result}</span>", class(result))
}

/// The class of a result, which has its colour.
fn class(result: &str) -> String {
    result.to_lowercase()
}

#[cfg(test)]
mod tests;
