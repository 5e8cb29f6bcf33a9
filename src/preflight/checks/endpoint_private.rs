//! CPL211: the host resolves to private addresses only.

use serde_json::json;

use super::endpoint_resolves::list;
use probe::{Layer, Scope};

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::fixes;
use crate::preflight::judgement::{Judgement, Outcome, Symptom};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL211",
    title: "the host resolves to private addresses only",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL210")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "A public address means that private DNS is disabled: the component would connect through \
                  the internet, which the VPC does not reach.",
    remediation: "enable private DNS on the endpoint",
    judge: Judge::Network { layer: Layer::Dns, step: Step::Private, applies: Target::is_cast_ai, judge },
};

pub(super) fn judge(probed: &ProbedTarget<'_>) -> Judgement {
    let judgement = ProbedTarget::judge(&probed.facts.dns, |_| judge_scope(&probed.facts.scope)).took(0);
    if judgement.outcome == Outcome::Pass {
        return judgement;
    }
    judgement.fixes(fixes::private_dns(probed.target)).symptom(Symptom::PublicAddress)
}

/// Whether all addresses are private. Private addresses with public ones of the other family are a warning: clients may
/// use either.
fn judge_scope(scope: &Scope) -> Judgement {
    let Scope { private, public } = scope;
    let judgement = match (private.is_empty(), public.is_empty()) {
        (true, true) => Judgement::unknown("the name has no address"),
        (false, true) => Judgement::pass(list(private)),
        (true, false) => Judgement::fail(format!("{}: public", list(public))),
        (false, false) => {
            let seen = format!("{}: private; {}: public", list(private), list(public));
            if scope.leads_outside() { Judgement::fail(seen) } else { Judgement::warn(seen) }
        }
    };
    judgement
        .expected("private addresses: RFC 1918, 100.64.0.0/10, fc00::/7 or the VPC's own")
        .evidence(json!(scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_fail_unless_the_other_family_is_private() {
        let cases: [(&[&str], Outcome, &str); 5] = [
            (&[], Outcome::Unknown { why: "the name has no address".to_owned() }, ""),
            (&["10.0.1.5", "fd00::1"], Outcome::Pass, "10.0.1.5, fd00::1"),
            (&["104.16.81.56", "104.16.82.56"], Outcome::Fail, "104.16.81.56, 104.16.82.56: public"),
            (&["10.0.1.5", "104.16.81.56"], Outcome::Fail, "10.0.1.5: private; 104.16.81.56: public"),
            (&["10.0.1.5", "2606:4700::1"], Outcome::Warn, "10.0.1.5: private; 2606:4700::1: public"),
        ];
        for (texts, expected, seen) in cases {
            let addresses: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let judgement = judge_scope(&Scope::of(&addresses, &[]));
            assert_eq!((judgement.outcome, judgement.observed.as_str()), (expected, seen));
        }
    }
}
