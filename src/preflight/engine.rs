//! Running checks on one subject: prerequisites, times, and what is said about checks that did not run.
//!
//! Subjects run side by side; the checks of one subject run in a chain, because each needs what the one before it
//! found (an address, a connection). So however many endpoints are silent, they cost one time-out together.

use std::time::{Duration, Instant};

use super::check::Severity;
use super::checks;
use super::finding::Finding;
use super::judgement::{Judgement, Outcome, Remedy};
use super::subject::Subject;

/// The checks of one subject, in the order in which they ran.
pub struct Trail {
    subject: Subject,
    /// Whether failures are warnings at most, because nothing in this cluster is known to use the subject.
    optional: bool,
    findings: Vec<Finding>,
    /// Codes that did not pass, whatever their severity made of it.
    blocking: Vec<&'static str>,
}

impl Trail {
    pub const fn new(subject: Subject) -> Self {
        Self { subject, optional: false, findings: Vec::new(), blocking: Vec::new() }
    }

    /// A trail whose failures are warnings at most.
    #[must_use]
    pub const fn optional(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }

    /// Runs a probe, and gives what it found where the checks that require it may go on.
    pub async fn check<T>(&mut self, code: &str, probe: impl Future<Output = (Judgement, T)>) -> Option<T> {
        let started = Instant::now();
        let (judgement, found) = probe.await;
        self.record(code, judgement, started.elapsed()).then_some(found)
    }

    /// Records what is known without waiting. Says whether checks that require this one may go on.
    pub fn judge(&mut self, code: &str, judgement: Judgement) -> bool {
        self.record(code, judgement, Duration::ZERO)
    }

    fn record(&mut self, code: &str, judgement: Judgement, elapsed: Duration) -> bool {
        let check = checks::check(code);
        let severity = if self.optional { Severity::Warning } else { check.severity };
        let goes_on = judgement.outcome.lets_others_run();
        if !goes_on {
            self.blocking.push(check.code);
        }
        let finding = Finding::new(check, severity, self.subject.clone(), judgement, elapsed);
        self.findings.push(finding);
        goes_on
    }

    /// Whether all that a check requires has passed, as far as it belongs to this trail.
    pub fn allows(&self, code: &str) -> bool {
        self.blocker(code).is_none()
    }

    fn blocker(&self, code: &str) -> Option<&'static str> {
        checks::check(code).requires.iter().find(|required| self.blocking.contains(required)).copied()
    }

    /// What a check that did not pass waited for itself, if it was skipped.
    fn root(&self, blocker: &'static str) -> &'static str {
        self.findings
            .iter()
            .find_map(|finding| match finding.outcome {
                Outcome::Skipped { because } if finding.check.code == blocker => Some(because),
                _ => None,
            })
            .unwrap_or(blocker)
    }

    /// Ends the trail: those of `codes` that did not run are skipped because of the one at the root that did not pass.
    pub fn finish(mut self, codes: &[&str]) -> Vec<Finding> {
        for code in codes {
            if self.findings.iter().any(|finding| finding.check.code == *code) {
                continue;
            }
            if let Some(blocker) = self.blocker(code) {
                let because = self.root(blocker);
                let judgement = Judgement { outcome: Outcome::Skipped { because }, ..Judgement::pass("") };
                self.record(code, judgement, Duration::ZERO);
            }
        }
        self.findings
    }

    /// Ends the trail of a subject that cannot be looked at from here: all of `codes` are unknown.
    pub fn unknown(mut self, codes: &[&str], why: &str, remedies: &[Remedy]) -> Vec<Finding> {
        for code in codes {
            let judgement = Judgement { remedies: remedies.to_vec(), ..Judgement::unknown(why) };
            self.record(code, judgement, Duration::ZERO);
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::subject::SubjectKind;

    const CHAIN: [&str; 5] = ["CPL210", "CPL211", "CPL220", "CPL230", "CPL240"];

    fn trail() -> Trail {
        Trail::new(Subject::new(SubjectKind::Host, "api.cast.ai"))
    }

    #[test]
    fn checks_behind_a_failure_name_it() {
        let mut trail = trail();
        assert!(trail.judge("CPL210", Judgement::pass("10.0.0.1")));
        assert!(!trail.judge("CPL211", Judgement::fail("public")));
        let outcomes: Vec<_> = trail.finish(&CHAIN).into_iter().map(|finding| finding.outcome).collect();
        assert_eq!(
            outcomes,
            [
                Outcome::Pass,
                Outcome::Fail,
                Outcome::Skipped { because: "CPL211" },
                Outcome::Skipped { because: "CPL211" },
                Outcome::Skipped { because: "CPL211" },
            ]
        );
    }

    #[test]
    fn an_optional_subject_only_warns_but_its_chain_still_ends() {
        let mut trail = trail().optional(true);
        assert!(!trail.judge("CPL210", Judgement::fail("NXDOMAIN")));
        let findings = trail.finish(&["CPL210", "CPL211"]);
        assert_eq!(findings[0].outcome, Outcome::Warn);
        assert_eq!(findings[1].outcome, Outcome::Skipped { because: "CPL210" });
    }

    #[tokio::test]
    async fn a_probe_hands_its_facts_on_only_when_it_passed() {
        let mut trail = trail();
        let found = trail.check("CPL210", async { (Judgement::pass("x"), 7) }).await;
        assert_eq!(found, Some(7));
        let found = trail.check("CPL211", async { (Judgement::fail("x"), 7) }).await;
        assert_eq!(found, None);
    }
}
