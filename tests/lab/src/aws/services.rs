//! Endpoint services, which moto does not know: those of Cast AI, and every name that AWS could have.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::SUBNETS;
use super::endpoints::{Endpoints, element, list};
use super::error::{Refusal, request_id};
use super::form::Form;
use crate::address;

const ENDPOINT_SERVICES: &str = include_str!("../../../../src/castai/endpoint-services.csv");

/// The host that EC2 knows for Cast AI's files, which is published nowhere.
pub const FILES_HOST: &str = "files.castai.example";

/// A service to which endpoints can connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// As in the table of endpoint services, or `ecr.api`.
    pub(super) short_name: String,
    pub(super) name: String,
    pub(super) region: String,
    /// Its private name.
    pub(super) host: String,
    /// Of the routes to it, if it offers gateway endpoints.
    pub(super) prefix_list: Option<&'static str>,
}

impl Offer {
    /// Those of `region`; none if the table does not have it.
    fn of_cast_ai(region: &str) -> Vec<Self> {
        let mut lines = ENDPOINT_SERVICES.lines();
        let columns: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| columns.iter().position(|column| *column == name);
        let (Some(short_name), Some(host), Some(id)) =
            (column("service"), column("usual_host_us"), column(region))
        else {
            return Vec::new();
        };
        let rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
        rows.map(|row| Self {
            short_name: row[short_name].to_owned(),
            name: format!("com.amazonaws.vpce.{region}.{}", row[id]),
            region: region.to_owned(),
            host: if row[host].is_empty() { FILES_HOST } else { row[host] }.to_owned(),
            prefix_list: None,
        })
        .collect()
    }

    /// By its name for EC2. Every name below `com.amazonaws.REGION` is a service of AWS.
    pub(super) fn find_by_full_name(name: &str) -> Option<Self> {
        let of_aws = || {
            let short = name.strip_prefix(&format!("com.amazonaws.{}.", address::REGION))?;
            Some(Self {
                short_name: short.to_owned(),
                name: name.to_owned(),
                region: address::REGION.to_owned(),
                host: match short {
                    "ecr.api" => address::ECR_API.0.to_owned(),
                    "ecr.dkr" => format!("*.dkr.ecr.{}.amazonaws.com", address::REGION),
                    _ => format!("{short}.{}.amazonaws.com", address::REGION),
                },
                prefix_list: match short {
                    "s3" => Some("pl-63a5400a"),
                    "dynamodb" => Some("pl-02cd2c6b"),
                    _ => None,
                },
            })
        };
        let region = name.strip_prefix("com.amazonaws.vpce.").and_then(|rest| rest.split('.').next());
        let of_region = region.map(Self::of_cast_ai).unwrap_or_default();
        of_region.into_iter().find(|offer| offer.name == name).or_else(of_aws)
    }

    /// By its name for EC2, or for one of Cast AI in the lab's region by its short name.
    pub(super) fn find(name: &str) -> Option<Self> {
        let has_short_name = |offer: &Self| offer.short_name == name;
        let mut of_cast_ai = Self::of_cast_ai(address::REGION).into_iter();
        of_cast_ai.find(has_short_name).or_else(|| Self::find_by_full_name(name))
    }
}

/// Cast AI's services of the region: name and private host.
pub fn cast_ai_services() -> Vec<(String, String)> {
    Offer::of_cast_ai(address::REGION).into_iter().map(|offer| (offer.name, offer.host)).collect()
}

/// What a test sets of a service; absent fields are as in the beginning.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Properties {
    /// Where it accepts subnets.
    zones: Option<Vec<String>>,
    /// `ipv4`, `ipv6`.
    ip_types: Option<Vec<String>>,
    /// Other regions from which it accepts endpoints.
    regions: Vec<String>,
    /// `DescribeVpcEndpointServices` does not find it.
    hidden: bool,
    /// Its private name.
    host: Option<String>,
}

/// Of services, by short or full name; `*` is every service that has no entry of its own.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Services(BTreeMap<String, Properties>);

impl Services {
    /// The first name that no service has.
    pub(super) fn unknown(&self) -> Option<&str> {
        let mut names = self.0.keys().map(String::as_str);
        names.find(|name| *name != "*" && Offer::find(name).is_none())
    }

    fn properties(&self, offer: &Offer) -> Properties {
        let names = [&offer.name, &offer.short_name, "*"];
        names.into_iter().find_map(|name| self.0.get(name)).cloned().unwrap_or_default()
    }

    /// The zones of the service's region in which it accepts subnets.
    fn zones(&self, offer: &Offer) -> Vec<String> {
        let initial = || {
            let letters = SUBNETS.iter().filter_map(|(_, zone, _)| zone.strip_prefix(address::REGION));
            letters.map(|letter| format!("{}{letter}", offer.region)).collect()
        };
        self.properties(offer).zones.unwrap_or_else(initial)
    }

    pub(super) fn ip_types(&self, offer: &Offer) -> Vec<String> {
        self.properties(offer).ip_types.unwrap_or_else(|| vec!["ipv4".to_owned()])
    }

    /// The private name of a service.
    pub(super) fn host_of(&self, service: &str) -> Option<String> {
        let offer = Offer::find_by_full_name(service)?;
        Some(self.properties(&offer).host.unwrap_or(offer.host))
    }

    /// Whether it accepts a subnet in this zone. A service of another region does not depend on zones.
    pub(super) fn accept_zone(&self, offer: &Offer, zone: &str) -> bool {
        if offer.region == address::REGION {
            return self.zones(offer).iter().any(|known| known == zone);
        }
        zone.strip_prefix(address::REGION).is_some_and(|letter| letter.len() == 1)
    }

    /// The service that a request names, with its region if that is not the lab's.
    fn find(name: &str, region: &str) -> Result<Offer, Refusal> {
        let region = if region.is_empty() { address::REGION } else { region };
        let found = Offer::find_by_full_name(name).filter(|offer| offer.region == region);
        found.ok_or_else(|| unknown(name))
    }

    /// The same, if it accepts endpoints in the lab's region.
    pub(super) fn find_for_endpoint(&self, name: &str, region: &str) -> Result<Offer, Refusal> {
        let mut offer = Self::find(name, region)?;
        offer.host = self.properties(&offer).host.unwrap_or(offer.host);
        let is_allowed = offer.region == address::REGION
            || self.properties(&offer).regions.iter().any(|region| region == address::REGION);
        if is_allowed { Ok(offer) } else { Err(unknown(name)) }
    }

    /// `DescribeVpcEndpointServices` with `ServiceName.n`. As in EC2, one unknown name fails the request.
    pub(super) fn describe(&self, form: &Form, endpoints: &Endpoints) -> Result<String, Refusal> {
        let mut details = String::new();
        for name in form.list("ServiceName") {
            let offer = Self::find(&name, form.text("ServiceRegion.1"))?;
            let properties = self.properties(&offer);
            if properties.hidden {
                return Err(unknown(&name));
            }
            let zones = list("availabilityZoneSet", self.zones(&offer).iter());
            let ip_types = list("supportedIpAddressTypeSet", self.ip_types(&offer).iter());
            let regions = std::iter::once(&offer.region).chain(&properties.regions);
            let regions = regions.map(|region| format!("<item>{}</item>", element("region", region)));
            let regions = regions.collect::<String>();
            let acceptance = endpoints.requires_acceptance(&name);
            let (host, region) = (properties.host.as_ref().unwrap_or(&offer.host), &offer.region);
            // Writing to a string cannot fail.
            let _ = write!(
                details,
                "<item><serviceName>{name}</serviceName><serviceRegion>{region}</serviceRegion>{zones}\
                 <privateDnsName>{host}</privateDnsName><privateDnsNameSet><item><privateDnsName>\
                 {host}</privateDnsName></item></privateDnsNameSet><privateDnsNameVerificationState>verified\
                 </privateDnsNameVerificationState><acceptanceRequired>{acceptance}</acceptanceRequired>\
                 {ip_types}<supportedRegionSet>{regions}</supportedRegionSet></item>"
            );
        }
        Ok(format!(
            "<DescribeVpcEndpointServicesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{}\
             </requestId><serviceDetailSet>{details}</serviceDetailSet></DescribeVpcEndpointServicesResponse>",
            request_id()
        ))
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::new("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"))
}
