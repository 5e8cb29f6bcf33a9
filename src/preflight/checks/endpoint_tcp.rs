//! CPL220: the endpoint accepts TCP connections.

use probe::Layer;
use probe::tcp::{Attempt, Failure};
use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::fixes;
use crate::preflight::judgement::{Fix, Judgement, Outcome, Symptom};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL220",
    title: "the endpoint accepts TCP connections",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL211")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Each address is the endpoint's network interface in one zone. All of them must accept \
                  connections, because clients use any of them.",
    remediation: "allow port 443 from the nodes' and pods' security groups in the endpoint's security group",
    judge: Judge::Network { layer: Layer::Tcp, step: Step::Tcp, applies: Target::is_cast_ai, judge },
};

pub(super) fn judge(probed: &ProbedTarget<'_>) -> Judgement {
    let judgement = ProbedTarget::judge(&probed.facts.tcp, |attempts| judge_attempts(attempts));
    // Connecting to a public address can only be fixed by a private one.
    if judgement.outcome == Outcome::Fail && !probed.facts.scope.public.is_empty() {
        return judgement.fixes(fixes::private_dns(probed.target)).symptom(Symptom::PublicAddress);
    }
    judgement
}

/// Whether clients can connect, whichever address they choose. IPv6 addresses without a route from this machine are
/// ignored if IPv4 works, because clients skip them.
fn judge_attempts(attempts: &[Attempt]) -> Judgement {
    let evidence: Vec<_> = attempts
        .iter()
        .map(|Attempt { address, failure, .. }| json!({ "address": address, "failure": failure }))
        .collect();
    let seen: Vec<_> = attempts
        .iter()
        .map(|Attempt { address, failure, .. }| {
            let what = failure.as_ref().map_or("connected", Failure::describe);
            format!("{address} {what}")
        })
        .collect();
    let seen = seen.join(", ");
    let connected = attempts.iter().any(|attempt| attempt.failure.is_none());
    let worst = attempts.iter().find_map(|Attempt { address, failure, .. }| {
        failure
            .as_ref()
            .filter(|failure| !(connected && address.is_ipv6() && **failure == Failure::Unreachable))
    });
    let judgement = match (connected, worst) {
        (true, None) => Judgement::pass(seen),
        (true, Some(failure)) => with(Judgement::warn(seen), failure),
        (false, Some(failure)) => with(Judgement::fail(seen), failure),
        (false, None) => Judgement::fail("no address"),
    };
    judgement.expected("a connection to each address").evidence(json!(evidence))
}

fn with(judgement: Judgement, failure: &Failure) -> Judgement {
    let judgement = judgement.fix(fix(failure));
    match failure {
        Failure::TimedOut => judgement.symptom(Symptom::NoResponse),
        Failure::Refused => judgement.symptom(Symptom::Refused),
        _ => judgement,
    }
}

fn fix(failure: &Failure) -> Fix {
    match failure {
        Failure::TimedOut => Fix::command(
            "allow port 443 in the endpoint's security group from the addresses of this machine, the nodes \
             and the pods, and check the subnets' network ACLs",
            "aws ec2 authorize-security-group-ingress --group-id SECURITY_GROUP_ID --protocol tcp --port 443 --cidr VPC_CIDR",
        ),
        Failure::Refused => Fix::text(
            "nothing listens on this address: the name may point to another machine, or the endpoint \
             service has no healthy target",
        ),
        Failure::Reset => {
            Fix::text("look for a firewall between this machine and the endpoint that resets connections")
        }
        Failure::Unreachable => Fix::text(
            "no route to this address: check the route tables of this subnet and of the endpoint's subnet",
        ),
        Failure::Other(_) => Fix::text("retry; if it fails again, check this machine's network settings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_of_attempts_has_its_result() {
        let four = || "10.0.0.1:443".parse().unwrap();
        let six = || "[fd00::1]:443".parse().unwrap();
        let cases = [
            (vec![(four(), None)], "Pass"),
            (vec![(four(), None), (four(), Some(Failure::TimedOut))], "Warn"),
            (vec![(four(), None), (six(), Some(Failure::Unreachable))], "Pass"),
            (vec![(four(), None), (six(), Some(Failure::Refused))], "Warn"),
            (vec![(four(), Some(Failure::TimedOut))], "Fail"),
            (vec![(four(), Some(Failure::Refused))], "Fail"),
            (vec![(four(), Some(Failure::Reset))], "Fail"),
            (vec![(six(), Some(Failure::Unreachable))], "Fail"),
            (vec![], "Fail"),
        ];
        for (attempts, expected) in cases {
            let attempts: Vec<_> = attempts
                .into_iter()
                .map(|(address, failure)| Attempt { address, milliseconds: 0, failure })
                .collect();
            assert_eq!(judge_attempts(&attempts).outcome.name(), expected, "{attempts:?}");
        }
    }
}
