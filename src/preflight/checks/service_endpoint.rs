//! CPL420: the service has an endpoint in the VPC.

use serde_json::json;

use crate::endpoints::decide::shared_vpc;
use crate::endpoints::settings::Provider;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL420",
    title: "the service has an endpoint in the VPC",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Vpc("CPL402")],
    explains: &[Symptom::NoAddress, Symptom::PublicAddress],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpoints"],
    explanation: "Without an endpoint, the names of the service lead to public addresses, which isolated nodes cannot reach.",
    remediation: "create the endpoint",
    judge: Judge::Service(judge),
};

fn judge(service: &ServiceView<'_>) -> Judgement {
    let facts = &service.vpc.facts;
    if service.is_elsewhere() {
        let reasons = service.planned.map(|planned| planned.reasons.join("; ")).unwrap_or_default();
        return Judgement::pass(format!("no endpoint of its own: {reasons}"));
    }
    if let Some(endpoint) = service.endpoint {
        let hosts = service.planned.map(|planned| planned.hosts.as_slice()).unwrap_or_default();
        let evidence =
            json!({ "endpoint": endpoint.id, "service": service.service.service_name, "hosts": hosts });
        return Judgement::pass(endpoint.id.clone()).evidence(evidence);
    }
    if let Some(problem) = shared_vpc(facts) {
        return Judgement::unknown(problem.message).fix(Fix::text(problem.hint));
    }
    judgement(service)
        .expected("an endpoint of the service, or a private hosted zone for its name")
        .evidence(json!({ "service": service.service.service_name }))
        .fixes(service.fixes())
}

/// A missing endpoint. Nodes may reach AWS by their default route, but not Cast AI.
fn judgement(service: &ServiceView<'_>) -> Judgement {
    let seen = match service.problems().next() {
        Some(problem) => problem.message.clone(),
        None => format!("no endpoint in {}", service.vpc.facts.vpc.id),
    };
    let routes = service.vpc.default_routes().filter(|_| service.service.provider == Provider::Aws);
    match routes {
        Some(routes) => {
            let routes: Vec<_> = routes.into_iter().collect();
            Judgement::warn(format!("{seen}; nodes have a default route ({})", routes.join(", ")))
        }
        None => Judgement::fail(seen),
    }
}
