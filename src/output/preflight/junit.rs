//! The report as `JUnit` XML: a test suite for each category, and a test case for each finding.

use std::fmt::Write as _;

use super::observation;
use crate::output::markup;
use crate::preflight::finding::Finding;
use crate::preflight::judgement::{Fix, Outcome};
use crate::preflight::report::Report;
use crate::preflight::subject::VantagePoint;

/// Maximum length of a text, in characters.
const LIMIT: usize = 2000;

/// The document. A failure is a failure, what is unknown is an error, and a warning passes with a text; what is ignored
/// or skipped is skipped. An error that stopped the run is a suite of its own.
pub(super) fn text(report: &Report) -> String {
    let mut suites: Vec<Suite> = Vec::new();
    if let Some(error) = &report.error {
        let hint = error.hint.as_ref().map(|hint| format!("hint: {hint}"));
        let element = element("error", "CommandError", &error.message, hint.as_slice());
        let mut suite = Suite::new("Run");
        suite.errors = 1;
        suite.add("the checks run", 0, &element);
        suites.push(suite);
    }
    for finding in &report.findings {
        let category = finding.check.category.in_words();
        if suites.last().is_none_or(|suite| suite.name != category) {
            suites.push(Suite::new(category));
        }
        if let Some(suite) = suites.last_mut() {
            suite.finding(finding);
        }
    }
    let sum = |of: fn(&Suite) -> usize| suites.iter().map(of).sum::<usize>();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"preflight\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">\n",
        sum(|suite| suite.tests),
        sum(|suite| suite.failures),
        sum(|suite| suite.errors),
        sum(|suite| suite.skipped),
        seconds(suites.iter().map(|suite| suite.milliseconds).sum()),
    );
    for suite in &suites {
        suite.write(&mut text, report);
    }
    text + "</testsuites>\n"
}

struct Suite {
    name: &'static str,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    milliseconds: u64,
    cases: String,
}

impl Suite {
    const fn new(name: &'static str) -> Self {
        Self { name, tests: 0, failures: 0, errors: 0, skipped: 0, milliseconds: 0, cases: String::new() }
    }

    fn finding(&mut self, finding: &Finding) {
        let result = finding.outcome.name();
        let seen = observation(finding);
        let details = details(finding);
        let element = match finding.outcome {
            Outcome::Pass => String::new(),
            Outcome::Skipped { .. } | Outcome::NotWanted { .. } => {
                self.skipped += 1;
                element("skipped", "", &seen, &[])
            }
            _ if finding.ignored => {
                self.skipped += 1;
                element("skipped", "", &format!("ignored: {result}: {seen}"), &[])
            }
            Outcome::Fail => {
                self.failures += 1;
                element("failure", result, &seen, &details)
            }
            Outcome::Unknown { .. } => {
                self.errors += 1;
                element("error", result, &seen, &details)
            }
            Outcome::Warn => {
                let lines: Vec<_> = [format!("Warn: {seen}")].into_iter().chain(details).collect();
                format!("      <system-out>{}</system-out>\n", lines_of(&lines))
            }
        };
        let from = if finding.vantage_point == VantagePoint::Here {
            String::new()
        } else {
            format!(" from {}", finding.vantage_point)
        };
        let name = format!("{} {} [{}{from}]", finding.check.code, finding.check.title, finding.subject.name);
        self.add(&name, finding.milliseconds, &element);
    }

    fn add(&mut self, name: &str, milliseconds: u64, element: &str) {
        self.tests += 1;
        self.milliseconds += milliseconds;
        // Writing to a string cannot fail.
        let _ = write!(
            self.cases,
            "    <testcase name=\"{}\" classname=\"preflight.{}\" time=\"{}\"",
            markup::escaped(name, LIMIT),
            self.name,
            seconds(milliseconds)
        );
        if element.is_empty() {
            self.cases.push_str("/>\n");
        } else {
            self.cases.push_str(">\n");
            self.cases.push_str(element);
            self.cases.push_str("    </testcase>\n");
        }
    }

    fn write(&self, text: &mut String, report: &Report) {
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\" timestamp=\"{}\">",
            self.name,
            self.tests,
            self.failures,
            self.errors,
            self.skipped,
            seconds(self.milliseconds),
            report.created
        );
        let properties = [("cluster", &report.cluster), ("region", &report.region)];
        let properties: Vec<_> =
            properties.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
        if !properties.is_empty() {
            text.push_str("    <properties>\n");
            for (name, value) in properties {
                let value = markup::escaped(value, LIMIT);
                let _ = writeln!(text, "      <property name=\"{name}\" value=\"{value}\"/>");
            }
            text.push_str("    </properties>\n");
        }
        text.push_str(&self.cases);
        text.push_str("  </testsuite>\n");
    }
}

/// What was expected, and the fixes with their commands.
fn details(finding: &Finding) -> Vec<String> {
    let expected = Some(&finding.expected).filter(|expected| !expected.is_empty());
    let mut lines: Vec<_> = expected.map(|expected| format!("expected: {expected}")).into_iter().collect();
    for Fix { text, command } in &finding.fixes {
        lines.push(format!("fix: {text}"));
        lines.extend(command.as_ref().map(|command| format!("run: {command}")));
    }
    lines
}

fn element(name: &str, kind: &str, message: &str, lines: &[String]) -> String {
    let kind = if kind.is_empty() { String::new() } else { format!(" type=\"{kind}\"") };
    let message = markup::escaped(message, LIMIT);
    if lines.is_empty() {
        return format!("      <{name} message=\"{message}\"{kind}/>\n");
    }
    format!("      <{name} message=\"{message}\"{kind}>{}</{name}>\n", lines_of(lines))
}

fn lines_of(lines: &[String]) -> String {
    lines.iter().map(|line| markup::escaped(line, LIMIT)).collect::<Vec<_>>().join("\n")
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}
