//! Remedies that several checks give.

use super::judgement::Remedy;
use super::target::{Kind, Target};

/// How to get a private answer for a target's name.
pub(super) fn private_dns(target: &Target) -> Vec<Remedy> {
    let region = target.region.as_deref().unwrap_or("REGION");
    match &target.kind {
        Kind::CastAi { service: None, .. } => vec![Remedy::text(
            "no endpoint service of Cast AI is known for this host: configure the component with another one",
        )],
        Kind::CastAi { service: Some(service), .. } => {
            let name = target.region.as_deref().and_then(|region| service.service_name(region));
            endpoint(service.name, name.as_deref().unwrap_or("SERVICE_NAME"), region)
        }
        Kind::Aws { service } => endpoint(service, &format!("com.amazonaws.{region}.{service}"), region),
    }
}

/// How to look for the interface endpoint of a service, to mend it, and to make it. Words in capitals are to be
/// replaced: in angle brackets, a shell would take them for files.
fn endpoint(called: &str, service: &str, region: &str) -> Vec<Remedy> {
    vec![
        Remedy::command(
            format!(
                "look for the endpoint of {called} in the cluster's VPC, and whether its private DNS is on"
            ),
            format!(
                "aws ec2 describe-vpc-endpoints --region {region} --filters Name=service-name,Values={service} --query 'VpcEndpoints[].[VpcId,VpcEndpointId,State,PrivateDnsEnabled]' --output text"
            ),
        ),
        Remedy::command(
            "where it is off (False), enable it",
            format!(
                "aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id ENDPOINT_ID --private-dns-enabled"
            ),
        ),
        Remedy::command(
            "where there is no endpoint, create it",
            format!(
                "aws ec2 create-vpc-endpoint --region {region} --vpc-endpoint-type Interface --service-name {service} --vpc-id VPC_ID --subnet-ids SUBNET_ID SUBNET_ID --security-group-ids SECURITY_GROUP_ID --private-dns-enabled"
            ),
        ),
    ]
}

/// Why a network check says nothing from here.
pub(super) const OUTSIDE: &str =
    "this machine is not known to be inside the cluster's VPC, and what it sees proves nothing";

/// How to get the network checks answered.
pub(super) fn look_from_inside() -> Remedy {
    Remedy::command(
        "run from a machine in the VPC; or, if this machine uses the VPC's DNS and routes, say so",
        "kubectl castai-privatelink preflight --here=inside",
    )
}

/// How to get credentials.
pub(super) fn no_credentials() -> Remedy {
    Remedy::command(
        "give AWS credentials, as for the AWS CLI; see which ones are found",
        "aws sts get-caller-identity",
    )
}
