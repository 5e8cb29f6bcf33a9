//! CPL424: the endpoint has an address in every zone of nodes.

use std::collections::BTreeSet;

use crate::endpoints::facts::Endpoint;
use crate::endpoints::lack::{Lack, zone};
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::Judgement;
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL424",
    title: "the endpoint has an address in every zone of nodes",
    category: Category::Aws,
    severity: Severity::Warning,
    requires: &[Requires::Same("CPL421"), Requires::Same("CPL422")],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpoints", "ec2:DescribeSubnets"],
    explanation: "Nodes in a zone without an address of the endpoint connect to another zone: that costs traffic, and fails with that zone.",
    remediation: "add a subnet of the zone to the endpoint",
    judge: Judge::Endpoint { kind: EndpointKind::Interface, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let missing: Vec<_> = service
        .lacks()
        .into_iter()
        .filter_map(|lack| if let Lack::Address(zone) = lack { Some(zone) } else { None })
        .collect();
    let zones = endpoint.subnets.iter().filter_map(|id| zone(&service.vpc.facts, id).map(String::as_str));
    let zones: BTreeSet<_> = zones.collect();
    let zones = zones.into_iter().collect::<Vec<_>>().join(", ");
    let full: Vec<_> =
        service.problems().filter(|problem| problem.message.starts_with("no address")).collect();
    if let Some(problem) = full.first() {
        return Judgement::fail(problem.message.clone()).fixes(service.fixes());
    }
    if missing.is_empty() {
        return service.not_judged().unwrap_or_else(|| Judgement::pass(zones));
    }
    Judgement::fail(format!("{} has none in {}", endpoint.id, missing.join(", ")))
        .expected("an address in every zone of nodes that the service supports")
        .fixes(service.fixes())
}
