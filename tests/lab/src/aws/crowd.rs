//! Subnets and route tables of other teams in the VPC, more than moto could create in a test's time.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SUBNETS;
use super::endpoints::{change_tags, element};
use super::form::Form;
use crate::address;

/// Subnets in one route table.
const SUBNETS_OF_TABLE: usize = 10;
/// Blocks of 16 addresses in `10.1.0.0/16`.
const LARGEST: usize = 4096;

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Size {
    pub(super) subnets: usize,
    /// Interface endpoints, each of a service of its own.
    pub(super) endpoints: usize,
}

/// In the zones of the lab's subnets, with blocks of `10.1.0.0/16`.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Identifiers and tags.
    subnets: BTreeMap<String, BTreeMap<String, String>>,
}

impl Crowd {
    pub(super) fn new(size: Size) -> Self {
        let subnets = (0..size.subnets.min(LARGEST)).map(|number| format!("subnet-0c{number:015x}"));
        Self { subnets: subnets.map(|id| (id, BTreeMap::new())).collect() }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.subnets.contains_key(id)
    }

    pub(super) fn change_tags(&mut self, action: &str, ids: &[String], form: &Form) {
        for id in ids {
            if let Some(tags) = self.subnets.get_mut(id) {
                change_tags(action, tags, form);
            }
        }
    }

    /// The items that it adds to a list.
    pub(super) fn items(&self, action: &str, form: &Form) -> Vec<String> {
        let filters = form.filters();
        let matches = |id: &str| {
            filters.iter().all(|(name, values)| match name.as_str() {
                "vpc-id" => values.iter().any(|value| value == address::VPC_ID),
                "subnet-id" => values.iter().any(|value| value == id),
                _ => false,
            })
        };
        match action {
            "DescribeSubnets" => {
                let subnets = self.subnets.iter().enumerate().filter(|(_, (id, _))| matches(id));
                subnets.map(|(number, (id, tags))| subnet(number, id, tags)).collect()
            }
            "DescribeRouteTables" if matches("") => {
                let subnets: Vec<_> = self.subnets.keys().collect();
                subnets
                    .chunks(SUBNETS_OF_TABLE)
                    .enumerate()
                    .map(|(number, some)| table(number, some))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

fn subnet(number: usize, id: &str, tags: &BTreeMap<String, String>) -> String {
    let zone = SUBNETS[number % SUBNETS.len()].1;
    let block = format!("10.1.{}.{}/28", number / 16, number % 16 * 16);
    let tags = tags
        .iter()
        .map(|(key, value)| format!("<item>{}{}</item>", element("key", key), element("value", value)));
    format!(
        "<item><subnetId>{id}</subnetId><state>available</state><vpcId>{}</vpcId><cidrBlock>{block}</cidrBlock>\
         <ipv6CidrBlockAssociationSet/><availableIpAddressCount>11</availableIpAddressCount><availabilityZone>{zone}\
         </availabilityZone><ownerId>{}</ownerId><tagSet>{}</tagSet></item>",
        address::VPC_ID,
        address::ACCOUNT,
        tags.collect::<String>()
    )
}

fn table(number: usize, subnets: &[&String]) -> String {
    let associations =
        subnets.iter().map(|subnet| format!("<item><subnetId>{subnet}</subnetId><main>false</main></item>"));
    format!(
        "<item><routeTableId>rtb-0c{number:015x}</routeTableId><vpcId>{}</vpcId><ownerId>{}</ownerId><routeSet/>\
         <associationSet>{}</associationSet><tagSet/></item>",
        address::VPC_ID,
        address::ACCOUNT,
        associations.collect::<String>()
    )
}
