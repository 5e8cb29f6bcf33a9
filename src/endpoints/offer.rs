//! What Cast AI offers: its endpoint services, their hosts and the regions that have them.

use serde::Serialize;

use crate::castai::endpoints::{Installation, Protocol, Service, regions, services};
use crate::model::aws_partition::Partition;
use crate::model::inventory::API_VERSION;

/// Cast AI's endpoint services, of all regions or of one.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    api_version: &'static str,
    kind: &'static str,
    /// Empty if no service is known in the region.
    pub services: Vec<OfferedService>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OfferedService {
    /// Our short name, as in `--service`.
    pub name: &'static str,
    /// The name in Cast AI's guide.
    pub guide_name: &'static str,
    /// The variable in Cast AI's Terraform code.
    pub guide_variable: &'static str,
    pub purpose: &'static str,
    pub protocol: Protocol,
    /// The hosts that lead to the service; empty if Cast AI does not publish them.
    pub hosts: Vec<OfferedHost>,
    pub needed_by: Vec<&'static str>,
    pub regions: Vec<OfferedIn>,
}

/// A host of one of Cast AI's installations.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OfferedHost {
    pub installation: Installation,
    pub host: &'static str,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OfferedIn {
    pub region: &'static str,
    /// What the endpoint is created with.
    pub service_name: String,
}

impl Offer {
    /// The services of all regions, or of `region`.
    pub fn new(region: Option<&str>) -> Self {
        let services = services().iter().map(|service| OfferedService::new(service, region));
        Self {
            api_version: API_VERSION,
            kind: "EndpointServiceList",
            services: services.filter(|service| !service.regions.is_empty()).collect(),
        }
    }
}

impl OfferedService {
    fn new(service: &Service, region: Option<&str>) -> Self {
        let hosts = [Installation::Us, Installation::Eu]
            .into_iter()
            .filter_map(|installation| Some(OfferedHost { installation, host: service.host(installation)? }));
        let offered = service.service_names().filter(|(name, _)| region.is_none_or(|region| region == *name));
        Self {
            name: service.name,
            guide_name: service.guide_name,
            guide_variable: service.guide_variable,
            purpose: service.purpose,
            protocol: service.protocol,
            hosts: hosts.collect(),
            needed_by: service.users().collect(),
            regions: offered.map(|(region, service_name)| OfferedIn { region, service_name }).collect(),
        }
    }
}

/// Why there is no service for `region`: an error and a hint. `None` if there are some.
pub fn not_offered(region: &str) -> Option<(String, String)> {
    let partition = |region: &str| Partition::of_region(region).id;
    if regions().any(|known| known == region) {
        return None;
    }
    let known = regions().collect::<Vec<_>>().join(", ");
    let ours = partition(region);
    let (place, because) = if regions().any(|known| partition(known) == ours) {
        (region.to_owned(), "this list may be older than Cast AI's offer")
    } else {
        (
            format!("{region} or another region of the partition {ours}"),
            "an endpoint connects only to services of its own partition",
        )
    };
    Some((
        format!("no endpoint service of Cast AI is known in {place}, only in {known}"),
        format!("ask Cast AI for the service names of {region}: {because}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offer_has_each_service_in_each_region() {
        let offer = Offer::new(None);
        assert_eq!(offer.services.len(), 6);
        for service in &offer.services {
            let found: Vec<_> = service.regions.iter().map(|offered| offered.region).collect();
            assert_eq!(found, ["us-east-1", "us-east-2", "ap-south-1", "ap-south-2"], "{}", service.name);
        }
        let files = offer.services.iter().find(|service| service.name == "files").unwrap();
        assert!(files.hosts.is_empty(), "{files:?}");
        let rest = &offer.services[0];
        assert_eq!((rest.name, rest.guide_name), ("rest-api", "REST API"));
        assert_eq!(
            rest.hosts.iter().map(|host| host.host).collect::<Vec<_>>(),
            ["api.cast.ai", "api.eu.cast.ai"]
        );
    }

    #[test]
    fn the_offer_of_a_region_has_only_its_services() {
        let offer = Offer::new(Some("ap-south-2"));
        assert_eq!(offer.services.len(), 6);
        for service in &offer.services {
            let [only] = service.regions.as_slice() else { panic!("{service:?}") };
            assert!(only.service_name.starts_with("com.amazonaws.vpce.ap-south-2.vpce-svc-"), "{only:?}");
        }
        assert_eq!(Offer::new(Some("eu-west-1")).services, []);
    }

    #[test]
    fn an_unknown_region_is_distinguished_from_an_unknown_partition() {
        assert_eq!(not_offered("us-east-2"), None);
        for (region, place, because) in [
            ("eu-west-1", "known in eu-west-1, only in us-east-1,", "older than Cast AI's offer"),
            ("cn-north-1", "known in cn-north-1 or another region of the partition aws-cn,", "own partition"),
            ("us-gov-west-1", "partition aws-us-gov,", "own partition"),
        ] {
            let (message, hint) = not_offered(region).unwrap();
            assert!(message.contains(place) && hint.contains(because), "{message}\n{hint}");
        }
    }
}
