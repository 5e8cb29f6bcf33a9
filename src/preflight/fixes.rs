//! Fixes that several checks share.

use super::judgement::Fix;
use super::target::{Target, TargetKind};
use crate::endpoints::settings::Provider;

/// How to get private addresses for a target's name.
pub(super) fn private_dns(target: &Target) -> Vec<Fix> {
    match &target.kind {
        TargetKind::CastAi { service: None, .. } => vec![Fix::text(
            "no known Cast AI endpoint service for this host: configure the component with another host",
        )],
        TargetKind::CastAi { service: Some(_), .. } => vec![create_endpoint(Provider::CastAi)],
        TargetKind::Aws { .. } => vec![create_endpoint(Provider::Aws)],
    }
}

/// The command that adds what endpoints lack.
pub(super) const CREATE: &str = "kubectl castai-privatelink endpoints create";

/// How to complete an endpoint. The text is the same for all services, and the command for all of a provider, so that they
/// are grouped.
pub(super) fn create_endpoint(provider: Provider) -> Fix {
    let flags = match provider {
        Provider::CastAi => "",
        Provider::Aws => " --with-aws-endpoints",
    };
    Fix::command(
        "show what its endpoint lacks, and add that after a confirmation prompt",
        format!("{CREATE}{flags}"),
    )
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

/// How to get the permissions for pods.
pub(super) fn grant_pods() -> Fix {
    Fix::command(
        "allow it: an administrator applies the role that `permissions rbac` prints",
        "kubectl castai-privatelink permissions rbac --subject=user:NAME | kubectl apply -f -",
    )
}

/// How to get the probe image to the nodes.
pub(super) fn allow_pushing() -> Fix {
    Fix::text(
        "allow pushing to this repository, or mirror the probe image yourself and name it with --probe-image",
    )
}

/// How to get credentials.
pub(super) fn no_credentials() -> Fix {
    Fix::command(
        "configure AWS credentials as for the AWS CLI; show the credentials in use",
        "aws sts get-caller-identity",
    )
}
