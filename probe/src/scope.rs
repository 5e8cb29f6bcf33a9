//! Private and public addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Classifies addresses by whether they can be reached from the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub private: Vec<IpAddr>,
    pub public: Vec<IpAddr>,
}

impl Scope {
    /// Classifies addresses; those in `own` ranges are private too.
    pub fn of(addresses: &[IpAddr], own: &[IpNet]) -> Self {
        let (private, public) = addresses.iter().copied().partition(|address| is_private(*address, own));
        Self { private, public }
    }

    /// Whether a client may use a public address: there are only public ones, or public and private ones of the
    /// same family. If there are two families, clients may use either, and possibly only the private one works.
    pub fn leads_outside(&self) -> bool {
        let same_family = || {
            self.public
                .iter()
                .any(|address| self.private.iter().any(|other| other.is_ipv4() == address.is_ipv4()))
        };
        !self.public.is_empty() && (self.private.is_empty() || same_family())
    }
}

/// RFC 1918, RFC 6598 (EKS' secondary ranges), RFC 4193, and `own` ranges.
fn is_private(address: IpAddr, own: &[IpNet]) -> bool {
    let known = match address {
        IpAddr::V4(address) => address.is_private() || (u32::from(address) >> 22) == 0b01_1001_0001,
        IpAddr::V6(address) => address.is_unique_local(),
    };
    known || own.iter().any(|range| range.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_cannot_be_reached_from_the_internet() {
        let own: Vec<IpNet> = vec!["198.51.100.0/24".parse().unwrap(), "2600:1f18::/56".parse().unwrap()];
        // Addresses, how many of them are public, and whether clients may use a public one.
        let cases: [(&[&str], usize, bool); 13] = [
            (&["10.0.1.5", "10.0.2.5"], 0, false),
            (&["172.16.0.1"], 0, false),
            (&["172.32.0.1"], 1, true),
            (&["192.168.3.4"], 0, false),
            (&["100.64.0.1"], 0, false),
            (&["100.127.255.254"], 0, false),
            (&["100.128.0.1"], 1, true),
            (&["fd00::1"], 0, false),
            (&["198.51.100.7", "2600:1f18::7"], 0, false),
            (&["104.16.81.56", "104.16.82.56"], 2, true),
            (&["10.0.1.5", "104.16.81.56"], 1, true),
            (&["10.0.1.5", "2606:4700::1"], 1, false),
            (&[], 0, false),
        ];
        for (texts, public, outside) in cases {
            let addresses: Vec<IpAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let scope = Scope::of(&addresses, &own);
            assert_eq!((scope.public.len(), scope.leads_outside()), (public, outside), "{texts:?}");
            assert_eq!(scope.private.len() + public, addresses.len());
        }
    }
}
