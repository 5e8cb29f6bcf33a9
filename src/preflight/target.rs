//! The hosts to check, each once: configured hosts, hosts of the region's endpoint services, and hosts that nodes pull
//! images from.

use std::collections::BTreeSet;
use std::net::IpAddr;

use probe::{Connect, Endpoint, Layer};

use super::component::Component;
use super::subject::{Subject, SubjectKind};
use crate::castai::endpoints::{self, Installation, Protocol, Service};
use crate::endpoints::facts::VpcFacts;
use crate::endpoints::settings::aws_users;
use crate::model::aws_partition::Partition;
use crate::model::image::ecr::EcrRegistry;

/// The service of the bucket with ECR's layers.
const S3: &str = "s3";

/// A host to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub endpoint: Endpoint,
    pub kind: TargetKind,
    /// The region of its endpoint service.
    pub region: Option<String>,
    /// The components that are configured with it, before the installation those that usually are, or nodes.
    pub needed_by: BTreeSet<String>,
    /// If it is optional: what needs its service in the usual configuration.
    pub usually_needed_by: BTreeSet<String>,
    /// Workloads of the components that are configured with it.
    pub configured_in: BTreeSet<String>,
    /// Whether the user names it.
    pub is_requested: bool,
    /// Whether there are components, but none is configured with it.
    pub optional: bool,
}

/// The kind of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    CastAi {
        protocol: Protocol,
        /// The endpoint service of the host.
        service: Option<&'static Service>,
        /// The installation that the components use.
        installation: Installation,
    },
    /// A host of an AWS service, by the last part of its endpoint service's name.
    Aws { service: &'static str },
}

impl Target {
    pub fn subject(&self) -> Subject {
        Subject {
            needed_by: self.needed_by.clone(),
            usually_needed_by: self.usually_needed_by.clone(),
            ..Subject::new(SubjectKind::Host, self.endpoint.to_string())
        }
    }

    pub const fn is_cast_ai(&self) -> bool {
        matches!(self.kind, TargetKind::CastAi { .. })
    }

    pub const fn is_https(&self) -> bool {
        matches!(self.kind, TargetKind::CastAi { protocol: Protocol::Https, .. })
    }

    pub const fn is_grpc(&self) -> bool {
        matches!(self.kind, TargetKind::CastAi { protocol: Protocol::Grpc, .. })
    }

    pub fn is_configured(&self) -> bool {
        !self.configured_in.is_empty()
    }

    pub const fn is_aws(&self) -> bool {
        matches!(self.kind, TargetKind::Aws { .. })
    }

    /// Whether its addresses are private if its service has an interface endpoint. A gateway has none of its own.
    pub fn has_private_addresses(&self) -> bool {
        matches!(self.kind, TargetKind::Aws { service } if service != S3)
    }

    /// The target for a probe. Nodes may reach AWS without PrivateLink, but not Cast AI.
    pub fn probed(&self, layer: Layer) -> probe::Target {
        let connect = if self.is_cast_ai() { Connect::PrivateOnly } else { Connect::Anywhere };
        probe::Target { endpoint: self.endpoint.clone(), layer, connect }
    }

    /// Whether a probe's facts are about this target.
    pub fn is_seen_by(&self, probed: &probe::Target) -> bool {
        self.probed(probed.layer) == *probed
    }
}

/// Whether Cast AI offers endpoint services in a region. Hosts do not depend on the region, so hosts are checked even
/// if it is unknown.
pub fn are_services_offered(region: Option<&str>) -> bool {
    region.is_none_or(|region| endpoints::regions().any(|known| known == region))
}

/// The installation that the components use; by default Cast AI's first one.
pub fn installation(components: &[Component]) -> Installation {
    let hosts = components
        .iter()
        .flat_map(|component| &component.endpoints)
        .map(|configured| configured.endpoint.host.as_str());
    let installations: Vec<_> = hosts.filter_map(endpoints::installation_of).collect();
    let european = installations.iter().filter(|installation| **installation == Installation::Eu).count();
    if european * 2 > installations.len() { Installation::Eu } else { Installation::Us }
}

/// Cast AI's hosts: the services in the table's order, then other configured hosts, then additional ones from the user.
pub fn cast_ai(
    components: &[Component],
    region: Option<&str>,
    extra: &[(Endpoint, Protocol)],
) -> Vec<Target> {
    let installation = installation(components);
    let mut targets = Targets { installation, region, found: Vec::new() };
    if are_services_offered(region) {
        for service in endpoints::services() {
            let Some(host) = service.host(installation) else {
                continue;
            };
            let endpoint = Endpoint { host: host.to_owned(), port: 443 };
            let target = targets.add(endpoint, service.protocol, Some(service));
            target.optional = !components.is_empty() && service.protocol != Protocol::Https;
        }
    }
    for component in components {
        for configured in &component.endpoints {
            if is_in_cluster(&configured.endpoint) {
                continue;
            }
            let target = targets.find_or_add(&configured.endpoint, configured.protocol);
            target.needed_by.insert(component.name.clone());
            target.configured_in.insert(component.workload.clone());
            target.optional = false;
        }
    }
    for (endpoint, protocol) in extra {
        let target = targets.find_or_add(endpoint, *protocol);
        target.optional = false;
        target.is_requested = true;
    }
    for target in &mut targets.found {
        if target.needed_by.is_empty()
            && let TargetKind::CastAi { service: Some(service), .. } = target.kind
        {
            let users = service.users().map(str::to_owned).collect();
            *(if target.optional { &mut target.usually_needed_by } else { &mut target.needed_by }) = users;
        }
    }
    targets.found
}

/// The private names of Cast AI's services as EC2 has them, other than `targets`. They replace hosts that the table has and
/// no component is configured with: an installation is never assumed where EC2 says which one it is.
pub fn described(targets: &mut Vec<Target>, vpc: &VpcFacts) -> Vec<Target> {
    let has_components = targets.iter().any(Target::is_configured);
    let mut found = Vec::new();
    for service in endpoints::services() {
        let Some(name) = service.service_name(&vpc.region) else { continue };
        let details = vpc.services.iter().filter(|detail| detail.name == name);
        let names = details.flat_map(|detail| &detail.private_dns_names);
        let names: Vec<&String> = names.filter(|name| !name.contains('*')).collect();
        let is_used = |target: &Target| {
            matches!(target.kind, TargetKind::CastAi { service: Some(own), .. } if own == service)
                && target.is_configured()
        };
        // Hosts that components use are checked, whatever the service's names are.
        if names.is_empty() || targets.iter().any(is_used) {
            continue;
        }
        targets.retain(|target| {
            let is_of_table = matches!(target.kind, TargetKind::CastAi { service: Some(own), .. } if own == service)
                && !target.is_configured()
                && !target.is_requested;
            !is_of_table || names.contains(&&target.endpoint.host)
        });
        for name in names {
            let Ok(endpoint) = name.parse::<Endpoint>() else { continue };
            if targets.iter().any(|target| target.endpoint == endpoint) {
                continue;
            }
            let installation = endpoints::installation_of(name).unwrap_or(Installation::Us);
            let kind =
                TargetKind::CastAi { protocol: service.protocol, service: Some(service), installation };
            let users: BTreeSet<_> = service.users().map(str::to_owned).collect();
            let (needed_by, usually_needed_by) =
                if has_components { (BTreeSet::new(), users) } else { (users, BTreeSet::new()) };
            found.push(Target {
                endpoint,
                kind,
                region: Some(vpc.region.clone()),
                needed_by,
                usually_needed_by,
                configured_in: BTreeSet::new(),
                is_requested: false,
                optional: has_components,
            });
        }
    }
    found
}

/// The hosts of AWS that nodes and the agent need: ECR's API, if it or the account is known the registry, the bucket with
/// the layers (Amazon ECR user guide, "Minimum Amazon S3 Bucket Permissions for Amazon ECR"), STS and EC2.
pub fn aws(region: Option<&str>, account: Option<&str>, host: Option<&str>) -> Vec<Target> {
    let Some(region) = region else {
        return Vec::new();
    };
    let default =
        |account: &str| EcrRegistry { account: account.to_owned(), region: region.to_owned() }.host();
    let registry = host.map(str::to_owned).or_else(|| account.map(default));
    let suffix = Partition::of_region(region).dns_suffix;
    let hosts = [
        Some((format!("api.ecr.{region}.{suffix}"), "ecr.api")),
        registry.map(|host| (host, "ecr.dkr")),
        Some((format!("prod-{region}-starport-layer-bucket.s3.{region}.{suffix}"), S3)),
        Some((format!("sts.{region}.{suffix}"), "sts")),
        Some((format!("ec2.{region}.{suffix}"), "ec2")),
    ];
    let target = |(host, service): (String, &'static str)| Target {
        endpoint: Endpoint { host, port: 443 },
        kind: TargetKind::Aws { service },
        region: Some(region.to_owned()),
        needed_by: aws_users(service).map(str::to_owned).into_iter().collect(),
        usually_needed_by: BTreeSet::new(),
        configured_in: BTreeSet::new(),
        is_requested: false,
        optional: false,
    };
    hosts.into_iter().flatten().map(target).collect()
}

/// Whether the host is inside the cluster, so that no endpoint service applies to it.
fn is_in_cluster(endpoint: &Endpoint) -> bool {
    let host = endpoint.host.as_str();
    !host.contains('.')
        || host.parse::<IpAddr>().is_ok()
        || [".svc", ".local", ".localhost"].iter().any(|suffix| host.ends_with(suffix))
}

struct Targets<'a> {
    installation: Installation,
    region: Option<&'a str>,
    found: Vec<Target>,
}

impl Targets<'_> {
    fn add(
        &mut self,
        endpoint: Endpoint,
        protocol: Protocol,
        service: Option<&'static Service>,
    ) -> &mut Target {
        let kind = TargetKind::CastAi { protocol, service, installation: self.installation };
        self.found.push_mut(Target {
            endpoint,
            kind,
            region: self.region.map(ToOwned::to_owned),
            needed_by: BTreeSet::new(),
            usually_needed_by: BTreeSet::new(),
            configured_in: BTreeSet::new(),
            is_requested: false,
            optional: false,
        })
    }

    fn find_or_add(&mut self, endpoint: &Endpoint, protocol: Protocol) -> &mut Target {
        if let Some(index) = self.found.iter().position(|target| target.endpoint == *endpoint) {
            return &mut self.found[index];
        }
        let service = service_of(&endpoint.host);
        // The table is more reliable than the name of a variable.
        let protocol = service.map_or(protocol, |service| service.protocol);
        self.add(endpoint.clone(), protocol, service)
    }
}

/// The service with this host, in any installation.
fn service_of(host: &str) -> Option<&'static Service> {
    endpoints::services().iter().find(|service| {
        [Installation::Us, Installation::Eu]
            .into_iter()
            .any(|installation| service.host(installation) == Some(host))
    })
}

#[cfg(test)]
mod tests;
