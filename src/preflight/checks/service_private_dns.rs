//! CPL423: private DNS of the endpoint is on.

use crate::endpoints::facts::Endpoint;
use crate::endpoints::lack::Lack;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Judgement, Symptom};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL423",
    title: "private DNS of the endpoint is on",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL422"), Requires::Vpc("CPL403")],
    explains: &[Symptom::NoAddress, Symptom::PublicAddress],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpoints"],
    explanation: "Components and nodes use the public names of the services. Only with private DNS do these lead to the endpoint.",
    remediation: "turn on private DNS",
    judge: Judge::Endpoint { kind: EndpointKind::Interface, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    if !service.lacks().contains(&Lack::PrivateDns) {
        return Judgement::pass(if endpoint.private_dns { "on" } else { "the service has no private name" });
    }
    Judgement::fail(format!("off on {}", endpoint.id)).expected("on").fixes(service.fixes())
}
