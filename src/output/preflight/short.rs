//! The report for logs: a line for each problem, and the verdict.

use super::verdict::{about, verdict};
use super::{ignored, observation};
use crate::output::table::first_names;
use crate::preflight::causes::{self, Cause};
use crate::preflight::judgement::Fix;
use crate::preflight::report::Report;
use crate::printable::one_line;

/// Maximum length of a line, in characters.
const LIMIT: usize = 2000;

/// The lines; the last one is the verdict.
pub(super) fn text(report: &Report) -> String {
    let problems = causes::causes(&report.findings).iter().map(problem).collect::<Vec<_>>();
    let ignored = causes::ignored(&report.findings);
    let ignored = ignored.iter().map(|cause| format!("Ignored {}", ignored::line(cause)));
    let lines = problems.into_iter().chain(ignored).chain([verdict(report)]);
    lines.fold(String::new(), |text, line| text + &one_line(&line, LIMIT) + "\n")
}

/// `Fail CPL211 api.cast.ai: 104.16.81.56: public; enable private DNS: aws ec2 …`, without colour.
fn problem(cause: &Cause<'_>) -> String {
    let first = cause.first;
    let subjects = cause.subjects();
    let names = if subjects.len() > 1 {
        format!(" ({})", first_names(subjects.iter().map(ToString::to_string)))
    } else {
        String::new()
    };
    let mut line = format!("{} {}{names}: {}", first.outcome.name(), about(cause), observation(first));
    if let Some(Fix { text, command }) = first.fixes.first() {
        line = format!("{line}; {text}");
        if let Some(command) = command {
            line = format!("{line}: {command}");
        }
    }
    line
}
