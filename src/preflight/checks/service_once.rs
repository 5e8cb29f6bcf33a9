//! CPL428: the service has one endpoint in the VPC.

use crate::endpoints::facts::Endpoint;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL428",
    title: "the service has one endpoint in the VPC",
    category: Category::Aws,
    severity: Severity::Warning,
    requires: &[Requires::Same("CPL420")],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpoints"],
    explanation: "Of several endpoints of a service, only one can have private DNS. The others cost money, or are a sign of two people at work.",
    remediation: "delete the endpoints that nothing uses",
    judge: Judge::Endpoint { kind: EndpointKind::Interface, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let others: Vec<_> = service.duplicates().map(|other| other.id.as_str()).collect();
    if others.is_empty() {
        return Judgement::pass(endpoint.id.clone());
    }
    let region = &service.vpc.facts.region;
    Judgement::fail(format!("{} counts; also {}", endpoint.id, others.join(", ")))
        .expected("one endpoint")
        .fix(Fix::command(
            "if nothing uses the others, delete them",
            format!("aws ec2 delete-vpc-endpoints --region {region} --vpc-endpoint-ids {}", others.join(" ")),
        ))
}
