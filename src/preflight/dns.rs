//! What the answers of name servers mean, and whether the addresses are private.

use std::net::IpAddr;

use ipnet::IpNet;
use probe::dns::{Answer, Answers, Reply};
use serde_json::json;

use super::check::{Judgement, Remedy};

/// Whether the answers give clients an address to go to.
pub fn judge_resolution(answers: &Answers) -> Judgement {
    let (a, aaaa) = (describe(&answers.a), describe(&answers.aaaa));
    let seen = if a == aaaa { format!("A and AAAA: {a}") } else { format!("A: {a}; AAAA: {aaaa}") };
    let judgement = if !answers.addresses().is_empty() {
        let broken = [("A", &answers.a), ("AAAA", &answers.aaaa)]
            .into_iter()
            .find(|(_, answer)| !matches!(answer.reply, Reply::Addresses(_) | Reply::NoRecords));
        match broken {
            None => Judgement::pass(seen),
            Some((record, _)) => Judgement::warn(seen).remedy(Remedy::text(format!(
                "mend the name server's answer for {record}: clients ask for both record types, and some give up when one of them fails"
            ))),
        }
    } else if let Some(problem) =
        [&answers.a, &answers.aaaa].into_iter().find_map(|answer| match &answer.reply {
            Reply::Error(problem) => Some(problem),
            _ => None,
        })
    {
        Judgement::unknown(format!("no name server could be asked: {problem}"))
    } else {
        let judgement = Judgement::fail(seen);
        match &answers.a.reply {
            Reply::TimedOut => judgement.remedy(Remedy::text(
                "find out why the name server is silent: a security group or network ACL on port 53, or a DHCP option set that names a server that is gone",
            )),
            Reply::Code(code) if code == "SERVFAIL" || code == "REFUSED" => judgement.remedy(Remedy::text(format!(
                "the name server answers {code}: let it forward this name to the VPC's resolver (the VPC's base address plus two)"
            ))),
            _ => judgement,
        }
    };
    judgement.expected("an address for A or AAAA").evidence(json!(answers))
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
        Reply::TimedOut => "no answer in time".to_owned(),
        Reply::Error(problem) => problem.clone(),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Whether all addresses are private. Private addresses beside public ones of the other family are a warning:
/// clients may take either.
pub fn judge_private(addresses: &[IpAddr], vpc: &[IpNet]) -> Judgement {
    let (private, public): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().copied().partition(|address| is_private(*address, vpc));
    let evidence = json!({ "private": private, "public": public });
    let judgement = match (private.is_empty(), public.is_empty()) {
        (_, true) => Judgement::pass(list(&private)),
        (true, false) => Judgement::fail(format!("{}: public", list(&public))),
        (false, false) => {
            let seen = format!("{}: private; {}: public", list(&private), list(&public));
            let same_family =
                public.iter().any(|address| private.iter().any(|other| other.is_ipv4() == address.is_ipv4()));
            if same_family { Judgement::fail(seen) } else { Judgement::warn(seen) }
        }
    };
    judgement
        .expected("private addresses: RFC 1918, 100.64.0.0/10, fc00::/7 or the VPC's own")
        .evidence(evidence)
}

/// RFC 1918, RFC 6598 (EKS' secondary ranges), RFC 4193, and whatever the VPC calls its own.
fn is_private(address: IpAddr, vpc: &[IpNet]) -> bool {
    let known = match address {
        IpAddr::V4(address) => address.is_private() || (u32::from(address) >> 22) == 0b01_1001_0001,
        IpAddr::V6(address) => address.is_unique_local(),
    };
    known || vpc.iter().any(|range| range.contains(&address))
}

#[cfg(test)]
mod tests;
