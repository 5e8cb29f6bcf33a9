//! CPL211: the host resolves to private addresses only.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;

use super::endpoint_resolves::list;
use crate::preflight::check::{Category, Check, Place, Severity};
use crate::preflight::judgement::Judgement;

pub static CHECK: Check = Check {
    code: "CPL211",
    title: "the host resolves to private addresses only",
    category: Category::Endpoints,
    severity: Severity::Error,
    requires: &["CPL210"],
    place: Place::Here,
    permissions: &[],
    explanation: "A public address is the sign that private DNS is off: the component would leave the VPC, which has no way out.",
    remedy: "enable private DNS on the endpoint",
};

/// Whether all addresses are private. Private addresses beside public ones of the other family are a warning:
/// clients may take either.
pub fn judge(addresses: &[IpAddr], vpc: &[IpNet]) -> Judgement {
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
mod tests {
    use super::*;
    use crate::preflight::judgement::Outcome;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn private_means_what_cannot_be_reached_from_the_internet() {
        let vpc: Vec<IpNet> = vec!["198.51.100.0/24".parse().unwrap(), "2600:1f18::/56".parse().unwrap()];
        let cases: [(&[&str], Outcome); 12] = [
            (&["10.0.1.5", "10.0.2.5"], Outcome::Pass),
            (&["172.16.0.1"], Outcome::Pass),
            (&["172.32.0.1"], Outcome::Fail),
            (&["192.168.3.4"], Outcome::Pass),
            (&["100.64.0.1"], Outcome::Pass),
            (&["100.127.255.254"], Outcome::Pass),
            (&["100.128.0.1"], Outcome::Fail),
            (&["fd00::1"], Outcome::Pass),
            (&["198.51.100.7", "2600:1f18::7"], Outcome::Pass),
            (&["104.16.81.56", "104.16.82.56"], Outcome::Fail),
            (&["10.0.1.5", "104.16.81.56"], Outcome::Fail),
            (&["10.0.1.5", "2606:4700::1"], Outcome::Warn),
        ];
        for (texts, expected) in cases {
            assert_eq!(judge(&addresses(texts), &vpc).outcome, expected, "{texts:?}");
        }
    }
}
