//! Which hosts are looked at: those that components are configured with and those of the region's services, each
//! host once.

use std::collections::BTreeSet;
use std::net::IpAddr;

use probe::Endpoint;
use serde_json::json;

use super::configured::Component;
use super::engine::Trail;
use super::judgement::{Judgement, Remedy};
use super::subject::{Subject, SubjectKind};
use crate::castai::endpoints::{self, Installation, Protocol, Service};

/// A host to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub endpoint: Endpoint,
    pub protocol: Protocol,
    /// The endpoint service that stands for the host.
    pub service: Option<&'static Service>,
    /// Components that are configured with it, or else what the service is for.
    pub needed_by: BTreeSet<String>,
    /// Whether no component of this cluster is configured with it, although there are components.
    pub optional: bool,
}

impl Target {
    pub fn subject(&self) -> Subject {
        Subject {
            needed_by: self.needed_by.clone(),
            ..Subject::new(SubjectKind::Host, self.endpoint.to_string())
        }
    }
}

/// The installation that the components talk to; Cast AI's first one where they do not tell.
pub fn installation(components: &[Component]) -> Installation {
    let hosts = components
        .iter()
        .flat_map(|component| &component.endpoints)
        .map(|configured| configured.endpoint.host.as_str());
    let installations: Vec<_> = hosts.filter_map(endpoints::installation_of).collect();
    let european = installations.iter().filter(|installation| **installation == Installation::Eu).count();
    if european * 2 > installations.len() { Installation::Eu } else { Installation::Us }
}

/// All targets: the services in the table's order, then other configured hosts, then what was asked for besides.
/// `services` is false where the region has none.
pub fn targets(components: &[Component], services: bool, extra: &[(Endpoint, Protocol)]) -> Vec<Target> {
    let installation = installation(components);
    let mut targets: Vec<Target> = Vec::new();
    if services {
        for service in endpoints::services() {
            let Some(host) = service.host(installation) else {
                continue;
            };
            targets.push(Target {
                endpoint: Endpoint { host: host.to_owned(), port: 443 },
                protocol: service.protocol,
                service: Some(service),
                needed_by: BTreeSet::new(),
                optional: !components.is_empty() && service.protocol != Protocol::Https,
            });
        }
    }
    for component in components {
        for configured in &component.endpoints {
            if is_in_cluster(&configured.endpoint) {
                continue;
            }
            let target = find_or_add(&mut targets, &configured.endpoint, configured.protocol);
            target.needed_by.insert(component.name.clone());
            target.optional = false;
        }
    }
    for (endpoint, protocol) in extra {
        let target = find_or_add(&mut targets, endpoint, *protocol);
        target.optional = false;
    }
    for target in &mut targets {
        if target.needed_by.is_empty()
            && let Some(service) = target.service
        {
            let purposes = service.needed_by.split(';');
            target.needed_by = purposes.map(|purpose| purpose.trim().to_owned()).collect();
        }
    }
    targets
}

/// Whether the host is one of the cluster's own, which no endpoint service stands for.
fn is_in_cluster(endpoint: &Endpoint) -> bool {
    let host = endpoint.host.as_str();
    !host.contains('.')
        || host.parse::<IpAddr>().is_ok()
        || [".svc", ".local", ".localhost"].iter().any(|ending| host.ends_with(ending))
}

fn find_or_add<'a>(targets: &'a mut Vec<Target>, endpoint: &Endpoint, protocol: Protocol) -> &'a mut Target {
    let known = targets.iter().position(|target| target.endpoint == *endpoint);
    let index = known.unwrap_or_else(|| {
        let service = service_of(&endpoint.host);
        targets.push(Target {
            endpoint: endpoint.clone(),
            // What the table says of a host is surer than the name of a variable.
            protocol: service.map_or(protocol, |service| service.protocol),
            service,
            needed_by: BTreeSet::new(),
            optional: false,
        });
        targets.len() - 1
    });
    &mut targets[index]
}

/// The service that stands for a host, in either installation.
fn service_of(host: &str) -> Option<&'static Service> {
    endpoints::services().iter().find(|service| {
        [Installation::Us, Installation::Eu]
            .into_iter()
            .any(|installation| service.host(installation) == Some(host))
    })
}

/// Whether components' endpoints could be read: one trail for each component that has or should have some.
pub fn judge_configuration(components: &[Component]) -> Vec<Trail> {
    components
        .iter()
        .filter(|component| !(component.endpoints.is_empty() && component.unreadable.is_empty()))
        .map(|component| {
            let seen: Vec<_> = component
                .endpoints
                .iter()
                .map(|configured| format!("{} ({})", configured.endpoint, configured.origin))
                .collect();
            let judgement = if component.unreadable.is_empty() {
                Judgement::pass(seen.join(", "))
            } else {
                Judgement { observed: seen.join(", "), ..Judgement::unknown(component.unreadable.join("; ")) }
            };
            let evidence =
                json!({ "endpoints": seen, "unreadable": component.unreadable, "notes": component.notes });
            let mut trail = Trail::new(Subject::new(SubjectKind::Workload, component.workload.clone()));
            trail.judge("CPL103", judgement.evidence(evidence));
            trail
        })
        .collect()
}

/// Whether a service stands for each host that components are configured with.
pub fn judge_coverage(targets: &[Target], components: &[Component]) -> Vec<Trail> {
    let is_configured = |target: &Target| {
        components
            .iter()
            .flat_map(|component| &component.endpoints)
            .any(|configured| configured.endpoint == target.endpoint)
    };
    targets
        .iter()
        .filter(|target| is_configured(target))
        .map(|target| {
            let judgement = if let Some(service) = target.service {
                Judgement::pass(format!("service {}", service.name))
            } else {
                    let hosts = endpoints::services()
                        .iter()
                        .filter_map(|service| service.host(installation(components)));
                    let hosts: Vec<_> = hosts.collect();
                    Judgement::fail("no endpoint service of Cast AI is known for this host").remedy(Remedy::text(
                        format!(
                            "configure the component with one of {}; or provide a private way to this host yourself",
                            hosts.join(", ")
                        ),
                    ))
            };
            let mut trail = Trail::new(target.subject());
            trail.judge("CPL201", judgement.expected("a host that an endpoint service covers"));
            trail
        })
        .collect()
}

/// Services whose host nobody publishes.
pub fn judge_hosts(region: Option<&str>, installation: Installation) -> Vec<Trail> {
    endpoints::services()
        .iter()
        .filter(|service| service.host(installation).is_none())
        .map(|service| {
            let name = region.and_then(|region| service.service_name(region));
            let name = name.as_deref().unwrap_or("SERVICE_NAME");
            let region = region.unwrap_or("REGION");
            let judgement = Judgement::unknown("Cast AI publishes no host name for this service").remedy(
                Remedy::command(
                    "ask AWS for the private DNS name, from an account that may use the service, and check it with --https",
                    format!(
                        "aws ec2 describe-vpc-endpoint-services --region {region} --service-names {name} --query 'ServiceDetails[].PrivateDnsNames[].PrivateDnsName' --output text"
                    ),
                ),
            );
            let purposes = service.needed_by.split(';');
            let mut trail = Trail::new(Subject {
                needed_by: purposes.map(|purpose| purpose.trim().to_owned()).collect(),
                ..Subject::new(SubjectKind::Service, service.name)
            });
            trail.judge("CPL202", judgement);
            trail
        })
        .collect()
}

/// How to get a private answer for a target's name.
pub fn private_dns_remedies(target: &Target, region: Option<&str>) -> Vec<Remedy> {
    let Some(service) = target.service else {
        return vec![Remedy::text(
            "no endpoint service of Cast AI is known for this host: configure the component with another one",
        )];
    };
    let name = region.and_then(|region| service.service_name(region));
    endpoint_remedies(service.name, name.as_deref().unwrap_or("SERVICE_NAME"), region.unwrap_or("REGION"))
}

/// How to look for the interface endpoint of a service, to mend it, and to make it. Words in capitals are to be
/// replaced: in angle brackets, a shell would take them for files.
pub fn endpoint_remedies(called: &str, service: &str, region: &str) -> Vec<Remedy> {
    vec![
        Remedy::command(
            format!(
                "look for the endpoint of {called} in the cluster's VPC, and whether its private DNS is on"
            ),
            format!(
                "aws ec2 describe-vpc-endpoints --region {region} --filters Name=service-name,Values={service} --query 'VpcEndpoints[].[VpcId,VpcEndpointId,State,PrivateDnsEnabled]' --output text"
            ),
        ),
        Remedy::command(
            "where it is off (False), enable it",
            format!(
                "aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id ENDPOINT_ID --private-dns-enabled"
            ),
        ),
        Remedy::command(
            "where there is no endpoint, create it",
            format!(
                "aws ec2 create-vpc-endpoint --region {region} --vpc-endpoint-type Interface --service-name {service} --vpc-id VPC_ID --subnet-ids SUBNET_ID SUBNET_ID --security-group-ids SECURITY_GROUP_ID --private-dns-enabled"
            ),
        ),
    ]
}

#[cfg(test)]
mod tests;
