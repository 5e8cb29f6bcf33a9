//! The causes of problems: findings with the same cause are reported once.

use std::collections::BTreeSet;

use super::finding::{CausedBy, Finding};
use super::judgement::Outcome;
use super::subject::{SubjectKind, VantagePoint};

/// Findings with the same cause; at least one.
pub struct Cause<'a> {
    pub first: &'a Finding,
    pub findings: Vec<&'a Finding>,
    /// Problems that follow from them.
    pub consequences: Vec<&'a Finding>,
}

impl<'a> Cause<'a> {
    /// How urgent the worst of its findings is.
    pub fn worst(&self) -> &'a Finding {
        let all = self.findings.iter().chain(&self.consequences);
        all.max_by_key(|finding| finding.outcome.urgency()).unwrap_or(&self.first)
    }

    /// The codes of the checks, each once.
    pub fn codes(&self) -> Vec<&'static str> {
        distinct(self.findings.iter().map(|finding| finding.check.code))
    }

    /// The names of the subjects, each once.
    pub fn subjects(&self) -> Vec<&'a str> {
        distinct(self.findings.iter().map(|finding| finding.subject.name.as_str()))
    }

    /// `api.cast.ai` or `5 hosts`; the text comes from outside.
    pub fn about(&self) -> String {
        match self.subjects().as_slice() {
            [only] => (*only).to_owned(),
            several => {
                let kind = self.first.subject.kind;
                let same_kind = self.findings.iter().all(|finding| finding.subject.kind == kind);
                format!("{} {}", several.len(), if same_kind { kind.plural() } else { "subjects" })
            }
        }
    }
}

/// The causes of all problems, the worst first. Skipped checks are consequences.
pub fn causes(findings: &[Finding]) -> Vec<Cause<'_>> {
    grouped(findings.iter().filter(|finding| finding.is_problem()))
}

/// The causes of problems that the user ignores.
pub fn ignored(findings: &[Finding]) -> Vec<Cause<'_>> {
    grouped(findings.iter().filter(|finding| finding.ignored && finding.outcome.is_problem()))
}

fn grouped<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Cause<'a>> {
    let findings: Vec<&Finding> = findings.collect();
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for finding in findings.iter().copied() {
        if cause_of(finding, &findings).is_some() {
            continue;
        }
        match causes.iter_mut().find(|cause| is_same(cause.first, finding)) {
            Some(cause) => cause.findings.push(finding),
            None => {
                causes.push(Cause { first: finding, findings: vec![finding], consequences: Vec::new() });
            }
        }
    }
    for finding in findings.iter().copied() {
        let Some(original) = cause_of(finding, &findings) else { continue };
        let has_original =
            |cause: &&mut Cause<'_>| cause.findings.iter().any(|of| std::ptr::eq(*of, original));
        if let Some(cause) = causes.iter_mut().find(has_original) {
            cause.consequences.push(finding);
        }
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.worst().outcome.urgency()));
    causes
}

/// The problem among `findings` that a problem follows from.
fn cause_of<'a>(finding: &Finding, findings: &[&'a Finding]) -> Option<&'a Finding> {
    let CausedBy { code, subject } = finding.caused_by.as_ref()?;
    findings.iter().copied().find(|other| other.check.code == *code && other.subject.name == *subject)
}

/// Whether two findings have the same cause: the same step of different hosts fails in the same way, which its fixes
/// describe; or everything is Unknown until the same fix is made.
fn is_same(first: &Finding, other: &Finding) -> bool {
    match (&first.outcome, &other.outcome) {
        (Outcome::Unknown { why }, Outcome::Unknown { why: other_why }) => {
            first.fixes == other.fixes && (why == other_why || !first.fixes.is_empty())
        }
        (outcome, other_outcome) => {
            let texts = |finding: &Finding| -> Vec<String> {
                finding.fixes.iter().map(|fix| fix.text.clone()).collect()
            };
            let is_same_check = match (first.step(), other.step()) {
                (Some(step), Some(other_step)) => step == other_step,
                _ => first.check == other.check,
            };
            outcome == other_outcome
                && is_same_check
                && first.is_optional() == other.is_optional()
                && texts(first) == texts(other)
        }
    }
}

/// The checks that did not run because of a cause.
pub fn skipped_by<'a>(findings: &'a [Finding], cause: &Cause<'_>) -> Vec<&'a Finding> {
    let blocks = |finding: &&Finding| {
        let mut reasons = cause.findings.iter().chain(&cause.consequences);
        reasons.any(|reason| is_blocked_by(finding, reason))
    };
    findings.iter().filter(blocks).collect()
}

/// Whether `reason` is why a check was skipped: on the same subject, from the same pod, or one of the whole VPC.
fn is_blocked_by(finding: &Finding, reason: &Finding) -> bool {
    let is_related = match (&finding.vantage_point, reason.subject.kind) {
        (_, SubjectKind::Vpc) | (VantagePoint::Pod(_), SubjectKind::Cluster) => true,
        (VantagePoint::Pod(_), SubjectKind::Node) => finding.vantage_point == reason.vantage_point,
        _ => finding.subject.name == reason.subject.name,
    };
    is_related && finding.outcome == Outcome::Skipped { blocked_by: reason.check.code }
}

/// What follows from a cause, by check: `CPL211 of api.cast.ai, grpc.cast.ai; CPL220 of …`.
pub fn caused(cause: &Cause<'_>) -> String {
    let consequences = &cause.consequences;
    let codes = distinct(consequences.iter().map(|finding| finding.check.code));
    let of_code = codes.iter().map(|code| {
        let of = consequences.iter().filter(|finding| finding.check.code == *code);
        let subjects = distinct(of.map(|finding| finding.subject.name.as_str()));
        format!("{code} of {}", subjects.join(", "))
    });
    of_code.collect::<Vec<_>>().join("; ")
}

/// The distinct non-empty texts, in the order of their first appearance.
pub fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| !text.is_empty() && seen.insert(*text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks;
    use crate::preflight::judgement::{Fix, Judgement};
    use crate::preflight::subject::{Subject, SubjectKind, VantagePoint};

    fn host(code: &str, name: &str, judgement: Judgement) -> Finding {
        let check = checks::find(code).unwrap();
        let subject = Subject::new(SubjectKind::Host, name);
        Finding::new(check, check.severity, subject, VantagePoint::Here, judgement)
    }

    #[test]
    fn one_cause_has_all_its_consequences() {
        let dns =
            |name: &str| Judgement::fail("NXDOMAIN").fix(Fix::command("create it", format!("aws {name}")));
        let timeout = || Judgement::fail("timed out").fix(Fix::text("allow port 443"));
        let outside = |why: &str| Judgement::unknown(why).fix(Fix::text("run inside"));
        let cases = [
            // The same step of hosts of Cast AI and of ECR; only the commands differ.
            (
                vec![host("CPL210", "a", dns("a")), host("CPL310", "e", dns("e"))],
                vec!["2 hosts CPL210 CPL310"],
            ),
            // Each address differs, the failure does not.
            (
                vec![
                    host("CPL220", "a", Judgement { observed: "10.0.0.1 timed out".to_owned(), ..timeout() }),
                    host("CPL220", "b", Judgement { observed: "10.0.0.2 timed out".to_owned(), ..timeout() }),
                ],
                vec!["2 hosts CPL220"],
            ),
            // Another failure of the same step, and the same fix of another step.
            (
                vec![
                    host("CPL220", "a", timeout()),
                    host("CPL220", "b", Judgement::fail("refused").fix(Fix::text("nothing listens"))),
                    host("CPL230", "c", timeout()),
                ],
                vec!["a CPL220", "b CPL220", "c CPL230"],
            ),
            // Failures come first, and skipped checks are consequences.
            (
                vec![
                    host("CPL210", "a", outside("x")),
                    host("CPL211", "a", outside("y")),
                    host("CPL220", "a", Judgement::skipped("CPL210")),
                    host("CPL320", "e", timeout()),
                ],
                vec!["e CPL320", "a CPL210 CPL211"],
            ),
            (
                vec![
                    host("CPL210", "a", Judgement::unknown("x")),
                    host("CPL210", "b", Judgement::unknown("y")),
                ],
                vec!["a CPL210", "b CPL210"],
            ),
        ];
        for (findings, expected) in cases {
            let seen: Vec<_> = causes(&findings)
                .iter()
                .map(|cause| format!("{} {}", cause.about(), cause.codes().join(" ")))
                .collect();
            assert_eq!(seen, expected);
        }
    }
}
