//! What the user asks for: which services, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use crate::castai::endpoints::{Installation, services};
use crate::model::aws_partition::Partition;

/// The flags of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanSettings {
    pub services: Vec<RequestedService>,
    /// Services of Cast AI that have no known name in the region.
    pub unnamed: Vec<&'static str>,
    /// Subnets for the endpoints, instead of one node subnet per zone.
    pub endpoint_subnets: Vec<String>,
    /// Set `enableDnsSupport` and `enableDnsHostnames` where they are off.
    pub enable_vpc_dns: bool,
    /// Do not tag subnets.
    pub no_subnet_tags: bool,
    /// More sources that may connect.
    pub admit: Vec<Peer>,
    /// Tags of what is created, besides ours.
    pub tags: BTreeMap<String, String>,
}

/// A source of connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// The members of a security group.
    Group(String),
    Cidr(#[cfg_attr(test, schemars(with = "String"))] IpNet),
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => formatter.write_str(id),
            Self::Cidr(cidr) => write!(formatter, "{cidr}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedService {
    /// Short name, such as `rest-api` or `ecr.api`.
    pub name: String,
    pub service_name: String,
    pub provider: Provider,
    pub is_gateway: bool,
    /// The service's region, if it is not the VPC's.
    pub region: Option<String>,
    /// Hosts that are known without EC2.
    pub hosts: Vec<String>,
    /// What needs it, or the flag that names it.
    pub needed_by: String,
}

/// Whose service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Provider {
    CastAi,
    Aws,
}

/// What a node without internet needs of AWS: to pull images, and for the agent to know its account and instances.
const AWS_SERVICES: [(&str, &str); 5] = [
    ("ecr.api", "nodes that pull images"),
    ("ecr.dkr", "nodes that pull images"),
    ("s3", "nodes that pull images"),
    ("sts", "the agent and other pods with an IAM role"),
    ("ec2", "the agent, for its account and instances"),
];

/// What needs one of these services.
pub fn aws_users(service: &str) -> Option<&'static str> {
    AWS_SERVICES.iter().find(|(name, _)| *name == service).map(|(_, users)| *users)
}

/// A service of Cast AI by our name, with the name that creates its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedService {
    pub name: String,
    pub service_name: String,
    /// The flag that names it.
    pub flag: &'static str,
}

impl NamedService {
    /// `None` if one of them is not a name.
    pub fn new(name: &str, service_name: &str, flag: &'static str) -> Option<Self> {
        let is_word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let is_valid = is_word(name) && is_word(service_name) && service_name.contains('.');
        let named = Self { name: name.to_owned(), service_name: service_name.to_owned(), flag };
        is_valid.then_some(named)
    }
}

/// The services of the file and of the flags, each once: the flags win, and of them the last.
pub fn merged(of_file: Vec<NamedService>, of_flags: &[NamedService]) -> Vec<NamedService> {
    let mut merged = of_file;
    for named in of_flags {
        match merged.iter_mut().find(|known| known.name == named.name) {
            Some(known) => known.clone_from(named),
            None => merged.push(named.clone()),
        }
    }
    merged
}

/// Cast AI's services of `region`, as our data or the user names them; the user's names win.
pub fn cast_ai(region: &str, service_region: Option<&str>, named: &[NamedService]) -> Vec<RequestedService> {
    let home = service_region.unwrap_or(region);
    let remote = service_region.filter(|remote| *remote != region).map(str::to_owned);
    let requested = |name: &str, service_name: String, flag: &str| {
        let known = services().iter().find(|service| service.name == name);
        let hosts = [Installation::Us, Installation::Eu].into_iter();
        RequestedService {
            name: name.to_owned(),
            service_name,
            provider: Provider::CastAi,
            is_gateway: false,
            region: remote.clone(),
            hosts: hosts.filter_map(|installation| known?.host(installation)).map(str::to_owned).collect(),
            needed_by: known
                .map_or_else(|| flag.to_owned(), |service| service.users().collect::<Vec<_>>().join(", ")),
        }
    };
    let given = |name: &str| named.iter().find(|named| named.name == name);
    let known = services().iter().filter_map(|service| {
        let given = given(service.name).map(|named| named.service_name.clone());
        Some(requested(service.name, given.or_else(|| service.service_name(home))?, ""))
    });
    let is_known = |name: &str| services().iter().any(|service| service.name == name);
    let others = named.iter().filter(|named| !is_known(&named.name));
    let others = others.map(|named| requested(&named.name, named.service_name.clone(), named.flag));
    known.chain(others).collect()
}

/// AWS' own services that isolated nodes need, and `more` of them.
pub fn aws(region: &str, more: &[String]) -> Vec<RequestedService> {
    let is_known = |name: &str| AWS_SERVICES.iter().any(|(known, _)| *known == name);
    let more: BTreeSet<_> = more.iter().map(String::as_str).filter(|name| !is_known(name)).collect();
    let more = more.into_iter();
    let all: Vec<_> = AWS_SERVICES.into_iter().chain(more.map(|name| (name, "--aws-endpoint"))).collect();
    let is_gateway = |name: &str| name == "s3";
    let service = |(name, needed_by): (&str, &str)| RequestedService {
        name: name.to_owned(),
        // Gateways have this prefix in every partition (AWS CDK, `vpc-endpoint.ts`, `GatewayVpcEndpointAwsService`).
        service_name: if is_gateway(name) {
            format!("com.amazonaws.{region}.{name}")
        } else {
            Partition::endpoint_service(region, name)
        },
        provider: Provider::Aws,
        is_gateway: is_gateway(name),
        region: None,
        hosts: Vec::new(),
        needed_by: needed_by.to_owned(),
    };
    all.into_iter().map(service).collect()
}

/// The services of Cast AI that are not among `requested`.
pub fn unnamed(requested: &[RequestedService]) -> Vec<&'static str> {
    let is_requested = |name: &str| requested.iter().any(|service| service.name == name);
    services().iter().map(|service| service.name).filter(|name| !is_requested(name)).collect()
}

/// A name that two of the services have.
pub fn same_name(services: &[RequestedService]) -> Option<&str> {
    let mut names = BTreeSet::new();
    services.iter().map(|service| service.name.as_str()).find(|name| !names.insert(*name))
}

/// Two of the services that are one and the same for EC2: their names.
pub fn same_service(services: &[RequestedService]) -> Option<[&str; 2]> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    services.iter().find_map(|service| {
        let other = names.insert(&service.service_name, &service.name)?;
        Some([other, service.name.as_str()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, service_name: &str) -> NamedService {
        NamedService::new(name, service_name, "--service").unwrap()
    }

    #[test]
    fn the_users_names_win_over_ours() {
        let ours = cast_ai("us-east-1", None, &[]);
        assert_eq!(ours.len(), 6);
        let mine = cast_ai("us-east-1", None, &[named("files", "com.x"), named("new", "com.y")]);
        let names: Vec<_> = mine.iter().map(|service| service.service_name.as_str()).collect();
        assert_eq!((names[3], names[6]), ("com.x", "com.y"));
        assert_eq!(
            (mine[0].needed_by.as_str(), mine[6].needed_by.as_str()),
            ("every component", "--service")
        );
        assert_eq!(names[0], ours[0].service_name);
        // In a region without services, only those that the user names are requested.
        let elsewhere = cast_ai("eu-west-1", None, &[named("rest-api", "com.z")]);
        assert_eq!(elsewhere.len(), 1);
        assert_eq!((unnamed(&elsewhere).len(), unnamed(&ours).len()), (5, 0));
        assert_eq!(elsewhere[0].hosts, ["api.cast.ai", "api.eu.cast.ai"]);
    }

    #[test]
    fn two_names_of_one_service_are_found() {
        let mine = |service: &str| cast_ai("us-east-1", None, &[named("kvisor", service)]);
        assert_eq!(same_service(&mine("com.x")), None);
        let rest = &cast_ai("us-east-1", None, &[])[0].service_name;
        assert_eq!(same_service(&mine(rest)), Some(["rest-api", "kvisor"]));
        let twice = [cast_ai("us-east-1", None, &[named("sts", "com.x")]), aws("us-east-1", &[])].concat();
        assert_eq!((same_name(&twice), same_name(&mine("com.x"))), (Some("sts"), None));
    }

    #[test]
    fn a_service_is_named_once_and_the_last_flag_wins() {
        let file = ["a", "b"].map(|name| NamedService::new(name, "com.file", "--service-file").unwrap());
        let merged = merged(file.into(), &[named("b", "com.x"), named("c", "com.x"), named("b", "com.y")]);
        let merged: Vec<_> =
            merged.iter().map(|named| (&*named.name, &*named.service_name, named.flag)).collect();
        let flag = "--service";
        assert_eq!(merged, [("a", "com.file", "--service-file"), ("b", "com.y", flag), ("c", "com.x", flag)]);
    }

    #[test]
    fn services_of_another_region_are_marked() {
        let remote = cast_ai("eu-west-1", Some("us-east-1"), &[]);
        assert_eq!(remote[0].region.as_deref(), Some("us-east-1"));
        assert!(remote[0].service_name.starts_with("com.amazonaws.vpce.us-east-1."));
        assert_eq!(cast_ai("us-east-1", Some("us-east-1"), &[])[0].region, None);
    }

    #[test]
    fn aws_services_have_the_names_of_the_partition() {
        let services = aws("us-east-1", &["eks", "sts", "eks"].map(str::to_owned));
        let names: Vec<_> = services.iter().map(|service| service.service_name.as_str()).collect();
        assert_eq!(names.len(), 6, "{names:?}");
        assert_eq!(
            (services[0].needed_by.as_str(), services[5].needed_by.as_str()),
            ("nodes that pull images", "--aws-endpoint")
        );
        assert_eq!(names[0], "com.amazonaws.us-east-1.ecr.api");
        let gateways: Vec<_> = services.iter().filter(|service| service.is_gateway).collect();
        assert_eq!(gateways.len(), 1);
        assert_eq!(gateways[0].name, "s3");
    }
}
