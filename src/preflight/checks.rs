//! Every check, in the order of the report.
//!
//! 1xx: cluster and location; 2xx: connection to Cast AI; 3xx: connection to AWS; 4xx: configuration of AWS; 5xx: pods.
//! Within 2xx and 3xx, the last two digits have the same meaning: x10 DNS, x20 TCP, x30 TLS, x40 the protocol on top.

pub mod aws_identity;
pub mod cluster_answers;
pub mod components_found;
pub mod configuration_read;
pub mod ecr_known;
pub mod ecr_private;
pub mod ecr_repositories;
pub mod ecr_resolves;
pub mod ecr_tcp;
pub mod ecr_tls;
pub mod ecr_token;
pub mod endpoint_certificate;
pub mod endpoint_grpc;
pub mod endpoint_https;
pub mod endpoint_interfaces;
pub mod endpoint_private;
pub mod endpoint_resolves;
pub mod endpoint_tcp;
pub mod endpoint_tls;
pub mod here_inside;
pub mod host_covered;
pub mod other_services;
pub mod pods_created;
pub mod pods_pull;
pub mod pods_report;
pub mod region_known;
pub mod region_offered;
pub mod service_acls;
pub mod service_admits;
pub mod service_available;
pub mod service_endpoint;
pub mod service_identity;
pub mod service_once;
pub mod service_policy;
pub mod service_private_dns;
pub mod service_routes;
pub mod service_zones;
pub mod subnet_tagged;
pub mod vpc_dns;
pub mod vpc_dns_servers;
pub mod vpc_read;

use super::check::Check;

pub static CHECKS: &[&Check] = &[
    &cluster_answers::CHECK,
    &components_found::CHECK,
    &configuration_read::CHECK,
    &region_known::CHECK,
    &region_offered::CHECK,
    &here_inside::CHECK,
    &host_covered::CHECK,
    &endpoint_resolves::CHECK,
    &endpoint_private::CHECK,
    &endpoint_interfaces::CHECK,
    &endpoint_tcp::CHECK,
    &endpoint_tls::CHECK,
    &endpoint_certificate::CHECK,
    &endpoint_https::CHECK,
    &endpoint_grpc::CHECK,
    &ecr_known::CHECK,
    &ecr_token::CHECK,
    &ecr_repositories::CHECK,
    &ecr_resolves::CHECK,
    &ecr_private::CHECK,
    &ecr_tcp::CHECK,
    &ecr_tls::CHECK,
    &aws_identity::CHECK,
    &vpc_read::CHECK,
    &vpc_dns::CHECK,
    &vpc_dns_servers::CHECK,
    &other_services::CHECK,
    &subnet_tagged::CHECK,
    &service_endpoint::CHECK,
    &service_identity::CHECK,
    &service_available::CHECK,
    &service_private_dns::CHECK,
    &service_zones::CHECK,
    &service_admits::CHECK,
    &service_policy::CHECK,
    &service_acls::CHECK,
    &service_once::CHECK,
    &service_routes::CHECK,
    &pods_created::CHECK,
    &pods_pull::CHECK,
    &pods_report::CHECK,
];

/// The check with this code.
pub fn find(code: &str) -> Option<&'static Check> {
    CHECKS.iter().copied().find(|check| check.code == code)
}

/// The position of a code in the report.
pub fn position(code: &str) -> usize {
    CHECKS.iter().position(|check| check.code == code).unwrap_or(CHECKS.len())
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
