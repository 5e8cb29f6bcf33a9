//! Cast AI's PrivateLink endpoint services per region, and their hosts.
//!
//! Source: castai/privatelink-aws README (October 2025) and docs.cast.ai/docs/communication-requirements. The host of
//! the files service is not published: only EC2's `DescribeVpcEndpointServices` returns it.

use std::sync::LazyLock;

use serde::Serialize;

pub use crate::model::knowledge::Protocol;

const TABLE: &str = include_str!("endpoint-services.csv");

/// Cast AI's installations, which have different hosts. A cluster connects to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Installation {
    Us,
    Eu,
}

/// An endpoint service that Cast AI offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Short name, such as `rest-api`.
    pub name: &'static str,
    pub purpose: &'static str,
    pub protocol: Protocol,
    usual_users: &'static str,
    /// Its name in Cast AI's guide.
    pub guide_name: &'static str,
    /// Its variable in Cast AI's Terraform code.
    pub guide_variable: &'static str,
    us_host: Option<&'static str>,
    eu_host: Option<&'static str>,
    /// Region and service ID.
    regions: Vec<(&'static str, &'static str)>,
}

impl Service {
    /// The host that components use, if known.
    pub fn host(&self, installation: Installation) -> Option<&'static str> {
        match installation {
            Installation::Us => self.us_host,
            Installation::Eu => self.eu_host,
        }
    }

    /// What needs it in its usual configuration, one by one. What the components of a cluster are configured with is read
    /// from their variables (`preflight::configured`).
    pub fn users(&self) -> impl Iterator<Item = &'static str> {
        self.usual_users.split(';').map(str::trim)
    }

    /// The regions that have it, each with the full service name.
    pub fn service_names(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.regions.iter().map(|(region, id)| (*region, format!("com.amazonaws.vpce.{region}.{id}")))
    }

    /// The full service name for creating an endpoint, if the service exists in that region.
    pub fn service_name(&self, region: &str) -> Option<String> {
        self.service_names().find(|(name, _)| *name == region).map(|(_, service)| service)
    }
}

/// All services, in the table's order.
pub fn services() -> &'static [Service] {
    static SERVICES: LazyLock<Vec<Service>> = LazyLock::new(|| read(TABLE));
    &SERVICES
}

/// Regions that have Cast AI's services, in the table's order.
pub fn regions() -> impl Iterator<Item = &'static str> {
    services().first().into_iter().flat_map(|service| service.regions.iter().map(|(region, _)| *region))
}

/// The installation that a host belongs to, if the table has the host or its naming pattern.
pub fn installation_of(host: &str) -> Option<Installation> {
    if services().iter().any(|service| service.eu_host == Some(host)) {
        return Some(Installation::Eu);
    }
    services().iter().any(|service| service.us_host == Some(host)).then_some(Installation::Us)
}

fn read(table: &'static str) -> Vec<Service> {
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    lines
        .map(|line| {
            let row: Vec<&'static str> = line.split(',').collect();
            let field = |name: &str| {
                columns
                    .iter()
                    .position(|column| *column == name)
                    .and_then(|index| row.get(index))
                    .copied()
                    .unwrap_or_default()
            };
            let host = |name: &str| Some(field(name)).filter(|host| !host.is_empty());
            Service {
                name: field("service"),
                purpose: field("purpose"),
                protocol: if field("protocol") == "grpc" { Protocol::Grpc } else { Protocol::Https },
                usual_users: field("usual_users"),
                guide_name: field("guide_name"),
                guide_variable: field("guide_variable"),
                us_host: host("usual_host_us"),
                eu_host: host("usual_host_eu"),
                // The region columns follow the columns with fixed names.
                regions: columns
                    .iter()
                    .zip(&row)
                    .skip_while(|(column, _)| **column != "listed_in")
                    .skip(1)
                    .filter(|(_, id)| !id.is_empty())
                    .map(|(region, id)| (*region, *id))
                    .collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_six_services_in_four_regions() {
        assert_eq!(services().len(), 6);
        assert_eq!(regions().collect::<Vec<_>>(), ["us-east-1", "us-east-2", "ap-south-1", "ap-south-2"]);
        for service in services() {
            for region in regions() {
                let name = service.service_name(region).unwrap();
                let id = name.strip_prefix(&format!("com.amazonaws.vpce.{region}.vpce-svc-")).unwrap();
                assert_eq!(id.len(), 17, "{name}");
            }
            assert!(!service.guide_name.is_empty() && !service.purpose.is_empty(), "{}", service.name);
            assert!(service.guide_variable.ends_with("_service_name"), "{}", service.name);
        }
    }

    #[test]
    fn hosts_belong_to_an_installation() {
        let rest = &services()[0];
        assert_eq!((rest.name, rest.protocol), ("rest-api", Protocol::Https));
        assert_eq!(rest.host(Installation::Us), Some("api.cast.ai"));
        assert_eq!(rest.service_name("eu-west-1"), None);
        assert_eq!(installation_of("kvisor.prod-eu.cast.ai"), Some(Installation::Eu));
        assert_eq!(installation_of("telemetry.prod-master.cast.ai"), Some(Installation::Us));
        assert_eq!(installation_of("example.com"), None);
        let files = services().iter().find(|service| service.name == "files").unwrap();
        assert_eq!(files.host(Installation::Us), None);
    }
}
