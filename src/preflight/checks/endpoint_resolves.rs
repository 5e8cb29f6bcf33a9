//! CPL210: the host resolves.

use std::net::IpAddr;

use probe::Layer;
use probe::dns::{Answer, Answers, Reply};
use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Severity, Step};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::fixes;
use crate::preflight::judgement::{Fix, Judgement, Outcome, Symptom};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL210",
    title: "the host resolves",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &[],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "A and AAAA records are looked up separately and without /etc/hosts, as in a pod.",
    remediation: "enable private DNS on the endpoint, and DNS support in the VPC",
    judge: Judge::Network { layer: Layer::Dns, step: Step::Dns, applies: Target::is_cast_ai, judge },
};

pub(super) fn judge(probed: &ProbedTarget<'_>) -> Judgement {
    let mut judgement = ProbedTarget::judge(&probed.facts.dns, judge_answers);
    if judgement.outcome == Outcome::Fail && judgement.fixes.is_empty() {
        judgement.fixes = fixes::private_dns(probed.target);
    }
    judgement
}

/// Whether the DNS responses contain a usable address.
fn judge_answers(answers: &Answers) -> Judgement {
    let (a, aaaa) = (describe(&answers.a), describe(&answers.aaaa));
    let seen = if a == aaaa { format!("A and AAAA: {a}") } else { format!("A: {a}; AAAA: {aaaa}") };
    let judgement =
        if !answers.addresses().is_empty() {
            let broken = [("A", &answers.a), ("AAAA", &answers.aaaa)]
                .into_iter()
                .find(|(_, answer)| !matches!(answer.reply, Reply::Addresses(_) | Reply::NoRecords));
            match broken {
                None => Judgement::pass(seen),
                Some((record, _)) => Judgement::warn(seen).fix(Fix::text(format!(
                    "fix the DNS server's response for {record}: clients look up both record types, and some \
                 fail if one of them fails"
                ))),
            }
        } else if let Some(problem) =
            [&answers.a, &answers.aaaa].into_iter().find_map(|answer| match &answer.reply {
                Reply::Error(problem) => Some(problem),
                _ => None,
            })
        {
            Judgement::unknown(format!("no DNS server responded: {problem}")).symptom(Symptom::NoDnsServer)
        } else {
            let symptom = match answers.a.reply {
                Reply::TimedOut => Symptom::NoDnsServer,
                _ => Symptom::NoAddress,
            };
            let judgement = Judgement::fail(seen).symptom(symptom);
            match &answers.a.reply {
            Reply::TimedOut => judgement.fix(Fix::text(
                "check security groups and network ACLs for port 53, and whether the DHCP option set names \
                 a DNS server that exists",
            )),
            Reply::Code(code) if code == "SERVFAIL" || code == "REFUSED" => judgement.fix(Fix::text(format!(
                "the DNS server responds with {code}: forward this name to the VPC's resolver (the VPC's \
                 base address plus two)"
            ))),
            _ => judgement,
        }
        };
    judgement.expected("an A or AAAA record").evidence(json!(answers))
}

fn describe(answer: &Answer) -> String {
    let aliases = answer.aliases.iter().map(|alias| format!("{alias} → "));
    aliases.collect::<String>() + &describe_reply(&answer.reply)
}

fn describe_reply(reply: &Reply) -> String {
    match reply {
        Reply::Addresses(addresses) => list(addresses),
        Reply::NoRecords => "no records".to_owned(),
        Reply::Code(code) => code.clone(),
        Reply::TimedOut => "timed out".to_owned(),
        Reply::Error(problem) => problem.clone(),
    }
}

pub(super) fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(reply: Reply) -> Answer {
        Answer { reply, aliases: Vec::new(), ttl: None }
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn every_pair_of_dns_answers_has_its_result() {
        let found = || Reply::Addresses(addresses(&["10.0.0.1"]));
        let code = |text: &str| Reply::Code(text.to_owned());
        let cases = [
            (found(), Reply::NoRecords, "Pass"),
            (found(), found(), "Pass"),
            (Reply::NoRecords, found(), "Pass"),
            (found(), code("SERVFAIL"), "Warn"),
            (found(), Reply::TimedOut, "Warn"),
            (Reply::NoRecords, Reply::NoRecords, "Fail"),
            (code("NXDOMAIN"), code("NXDOMAIN"), "Fail"),
            (code("SERVFAIL"), code("SERVFAIL"), "Fail"),
            (code("REFUSED"), code("REFUSED"), "Fail"),
            (Reply::TimedOut, Reply::TimedOut, "Fail"),
            (Reply::Error("none".to_owned()), Reply::Error("none".to_owned()), "Unknown"),
        ];
        for (a, aaaa, expected) in cases {
            let answers = Answers { a: answer(a), aaaa: answer(aaaa) };
            assert_eq!(judge_answers(&answers).outcome.name(), expected, "{answers:?}");
        }
    }
}
