//! The checks, without a run.

use std::fmt::Write as _;

use crate::output::style;
use crate::output::table::{self, Column};
use crate::preflight::catalogue::{CheckDescription, CheckList};
use crate::preflight::check::Severity;

/// Width of the labels, with the space behind them.
const INDENTATION: usize = 13;

/// One line for each check; `wide` includes what it requires. Fitted to `width`, the terminal's.
pub fn list(checks: &CheckList, wide: bool, width: Option<usize>) -> String {
    if wide {
        let rows = checks.items.iter().map(|check| {
            let [code, category, severity, title] = cells(check);
            [code, category, severity, joined(&check.requires), joined(check.permissions), title]
        });
        return table::render(
            ["CODE", "CATEGORY", "SEVERITY", "REQUIRES", "PERMISSIONS", "CHECK"],
            &rows.collect::<Vec<_>>(),
        );
    }
    let rows: Vec<_> = checks.items.iter().map(cells).collect();
    let columns = [
        Column::whole("CODE"),
        Column::whole("CATEGORY"),
        Column::whole("SEVERITY"),
        Column::wrapped("CHECK", 28),
    ];
    table::fitted(columns, &rows, width)
}

fn cells(check: &CheckDescription) -> [String; 4] {
    let severity = match check.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    [check.code, check.category.in_words(), severity, check.title].map(str::to_owned)
}

fn joined(texts: &[&str]) -> String {
    if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
}

/// The codes, one per line.
pub fn codes(checks: &CheckList) -> String {
    checks.items.iter().fold(String::new(), |codes, check| codes + check.code + "\n")
}

/// Why each of the checks matters, and what fixes it.
pub fn explanations(checks: &[CheckDescription], width: Option<usize>) -> String {
    checks.iter().map(|check| explanation(check, width)).collect::<Vec<_>>().join("\n")
}

fn explanation(check: &CheckDescription, width: Option<usize>) -> String {
    let wrapped = |text: &str, indentation: usize| match width {
        Some(width) => style::wrap(text, width.saturating_sub(indentation).max(20), indentation),
        None => text.to_owned(),
    };
    let title = format!("{}: {}", check.code, check.title);
    let mut text = format!("{}\n\n{}\n\n", wrapped(&title, 0), wrapped(check.explanation, 0));
    let lines = [
        ("fix", check.fix.to_owned()),
        ("severity", check.severity.in_words().to_owned()),
        ("source", check.checked_through.to_owned()),
        ("requires", joined(&check.requires)),
        ("required by", joined(&check.required_by)),
        ("explains", joined(&check.explains)),
        ("permissions", joined(check.permissions)),
    ];
    for (label, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label:<12} {}", wrapped(&value, INDENTATION));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks;

    #[test]
    fn a_check_is_explained_as_on_its_page() {
        let check = CheckDescription::new(checks::find("CPL211").unwrap());
        let text = explanations(&[check], None);
        assert_eq!(
            text,
            "CPL211: the host resolves to private addresses only\n\n\
             A public address means that private DNS is disabled: the component would connect through the internet, which the \
             VPC does not reach.\n\n\
             fix          enable private DNS on the endpoint\n\
             severity     error: a failure is a Fail\n\
             source       this machine or a pod\n\
             requires     CPL210\n\
             required by  CPL212, CPL220\n\
             explains     -\n\
             permissions  -\n"
        );
        let both = ["CPL101", "CPL330"].map(|code| CheckDescription::new(checks::find(code).unwrap()));
        let narrow = explanations(&both, Some(40));
        assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
        assert!(narrow.contains("\n\nCPL330: "), "{narrow}");
    }

    #[test]
    fn the_list_has_one_line_per_check_also_when_it_is_wide() {
        let checks = CheckList::all();
        for wide in [false, true] {
            assert_eq!(list(&checks, wide, None).lines().count(), checks.items.len() + 1);
        }
        assert!(list(&checks, false, Some(80)).lines().all(|line| line.chars().count() <= 80));
        assert!(codes(&checks).starts_with("CPL101\nCPL102\n"));
    }
}
