//! All findings by category.

use std::fmt::Write as _;

use super::{badge, text};
use crate::output::preflight::observation;
use crate::preflight::finding::Finding;
use crate::preflight::report::Report;

pub(super) fn section(report: &Report) -> String {
    let mut categories: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in &report.findings {
        let category = finding.check.category.in_words();
        match categories.last_mut() {
            Some((name, findings)) if *name == category => findings.push(finding),
            _ => categories.push((category, vec![finding])),
        }
    }
    if categories.is_empty() {
        return String::new();
    }
    let mut section = String::from("<section id=\"findings\">\n<h2>All findings</h2>\n");
    for (name, findings) in categories {
        section.push_str(&category(name, &findings));
    }
    section + "</section>\n"
}

/// Open if not everything passed.
fn category(name: &str, findings: &[&Finding]) -> String {
    let passed = findings.iter().filter(|finding| finding.result() == "Pass").count();
    let open = if passed == findings.len() { "" } else { " open" };
    let mut category = format!(
        "<details class=\"card category\"{open}>\n<summary>{name} <span class=\"soft small\">{passed} of {} passed</span></summary>\n\
         <table>\n<thead><tr><th>Result</th><th>Code</th><th>Check</th><th>Subject</th><th>Observed</th><th>Time</th></tr></thead>\n<tbody>\n",
        findings.len()
    );
    for finding in findings {
        // Writing to a string cannot fail.
        let _ = writeln!(
            category,
            "<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td class=\"soft\">{}</td><td class=\"soft\">{}</td></tr>",
            badge(finding.result()),
            finding.check.code,
            text(finding.check.title),
            text(&finding.subject.name),
            text(&observation(finding)),
            if finding.milliseconds > 0 { format!("{} ms", finding.milliseconds) } else { String::new() },
        );
    }
    category + "</tbody>\n</table>\n</details>\n"
}
