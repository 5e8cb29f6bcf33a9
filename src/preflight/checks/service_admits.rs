//! CPL425: the endpoint's security groups admit its clients on port 443.

use crate::endpoints::facts::Endpoint;
use crate::endpoints::lack::Lack;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Judgement, Symptom};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL425",
    title: "the endpoint's security groups admit its clients on port 443",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL421"), Requires::Same("CPL422")],
    explains: &[Symptom::NoResponse],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeSecurityGroups"],
    explanation: "Connections that no rule admits time out: the nodes', the pods' and, for endpoints of AWS, those of the whole VPC.",
    remediation: "add a rule for port 443 from the security groups or addresses of nodes and pods",
    judge: Judge::Endpoint { kind: EndpointKind::Interface, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let groups = endpoint.groups.join(", ");
    let missing: Vec<_> = service
        .lacks()
        .into_iter()
        .filter_map(|lack| match lack {
            Lack::AdmittingGroup => Some(format!("{groups} of {} do not admit its clients", endpoint.id)),
            Lack::Rule { .. } => Some(format!("{} lacks {lack}", endpoint.id)),
            _ => None,
        })
        .collect();
    if !missing.is_empty() {
        return Judgement::fail(missing.join("; "))
            .expected("rules for port 443 from all nodes and pods")
            .fixes(service.fixes());
    }
    service.not_judged().unwrap_or_else(|| Judgement::pass(groups))
}
