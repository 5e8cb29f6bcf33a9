//! What keeps an endpoint from working, and what to do about it.

use crate::endpoints::facts::{Endpoint, Service, Subnet, VpcFacts};
use crate::endpoints::plan::Problem;
use crate::endpoints::settings::{Provider, RequestedService};

/// Why an endpoint will never work as it is.
pub(super) fn stuck(facts: &VpcFacts, service: &RequestedService, endpoint: &Endpoint) -> Option<Problem> {
    let is = |state: &str| endpoint.state.eq_ignore_ascii_case(state);
    let why = endpoint.failure.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    let (message, first) = if is("rejected") {
        let first =
            format!("ask {} to accept endpoints of account {}", service.provider.who(), account(facts));
        (format!("{} rejected {}", service.provider.who(), endpoint.id), first)
    } else if is("failed") {
        (format!("{} failed{why}", endpoint.id), "remove the cause".to_owned())
    } else if is("expired") {
        let first = format!("ask {} to accept the next one in time", service.provider.who());
        (format!("{} expired, because it was not accepted", endpoint.id), first)
    } else {
        return None;
    };
    Some(Problem {
        subject: service.name.clone(),
        message,
        hint: format!(
            "{first}, delete {} (aws ec2 delete-vpc-endpoints --region {} --vpc-endpoint-ids {}), and run again",
            endpoint.id, facts.region, endpoint.id
        ),
    })
}

/// Why a service of another region cannot be used from here.
pub(super) fn unreachable_from_here(
    facts: &VpcFacts,
    service: &RequestedService,
    detail: Option<&Service>,
) -> Option<Problem> {
    let (home, detail) = (service.region.as_ref()?, detail?);
    (!detail.remote_regions.contains(&facts.region)).then(|| Problem {
        subject: service.name.clone(),
        message: format!("{} of {home} does not allow endpoints in {}", service.name, facts.region),
        hint: format!("ask {} to allow them", service.provider.who()),
    })
}

/// The caller's account, in words.
pub(super) fn account(facts: &VpcFacts) -> &str {
    facts.account.as_deref().unwrap_or("of the VPC")
}

/// What keeps the private name of a service from working.
pub(super) enum NameDefect {
    /// Its host keeps its public address.
    Missing(Problem),
    Note(String),
}

pub(super) fn name_defect(service: &RequestedService, detail: &Service) -> Option<NameDefect> {
    let who = service.provider.who();
    if detail.private_dns_names.is_empty() {
        let message = "it has no private DNS name, so its host keeps its public address";
        return Some(match service.provider {
            Provider::Aws => NameDefect::Note(format!("{}: {message}", service.name)),
            Provider::CastAi => NameDefect::Missing(Problem {
                subject: service.name.clone(),
                message: message.to_owned(),
                hint: format!("tell {who} that {} lacks it", detail.name),
            }),
        });
    }
    (detail.is_name_verified == Some(false)).then(|| {
        NameDefect::Note(format!(
            "{}: {who} has not verified its private DNS name yet; EC2 may refuse private DNS",
            service.name
        ))
    })
}

/// Nodes cannot reach the addresses of an endpoint.
pub(super) fn only_ipv6(service: &RequestedService, zones: &[&str]) -> Problem {
    Problem {
        subject: service.name.clone(),
        message: format!(
            "nodes have only IPv6 addresses in {}, and its endpoint has only IPv4",
            zones.join(", ")
        ),
        hint: format!(
            "use subnets with IPv4 addresses for the nodes, or ask {} to support IPv6",
            service.provider.who()
        ),
    }
}

/// Whether an endpoint is in a state from which it never becomes available.
pub(super) fn is_stuck(endpoint: &Endpoint) -> bool {
    ["rejected", "failed", "expired"].iter().any(|state| endpoint.state.eq_ignore_ascii_case(state))
}

/// EC2 would refuse the whole endpoint.
pub(super) fn no_address(service: &RequestedService, subnet: &Subnet) -> Problem {
    Problem {
        subject: service.name.clone(),
        message: format!("no address for it in {}: {} has no free one", subnet.zone, subnet.id),
        hint: "free addresses there, or choose other subnets with --endpoint-subnet".to_owned(),
    }
}

/// The service has other names than the one that is named: then it is another one.
pub(super) fn wrong_service(service: &RequestedService, detail: &Service) -> Option<Problem> {
    let names = &detail.private_dns_names;
    let is_other = !service.hosts.is_empty()
        && !names.is_empty()
        && !names.iter().any(|name| service.hosts.contains(name));
    is_other.then(|| Problem {
        subject: service.name.clone(),
        message: format!(
            "{} is not {}: its private name is {}, not {}",
            detail.name,
            service.name,
            names.join(", "),
            service.hosts.join(" or ")
        ),
        hint: format!(
            "correct --service {}=…; if Cast AI changed the name, ask it which service to use",
            service.name
        ),
    })
}

pub(super) fn conflict(service: &RequestedService, other: &Endpoint, hosts: &[String]) -> Problem {
    Problem {
        subject: service.name.clone(),
        message: format!(
            "{} of {} already answers for {}",
            other.id,
            other.service_name,
            hosts
                .iter()
                .filter(|host| other.dns_names.contains(host))
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ),
        hint: format!(
            "if it leads to the right service, pass --service {}={}; else turn off its private DNS",
            service.name, other.service_name
        ),
    }
}

impl Provider {
    /// Who accepts its endpoints.
    pub const fn who(self) -> &'static str {
        match self {
            Self::CastAi => "Cast AI",
            Self::Aws => "AWS",
        }
    }
}
