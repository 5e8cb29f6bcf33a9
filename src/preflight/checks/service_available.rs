//! CPL422: the endpoint is available.

use crate::endpoints::facts::Endpoint;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL422",
    title: "the endpoint is available",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL420")],
    explains: &[Symptom::NoAddress, Symptom::PublicAddress, Symptom::NoResponse],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpoints"],
    explanation: "An endpoint that is pending, rejected or failed does not accept connections, and its name does not lead to it.",
    remediation: "wait until it is available, or ask the owner of the service to accept it",
    judge: Judge::Endpoint { kind: EndpointKind::Any, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    if endpoint.state.eq_ignore_ascii_case("available") {
        return Judgement::pass(endpoint.id.clone());
    }
    let why = endpoint.failure.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    let judgement =
        Judgement::fail(format!("{} is {}{why}", endpoint.id, endpoint.state)).expected("available");
    match service.problems().next() {
        Some(problem) => judgement.fix(Fix::text(problem.hint.clone())),
        None => judgement.fix(Fix::command(
            "wait until EC2 has prepared it",
            "kubectl castai-privatelink endpoints list --in-vpc",
        )),
    }
}
