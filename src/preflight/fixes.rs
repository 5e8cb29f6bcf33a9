//! Fixes that several checks share.

use super::judgement::Fix;
use super::target::{Target, TargetKind};
use crate::model::aws_partition::Partition;

/// How to get private addresses for a target's name.
pub(super) fn private_dns(target: &Target) -> Vec<Fix> {
    let region = target.region.as_deref().unwrap_or("REGION");
    match &target.kind {
        TargetKind::CastAi { service: None, .. } => vec![Fix::text(
            "no known Cast AI endpoint service for this host: configure the component with another host",
        )],
        TargetKind::CastAi { service: Some(service), .. } => {
            let name = target.region.as_deref().and_then(|region| service.service_name(region));
            endpoint(name.as_deref().unwrap_or("SERVICE_NAME"), region)
        }
        TargetKind::Aws { service } => endpoint(&Partition::endpoint_service(region, service), region),
    }
}

/// How to find, fix and create the interface endpoint of a service. Placeholders are words in capitals: in angle
/// brackets, a shell would treat them as redirections.
fn endpoint(service: &str, region: &str) -> Vec<Fix> {
    vec![
        Fix::command(
            "find the endpoint in the cluster's VPC, and check that private DNS is enabled",
            format!(
                "aws ec2 describe-vpc-endpoints --region {region} --filters Name=service-name,Values={service} --query 'VpcEndpoints[].[VpcId,VpcEndpointId,State,PrivateDnsEnabled]' --output text"
            ),
        ),
        Fix::command(
            "if it is disabled (False), enable it",
            format!(
                "aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id ENDPOINT_ID --private-dns-enabled"
            ),
        ),
        Fix::command(
            "if there is no endpoint, create it",
            format!(
                "aws ec2 create-vpc-endpoint --region {region} --vpc-endpoint-type Interface --service-name {service} --vpc-id VPC_ID --subnet-ids SUBNET_ID SUBNET_ID --security-group-ids SECURITY_GROUP_ID --private-dns-enabled"
            ),
        ),
    ]
}

/// Why the network checks are unknown from here.
pub(super) const OUTSIDE: &str =
    "this machine may be outside the cluster's VPC, where network checks prove nothing";

/// How to get results of the network checks.
pub(super) fn run_from_inside() -> Fix {
    Fix::command(
        "run from a machine in the VPC; if this machine uses the VPC's DNS and routes, pass --here=inside",
        "kubectl castai-privatelink preflight --here=inside",
    )
}

/// How to get missing permissions in the cluster.
pub(super) fn grant() -> Fix {
    Fix::command(
        "allow it: an administrator applies the role that `permissions rbac` prints",
        "kubectl castai-privatelink permissions rbac --read-only --subject=user:NAME | kubectl apply -f -",
    )
}

/// How to get credentials.
pub(super) fn no_credentials() -> Fix {
    Fix::command(
        "configure AWS credentials as for the AWS CLI; show the credentials in use",
        "aws sts get-caller-identity",
    )
}
