//! Network ACLs, and whether they let clients connect to an endpoint.

use ipnet::IpNet;

use crate::endpoints::facts::Subnet;

/// A network ACL, with its rules in the order in which EC2 evaluates them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkAcl {
    pub id: String,
    pub subnets: Vec<String>,
    pub rules: Vec<AclRule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclRule {
    /// The lowest number that matches decides; the last one, `*`, is 32767.
    pub number: u32,
    pub is_egress: bool,
    pub allows: bool,
    /// Whether it is about TCP.
    pub is_tcp: bool,
    /// The first and last port.
    pub ports: (u16, u16),
    pub cidr: IpNet,
}

/// Ports from which clients connect. Linux chooses between these (ip-sysctl, `ip_local_port_range`).
const CLIENT_PORTS: (u16, u16) = (32768, 60999);
const HTTPS: (u16, u16) = (443, 443);

/// What an ACL refuses: its id, and which traffic.
pub type Refusal = (String, String);

/// What keeps machines in `client` from connecting to addresses in `server`; one for each direction and side. Network ACLs do
/// not apply inside a subnet (Amazon VPC user guide, "Network ACLs").
pub fn refusals(acls: &[NetworkAcl], client: &Subnet, server: &Subnet) -> Vec<Refusal> {
    if client.id == server.id {
        return Vec::new();
    }
    let of = |subnet: &Subnet| acls.iter().find(|acl| acl.subnets.contains(&subnet.id));
    let mut refusals = Vec::new();
    let sides = [
        (of(client), true, HTTPS, server, "to port 443 of"),
        (of(server), false, HTTPS, client, "to port 443 from"),
        (of(server), true, CLIENT_PORTS, client, "answers to"),
        (of(client), false, CLIENT_PORTS, server, "answers from"),
    ];
    for (acl, is_egress, ports, other, what) in sides {
        let Some(acl) = acl else { continue };
        let cidrs = other.cidrs.iter().filter(|cidr| {
            // Clients use a kind of addresses that both have.
            [client, server].iter().all(|subnet| subnet.cidrs.iter().any(|own| is_same_family(own, cidr)))
        });
        for cidr in cidrs {
            if !acl.allows(is_egress, ports, cidr) {
                let direction = if is_egress { "egress" } else { "ingress" };
                refusals.push((acl.id.clone(), format!("{direction} {what} {cidr}")));
            }
        }
    }
    refusals
}

const fn is_same_family(one: &IpNet, other: &IpNet) -> bool {
    matches!((one, other), (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_)))
}

impl NetworkAcl {
    /// Whether all of `ports` and all of `cidr` are allowed: by the first rule that touches them, or by several that together
    /// allow all of them before another one denies a part.
    fn allows(&self, is_egress: bool, ports: (u16, u16), cidr: &IpNet) -> bool {
        let mut rules: Vec<_> =
            self.rules.iter().filter(|rule| rule.is_egress == is_egress && rule.is_tcp).collect();
        rules.sort_by_key(|rule| rule.number);
        let mut open = vec![(ports, *cidr)];
        for rule in rules {
            let mut rest = Vec::new();
            for part in open {
                if !rule.touches(part) {
                    rest.push(part);
                } else if !rule.allows {
                    return false;
                } else {
                    rest.extend(rule.uncovered(part));
                }
            }
            open = rest;
            if open.is_empty() {
                return true;
            }
        }
        false
    }
}

impl AclRule {
    fn touches(&self, (ports, cidr): ((u16, u16), IpNet)) -> bool {
        let is_near = self.cidr.contains(&cidr) || cidr.contains(&self.cidr);
        is_near && self.ports.0 <= ports.1 && ports.0 <= self.ports.1
    }

    /// What is left of the ports after this rule. A rule for a part of the addresses leaves all of them open, which is right
    /// unless later rules allow the rest.
    fn uncovered(&self, (ports, cidr): ((u16, u16), IpNet)) -> Vec<((u16, u16), IpNet)> {
        if !self.cidr.contains(&cidr) {
            return cidr
                .subnets(cidr.prefix_len().saturating_add(1))
                .into_iter()
                .flatten()
                .filter(|_| cidr.prefix_len() < self.cidr.prefix_len())
                .flat_map(|half| {
                    if self.touches((ports, half)) {
                        self.uncovered((ports, half))
                    } else {
                        vec![(ports, half)]
                    }
                })
                .collect();
        }
        let mut rest = Vec::new();
        if ports.0 < self.ports.0 {
            rest.push(((ports.0, self.ports.0 - 1), cidr));
        }
        if self.ports.1 < ports.1 {
            rest.push(((self.ports.1 + 1, ports.1), cidr));
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(id: &str, cidr: &str) -> Subnet {
        Subnet { id: id.to_owned(), cidrs: vec![cidr.parse().unwrap()], ..Subnet::default() }
    }

    /// `100 in allow 443 10.0.0.0/8`.
    fn rule(text: &str) -> AclRule {
        let parts: Vec<_> = text.split(' ').collect();
        let (first, last) = parts[3].split_once('-').unwrap_or((parts[3], parts[3]));
        AclRule {
            number: parts[0].parse().unwrap(),
            is_egress: parts[1] == "out",
            allows: parts[2] == "allow",
            is_tcp: true,
            ports: (first.parse().unwrap(), last.parse().unwrap()),
            cidr: parts[4].parse().unwrap(),
        }
    }

    fn acl(id: &str, subnets: &[&str], rules: &[&str]) -> NetworkAcl {
        NetworkAcl {
            id: id.to_owned(),
            subnets: subnets.iter().map(ToString::to_string).collect(),
            rules: rules.iter().map(|text| rule(text)).collect(),
        }
    }

    const OPEN: [&str; 2] = ["100 in allow 0-65535 0.0.0.0/0", "100 out allow 0-65535 0.0.0.0/0"];

    #[test]
    fn all_four_ways_have_to_be_open() {
        let (client, server) = (subnet("a", "10.0.1.0/24"), subnet("b", "10.0.2.0/24"));
        let cases: [(&[&str], &[&str], &[&str]); 9] = [
            (&OPEN, &OPEN, &[]),
            (&OPEN, &OPEN[1..], &["acl-b ingress to port 443 from 10.0.1.0/24"]),
            (&OPEN, &OPEN[..1], &["acl-b egress answers to 10.0.1.0/24"]),
            (
                &[],
                &OPEN,
                &["acl-a egress to port 443 of 10.0.2.0/24", "acl-a ingress answers from 10.0.2.0/24"],
            ),
            // The lowest number decides.
            (
                &OPEN,
                &["90 in deny 443 10.0.1.0/24", OPEN[0], OPEN[1]],
                &["acl-b ingress to port 443 from 10.0.1.0/24"],
            ),
            (&OPEN, &["110 in deny 443 10.0.1.0/24", OPEN[0], OPEN[1]], &[]),
            // A part of the clients is denied.
            (
                &OPEN,
                &["90 in deny 443 10.0.1.128/25", OPEN[0], OPEN[1]],
                &["acl-b ingress to port 443 from 10.0.1.0/24"],
            ),
            // Two rules together allow all.
            (&OPEN, &["10 in allow 443 10.0.1.0/25", "20 in allow 443 10.0.1.128/25", OPEN[1]], &[]),
            // Too few ports for answers.
            (
                &["10 in allow 32768-50000 10.0.2.0/24", OPEN[1]],
                &OPEN,
                &["acl-a ingress answers from 10.0.2.0/24"],
            ),
        ];
        for (of_client, of_server, expected) in cases {
            let acls = [acl("acl-a", &["a"], of_client), acl("acl-b", &["b"], of_server)];
            let found: Vec<_> =
                refusals(&acls, &client, &server).iter().map(|(id, what)| format!("{id} {what}")).collect();
            assert_eq!(found, expected, "{of_client:?} {of_server:?}");
            assert_eq!(refusals(&acls, &client, &client), []);
        }
    }

    #[test]
    fn only_addresses_that_both_have_count() {
        let client = subnet("a", "10.0.1.0/24");
        let mut server = subnet("b", "10.0.2.0/24");
        server.cidrs.push("fd00::/64".parse().unwrap());
        let acls = [acl("acl-a", &["a", "b"], &OPEN)];
        assert_eq!(refusals(&acls, &client, &server), []);
    }
}
