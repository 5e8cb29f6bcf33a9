//! CPL405: other AWS services that workloads use have endpoints.

use std::collections::BTreeSet;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::vpc::VpcView;

pub static CHECK: Check = Check {
    code: "CPL405",
    title: "other AWS services that workloads use have endpoints",
    category: Category::Aws,
    severity: Severity::Warning,
    requires: &[Requires::Same("CPL402")],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpoints", "ec2:DescribeRouteTables"],
    explanation: "In subnets without a route to other networks, workloads reach only AWS services that have an endpoint in the VPC. Cast AI needs none of these; the EKS Pod Identity agent, load balancer controllers and others do, and are recognised by their images.",
    remediation: "create endpoints of the services that your workloads use",
    judge: Judge::Vpc(judge),
};

fn judge(vpc: &VpcView) -> Judgement {
    if let Some(routes) = vpc.default_routes() {
        let routes: Vec<_> = routes.into_iter().collect();
        return Judgement::pass(format!("the subnets have a default route ({})", routes.join(", ")));
    }
    let missing = &vpc.other_services;
    if missing.is_empty() {
        return Judgement::pass("no other service is known to be used");
    }
    let names: BTreeSet<_> = missing.iter().map(|service| service.name).collect();
    let flags: Vec<_> = names.iter().map(|name| format!(" --aws-endpoint={name}")).collect();
    let missing: Vec<_> =
        missing.iter().map(|service| format!("{} (used by {})", service.name, service.used_by)).collect();
    Judgement::fail(format!("without endpoint: {}", missing.join(", ")))
        .expected("an endpoint of each that is used")
        .fix(Fix::command(
            "show what is missing, and add it after a confirmation prompt",
            format!("kubectl castai-privatelink endpoints create --with-aws-endpoints{}", flags.concat()),
        ))
}
