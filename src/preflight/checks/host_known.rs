//! CPL202: the host name of the endpoint service is known.

use crate::preflight::check::{Category, Check, Judge, Severity, Source};
use crate::preflight::facts::ServiceFacts;
use crate::preflight::judgement::{Fix, Judgement};

pub static CHECK: Check = Check {
    code: "CPL202",
    title: "the host name of the endpoint service is known",
    category: Category::Endpoints,
    severity: Severity::Warning,
    requires: &[],
    source: Source::AwsApi,
    permissions: &[],
    explanation: "no published host name for this service. AWS shows the private DNS name to \
                  accounts that may use the service.",
    remediation: "look up the service's private DNS name in EC2",
    judge: Judge::Service(judge),
};

fn judge(facts: &ServiceFacts) -> Judgement {
    let region = facts.region.as_deref();
    let name = region.and_then(|region| facts.service.service_name(region));
    let name = name.as_deref().unwrap_or("SERVICE_NAME");
    let region = region.unwrap_or("REGION");
    Judgement::unknown("no published host name for this service").fix(Fix::command(
        "look up the private DNS name with an account that may use the service, and check it with --https",
        format!(
            "aws ec2 describe-vpc-endpoint-services --region {region} --service-names {name} --query 'ServiceDetails[].PrivateDnsNames[].PrivateDnsName' --output text"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::castai::endpoints;

    #[test]
    fn the_files_service_has_instructions_to_find_its_host() {
        let service = endpoints::services().iter().find(|service| service.name == "files").unwrap();
        let judgement = judge(&ServiceFacts { service, region: Some("us-east-2".to_owned()) });
        assert_eq!(judgement.outcome.name(), "Unknown");
        let command = judgement.fixes[0].command.as_deref().unwrap();
        assert!(command.contains("com.amazonaws.vpce.us-east-2.vpce-svc-0d1fad36f0230d84c"), "{command}");
    }
}
