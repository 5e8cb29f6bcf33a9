//! CPL421: the endpoint leads to the host that is used.

use std::collections::BTreeSet;

use crate::endpoints::facts::Endpoint;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL421",
    title: "the endpoint leads to the host that is used",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL420")],
    explains: &[Symptom::NoAddress, Symptom::PublicAddress, Symptom::OtherServer],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpointServices"],
    explanation: "An endpoint answers for the private names of its service. If components use another name, they do not reach it.",
    remediation: "create the endpoint of the right service, or configure the components with the service's name",
    judge: Judge::Endpoint { kind: EndpointKind::Interface, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let described = service.detail.map(|detail| detail.private_dns_names.as_slice()).unwrap_or_default();
    let names: BTreeSet<_> = described.iter().chain(&endpoint.dns_names).map(String::as_str).collect();
    let usage = service.usage();
    let hosts: Vec<_> = if usage.hosts.is_empty() {
        service.service.hosts.iter().map(String::as_str).filter(|host| names.contains(host)).take(1).collect()
    } else {
        usage.hosts.iter().map(String::as_str).collect()
    };
    let is_covered = |host: &str| {
        let parent = host.split_once('.').map(|(_, parent)| format!("*.{parent}")).unwrap_or_default();
        names.contains(host) || names.contains(parent.as_str())
    };
    let others: Vec<_> = hosts.iter().copied().filter(|host| !is_covered(host)).collect();
    let known = if described.is_empty() { "no private name".to_owned() } else { described.join(", ") };
    if !others.is_empty() && service.detail.is_some() {
        return Judgement::fail(format!("{} answers for {known}", endpoint.id))
            .expected(others.join(", "))
            .fixes(service.problems().map(|problem| Fix::text(problem.hint.clone())).collect());
    }
    match service.detail {
        None if hosts.is_empty() || !others.is_empty() => {
            let why = "EC2 does not describe the service to this account, so its private name is not known";
            Judgement::unknown(why)
                .fix(Fix::text("the network checks from inside the VPC show whether it is right"))
        }
        Some(_) if described.is_empty() => {
            Judgement::warn(format!("{} has no private name", endpoint.service_name))
        }
        Some(detail) if detail.is_name_verified == Some(false) => {
            Judgement::warn(format!("{known}: not verified by the owner of the service"))
        }
        _ if hosts.is_empty() && !service.service.hosts.is_empty() => {
            Judgement::fail(format!("{} answers for {known}", endpoint.id))
                .expected(service.service.hosts.join(" or "))
                .fixes(service.problems().map(|problem| Fix::text(problem.hint.clone())).collect())
        }
        _ => Judgement::pass(if described.is_empty() { hosts.join(", ") } else { known }),
    }
}
