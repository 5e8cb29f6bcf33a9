//! CPL231: the certificate is valid for at least two more weeks.

use jiff::Timestamp;
use probe::Layer;
use probe::tls::Session;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::judgement::Judgement;
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL231",
    title: "the certificate is valid for at least two more weeks",
    category: Category::Endpoints,
    severity: Severity::Warning,
    requires: &[Requires::Same("CPL230")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Certificates are renewed well before they expire. One that is about to expire may belong \
                  to a proxy.",
    remediation: "have this certificate renewed by the operator of the server",
    judge: Judge::Network { layer: Layer::Tls, step: Step::Tls, applies: Target::is_cast_ai, judge },
};

fn judge(probed: &ProbedTarget<'_>) -> Judgement {
    let now = probed.facts.gathered;
    let judge = |result: &Result<Session, _>| match result {
        Ok(session) => judge_expiry(session, now),
        Err(_) => Judgement::unknown("there is no session"),
    };
    ProbedTarget::judge(&probed.facts.tls, judge).took(0)
}

/// Whether the certificate remains valid for half of the shortest usual renewal interval.
fn judge_expiry(session: &Session, now: Timestamp) -> Judgement {
    const TWO_WEEKS: i64 = 14 * 24 * 60 * 60;
    let Some(certificate) = &session.certificate else {
        return Judgement::unknown("cannot parse the certificate");
    };
    let left = certificate.not_after.as_second() - now.as_second();
    let seen = format!("valid until {}", certificate.not_after);
    let judgement = if left >= TWO_WEEKS { Judgement::pass(seen) } else { Judgement::fail(seen) };
    judgement.expected("at least two weeks")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{certificate, session};
    use super::*;

    #[test]
    fn a_certificate_about_to_end_does_not_pass() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ends_in = |days: i64| session(Some(certificate("CN=x", "x", 1_800_000_000 + days * 86_400)));
        assert_eq!(judge_expiry(&ends_in(14), now).outcome.name(), "Pass");
        assert_eq!(judge_expiry(&ends_in(13), now).outcome.name(), "Fail");
        assert_eq!(judge_expiry(&session(None), now).outcome.name(), "Unknown");
    }
}
