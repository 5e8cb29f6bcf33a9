//! What a run reports that ends before everything was checked.

use serde_json::Value;

use super::check::Check;
use super::finding::Finding;
use super::ignore::Ignore;
use super::judgement::{Fix, Judgement};
use super::subject::{Subject, SubjectKind, VantagePoint};

/// The judgement of everything that was not checked in time. `flag` is the time limit.
fn unknown(flag: &str) -> Judgement {
    Judgement::unknown(format!("not checked within {flag}"))
        .fix(Fix::text("allow more time with --timeout, or select checks with --only and --skip"))
}

/// Findings that were judged without the facts that were still being gathered: those that need such facts are unknown.
pub(super) fn without_facts(findings: Vec<Finding>, ignores: &[Ignore], flag: &str) -> Vec<Finding> {
    let late = |finding: Finding| {
        if finding.check.needs().is_empty() {
            return finding;
        }
        let Judgement { outcome, fixes, .. } = unknown(flag);
        let ignored = is_ignored(ignores, finding.check, &finding.subject.name);
        Finding {
            outcome,
            fixes,
            ignored,
            observed: String::new(),
            expected: String::new(),
            evidence: Value::Null,
            milliseconds: 0,
            ..finding
        }
    };
    findings.into_iter().map(late).collect()
}

/// A finding of each check, where not even the cluster was read in time.
pub(super) fn nothing(checks: &[&'static Check], ignores: &[Ignore], flag: &str) -> Vec<Finding> {
    let late = |check: &&'static Check| {
        let subject = Subject::new(SubjectKind::Cluster, "cluster");
        let ignored = is_ignored(ignores, check, &subject.name);
        let finding = Finding::new(check, check.severity, subject, VantagePoint::Here, unknown(flag));
        Finding { ignored, ..finding }
    };
    checks.iter().map(late).collect()
}

fn is_ignored(ignores: &[Ignore], check: &Check, subject: &str) -> bool {
    ignores.iter().any(|ignore| ignore.covers(check.code, subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks;
    use crate::preflight::judgement::Outcome;

    #[test]
    fn only_what_needs_no_further_facts_keeps_its_result() {
        let find = |code: &str, judgement: Judgement| {
            let subject = Subject::new(SubjectKind::Host, "a");
            Finding::new(
                checks::find(code).unwrap(),
                checks::find(code).unwrap().severity,
                subject,
                VantagePoint::Here,
                judgement,
            )
        };
        let findings = vec![
            find("CPL101", Judgement::pass("7 workloads")),
            find("CPL104", Judgement::unknown("no region")),
            find("CPL103", Judgement::fail("not requested")),
            find("CPL210", Judgement::pass("10.0.0.1").took(7)),
            find("CPL220", Judgement::skipped("CPL103")),
        ];
        let ignores = ["CPL210=a".parse().unwrap()];
        let late = without_facts(findings, &ignores, "--timeout=1s");
        let seen: Vec<_> = late
            .iter()
            .map(|finding| {
                (finding.check.code, finding.result(), finding.outcome.reason().unwrap_or_default())
            })
            .collect();
        let late_reason = "not checked within --timeout=1s".to_owned();
        assert_eq!(
            seen,
            [
                ("CPL101", "Pass", String::new()),
                ("CPL104", "Unknown", "no region".to_owned()),
                ("CPL103", "Unknown", late_reason.clone()),
                ("CPL210", "Ignored", late_reason.clone()),
                ("CPL220", "Unknown", late_reason),
            ]
        );
        assert!(late[3].observed.is_empty() && late[3].milliseconds == 0);
        assert!(late[2].fixes[0].text.contains("--timeout"));
        let all = nothing(checks::CHECKS, &ignores, "--timeout=1s");
        assert!(
            all.iter().all(|finding| matches!(finding.outcome, Outcome::Unknown { .. }) && !finding.ignored)
        );
    }
}
