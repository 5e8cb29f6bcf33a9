//! Problems that the user ignores: one line for each cause.

use super::observation;
use super::verdict::about;
use crate::output::{for_terminal, style};
use crate::preflight::causes::{Cause, ignored};
use crate::preflight::report::Report;
use crate::printable::one_line;

/// Maximum length of a line, in characters.
const LIMIT: usize = 2000;

/// A line for each cause; empty if there are none.
pub(super) fn text(report: &Report, width: Option<usize>) -> String {
    let word = style::result("Ignored");
    ignored(&report.findings).iter().fold(String::new(), |text, cause| {
        let line = format!("Ignored {}", line(cause));
        text + &for_terminal(&line, width).replacen("Ignored", &word, 1) + "\n"
    })
}

/// `CPL211 api.cast.ai: Fail: 104.16.81.56: public`.
pub(super) fn line(cause: &Cause<'_>) -> String {
    let (first, about) = (cause.first, about(cause));
    one_line(&format!("{about}: {}: {}", first.outcome.name(), observation(first)), LIMIT)
}
