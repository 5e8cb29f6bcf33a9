//! CPL429: the subnets of nodes have a route to the gateway endpoint.

use crate::endpoints::facts::Endpoint;
use crate::endpoints::lack::Lack;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Judgement, Symptom};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL429",
    title: "the subnets of nodes have a route to the gateway endpoint",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL420")],
    explains: &[Symptom::NoResponse, Symptom::PublicAddress],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeRouteTables"],
    explanation: "A gateway endpoint is reached by routes. From a subnet whose route table has none, layers of images cannot be downloaded.",
    remediation: "add the route tables of the subnets to the endpoint",
    judge: Judge::Endpoint { kind: EndpointKind::Gateway, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let missing: Vec<_> = service
        .lacks()
        .into_iter()
        .filter_map(|lack| if let Lack::Route { table } = lack { Some(table) } else { None })
        .collect();
    if missing.is_empty() {
        let tables = endpoint.route_tables.join(", ");
        return service.not_judged().unwrap_or_else(|| Judgement::pass(tables));
    }
    Judgement::fail(format!("{} has none in {}", endpoint.id, missing.join(", ")))
        .expected("a route in every route table of nodes and pods")
        .fixes(service.fixes())
}
