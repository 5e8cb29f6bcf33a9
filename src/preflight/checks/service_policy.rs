//! CPL426: the endpoint's policy allows what nodes and components need.

use serde_json::json;

use crate::endpoints::facts::Endpoint;
use crate::endpoints::settings::Provider;
use crate::model::aws_partition::Partition;
use crate::model::image::ecr::PATH;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::Judgement;
use crate::preflight::vpc::ServiceView;
use crate::preflight::vpc::policy::{self, Decision};

pub static CHECK: Check = Check {
    code: "CPL426",
    title: "the endpoint's policy allows what nodes and components need",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL420")],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcEndpoints"],
    explanation: "A policy of its own may refuse requests that come through the endpoint: then images are not pulled although the connection works.",
    remediation: "allow the actions in the policy of the endpoint",
    judge: Judge::Endpoint { kind: EndpointKind::Any, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let Some(own) = &endpoint.own_policy else { return Judgement::pass("full access") };
    if service.service.provider == Provider::CastAi {
        return Judgement::warn(format!("{} has a policy of its own, which is not evaluated", endpoint.id))
            .evidence(json!({ "policy": own }));
    }
    let decisions = needed(service).into_iter().map(|(action, resource)| {
        (policy::decide(own, action, &resource), format!("{action} on {resource}"))
    });
    let decisions: Vec<_> = decisions.collect();
    let with = |wanted: Decision| -> Vec<&str> {
        decisions.iter().filter(|(decision, _)| *decision == wanted).map(|(_, what)| what.as_str()).collect()
    };
    let (denied, depends) = (with(Decision::Denied), with(Decision::Depends));
    let judgement = if !denied.is_empty() {
        Judgement::fail(format!("{} does not allow {}", endpoint.id, denied.join(", ")))
    } else if !depends.is_empty() || decisions.is_empty() {
        let what = if depends.is_empty() { "everything".to_owned() } else { depends.join(", ") };
        Judgement::warn(format!("{} allows {what} only to some callers or with conditions", endpoint.id))
    } else {
        Judgement::pass(format!("allows {}", with(Decision::Allowed).join(", ")))
    };
    judgement.expected("that all principals of the account may do it").evidence(json!({ "policy": own }))
}

/// What nodes and Cast AI's agent do through an endpoint of AWS. Layers come from a bucket of ECR's (Amazon ECR user guide,
/// "Minimum Amazon S3 Bucket Permissions for Amazon ECR").
fn needed(service: &ServiceView<'_>) -> Vec<(&'static str, String)> {
    let facts = &service.vpc.facts;
    let region = &facts.region;
    let partition = Partition::of_region(region).id;
    let account = facts.account.as_deref().unwrap_or("*");
    let repositories = format!("arn:{partition}:ecr:{region}:{account}:repository/{PATH}/*");
    let all = || "*".to_owned();
    match service.service.name.as_str() {
        "ecr.api" => vec![("ecr:GetAuthorizationToken", all())],
        "ecr.dkr" => {
            vec![("ecr:BatchGetImage", repositories.clone()), ("ecr:GetDownloadUrlForLayer", repositories)]
        }
        "s3" => vec![("s3:GetObject", format!("arn:{partition}:s3:::prod-{region}-starport-layer-bucket/*"))],
        "sts" => vec![("sts:AssumeRoleWithWebIdentity", all()), ("sts:GetCallerIdentity", all())],
        "ec2" => vec![("ec2:DescribeInstances", all())],
        _ => Vec::new(),
    }
}
