//! CPL220: the endpoint accepts TCP connections.

use std::net::SocketAddr;

use probe::tcp::Failure;
use serde_json::json;

use crate::preflight::check::{Category, Check, Place, Severity};
use crate::preflight::judgement::{Judgement, Remedy};

pub static CHECK: Check = Check {
    code: "CPL220",
    title: "the endpoint accepts TCP connections",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &["CPL211"],
    place: Place::Here,
    permissions: &[],
    explanation: "Each address is an interface of the endpoint in one zone; all of them must answer, because clients take any.",
    remedy: "let port 443 in from the nodes' and pods' security groups on the endpoint's security group",
};

/// Whether clients get a connection, whichever address they take. IPv6 addresses that this machine has no route to
/// do no harm where IPv4 works, because clients then do not try them.
pub fn judge(attempts: &[(SocketAddr, Option<Failure>)]) -> Judgement {
    let evidence: Vec<_> =
        attempts.iter().map(|(address, failure)| json!({ "address": address, "failure": failure })).collect();
    let seen: Vec<_> = attempts
        .iter()
        .map(|(address, failure)| {
            let what = failure.as_ref().map_or("connected", Failure::describe);
            format!("{address} {what}")
        })
        .collect();
    let seen = seen.join(", ");
    let connected = attempts.iter().any(|(_, failure)| failure.is_none());
    let worst = attempts.iter().find_map(|(address, failure)| {
        failure
            .as_ref()
            .filter(|failure| !(connected && address.is_ipv6() && **failure == Failure::Unreachable))
    });
    let judgement = match (connected, worst) {
        (true, None) => Judgement::pass(seen),
        (true, Some(failure)) => Judgement::warn(seen).remedy(remedy(failure)),
        (false, Some(failure)) => Judgement::fail(seen).remedy(remedy(failure)),
        (false, None) => Judgement::fail("no address to connect to"),
    };
    judgement.expected("a connection to every address").evidence(json!(evidence))
}

fn remedy(failure: &Failure) -> Remedy {
    match failure {
        Failure::TimedOut => Remedy::command(
            "let port 443 in on the endpoint's security group from this machine's, the nodes' and the pods' addresses, and check the subnets' network ACLs",
            "aws ec2 authorize-security-group-ingress --group-id SECURITY_GROUP_ID --protocol tcp --port 443 --cidr VPC_CIDR",
        ),
        Failure::Refused => Remedy::text(
            "nothing listens on this address: the name may point to a machine that is no endpoint, or the endpoint service has no healthy target",
        ),
        Failure::Reset => Remedy::text(
            "something on the way ends connections: look for a firewall between here and the endpoint",
        ),
        Failure::Unreachable => Remedy::text(
            "there is no route to this address: check the route tables of this subnet and of the endpoint's",
        ),
        Failure::Other(_) => Remedy::text("try again; if it stays, look at this machine's network settings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mix_of_attempts_has_its_result() {
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
            assert_eq!(judge(&attempts).outcome.name(), expected, "{attempts:?}");
        }
    }
}
