//! Network interfaces of endpoints: one in each subnet.

use std::net::Ipv4Addr;

use super::render::{element, response};
use super::{Endpoint, Endpoints};
use crate::aws::error::Refusal;
use crate::{address, castai};

impl Endpoint {
    /// The identifiers of its interfaces.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = String> + '_ {
        let number = self.id.trim_start_matches("vpce-0");
        (1..=self.subnets.len()).map(move |index| format!("eni-0{index}{}", &number[1..]))
    }

    /// The address of its interface in a subnet: names lead to the first one.
    fn address(&self, index: usize) -> Ipv4Addr {
        let of_castai = castai::hosts().into_iter().zip(0..).find(|(host, _)| host.name == self.host);
        let of_castai = of_castai.map(|(_, index)| address::castai_endpoint(index));
        let suffix = self.host.trim_start_matches('*');
        let of_aws = address::SERVERS.iter().find(|(name, _)| name.ends_with(suffix));
        let [a, b, zone, last] = of_castai.or(of_aws.map(|(_, of)| *of)).unwrap_or(address::SILENT).octets();
        let index = u8::try_from(index).unwrap_or_default();
        Ipv4Addr::new(a, b, zone + index, last)
    }
}

impl Endpoints {
    /// `DescribeNetworkInterfaces` of interfaces that the request names.
    pub(in crate::aws) fn describe_interfaces(&self, ids: &[String]) -> Result<String, Refusal> {
        let mut items = String::new();
        for id in ids {
            let mut all = self.list.iter().flat_map(|endpoint| {
                endpoint.interfaces().enumerate().map(move |(index, id)| (endpoint, index, id))
            });
            let (endpoint, index, _) = all.find(|(.., known)| known == id).ok_or_else(|| {
                let message = format!("The networkInterface ID '{id}' does not exist");
                Refusal::new("InvalidNetworkInterfaceID.NotFound", message)
            })?;
            let address = element("privateIpAddress", &endpoint.address(index).to_string());
            let addresses = format!("<privateIpAddressesSet><item>{address}</item></privateIpAddressesSet>");
            let subnet = element("subnetId", &endpoint.subnets[index]);
            let id = element("networkInterfaceId", id);
            items.extend(["<item>", &id, &subnet, &address, &addresses, "</item>"]);
        }
        Ok(response(
            "DescribeNetworkInterfaces",
            &format!("<networkInterfaceSet>{items}</networkInterfaceSet>"),
        ))
    }
}
