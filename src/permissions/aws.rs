//! Every right in AWS.

use super::{Access, AwsAction, Need, Purpose, Resource};

/// A right with which `endpoints` and `preflight` read a VPC.
const fn for_endpoints(action: &'static str, reason: &'static str) -> AwsAction {
    AwsAction {
        action,
        purposes: &[Purpose::Preflight, Purpose::Endpoints],
        statement: "ReadVpc",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Required,
        reason,
    }
}

/// A right without which both know less, and say so.
const fn for_more_facts(action: &'static str, reason: &'static str) -> AwsAction {
    AwsAction { statement: "OptionalReadVpc", need: Need::Optional, ..for_endpoints(action, reason) }
}

/// A right of a check.
const fn for_a_check(action: &'static str, reason: &'static str) -> AwsAction {
    AwsAction { purposes: &[Purpose::Preflight], ..for_more_facts(action, reason) }
}

/// A right with which `endpoints` changes something.
const fn for_endpoint_changes(action: &'static str, reason: &'static str) -> AwsAction {
    AwsAction {
        purposes: &[Purpose::Endpoints],
        statement: "EndpointChanges",
        access: Access::Change,
        ..for_endpoints(action, reason)
    }
}

/// A right with which `endpoints` changes something that a flag allows.
const fn for_a_flag(action: &'static str, reason: &'static str) -> AwsAction {
    AwsAction {
        statement: "OptionalEndpointChanges",
        need: Need::Optional,
        ..for_endpoint_changes(action, reason)
    }
}

/// Every right of the plugin's caller, in the order in which it is used.
pub const AWS: &[AwsAction] = &[
    AwsAction {
        action: "sts:GetCallerIdentity",
        purposes: &[Purpose::Mirror, Purpose::Preflight, Purpose::Endpoints],
        statement: "OptionalFindAccount",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Optional,
        reason: "the account of the ECR registry, without --registry; AWS allows it to all callers",
    },
    AwsAction {
        action: "ecr:GetAuthorizationToken",
        purposes: &[Purpose::Mirror, Purpose::Preflight],
        statement: "LogIn",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Required,
        reason: "logging in to the registry",
    },
    AwsAction {
        action: "ecr:ListImages",
        purposes: &[Purpose::Mirror, Purpose::Preflight, Purpose::Endpoints],
        statement: "ListAndVerifyImages",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Required,
        reason: "listing mirrored images, verifying copies, and endpoints terraform with --inventory",
    },
    AwsAction {
        action: "ecr:BatchCheckLayerAvailability",
        purposes: &[Purpose::Mirror],
        statement: "ListAndVerifyImages",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Required,
        reason: "finding layers that exist already",
    },
    AwsAction {
        action: "ecr:GetAccountSetting",
        purposes: &[Purpose::Mirror],
        statement: "OptionalMountSetting",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Optional,
        reason: "whether shared layers can be mounted; without it they are uploaded per repository",
    },
    AwsAction {
        action: "ecr:BatchGetImage",
        purposes: &[Purpose::Mirror],
        statement: "OptionalPlatformsAndSizes",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Optional,
        reason: "--lock, -o wide, json and yaml: platforms and size of mirrored images",
    },
    AwsAction {
        action: "ecr:GetDownloadUrlForLayer",
        purposes: &[Purpose::Mirror],
        statement: "OptionalPlatformsAndSizes",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Optional,
        reason: "platforms and size of images without an index; mounting shared layers",
    },
    AwsAction {
        action: "ecr:DescribeRepositoryCreationTemplates",
        purposes: &[Purpose::Mirror],
        statement: "OptionalCreationTemplates",
        resource: Resource::Any,
        access: Access::Change,
        need: Need::Optional,
        reason: "creating repositories with the settings of the account's creation templates",
    },
    AwsAction {
        action: "ecr:CreateRepository",
        purposes: &[Purpose::Mirror],
        statement: "CreateRepositories",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "creating repositories",
    },
    AwsAction {
        action: "ecr:TagResource",
        purposes: &[Purpose::Mirror],
        statement: "OptionalRepositorySettings",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Optional,
        reason: "tags of new repositories, from --repository-settings or a template",
    },
    AwsAction {
        action: "ecr:SetRepositoryPolicy",
        purposes: &[Purpose::Mirror],
        statement: "OptionalRepositorySettings",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Optional,
        reason: "policies of new repositories, from --repository-settings or a template",
    },
    AwsAction {
        action: "ecr:PutLifecyclePolicy",
        purposes: &[Purpose::Mirror],
        statement: "OptionalRepositorySettings",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Optional,
        reason: "lifecycle policies of new repositories, from a template",
    },
    AwsAction {
        action: "ecr:InitiateLayerUpload",
        purposes: &[Purpose::Mirror],
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying layers: start of an upload",
    },
    AwsAction {
        action: "ecr:UploadLayerPart",
        purposes: &[Purpose::Mirror],
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying layers: parts of an upload",
    },
    AwsAction {
        action: "ecr:CompleteLayerUpload",
        purposes: &[Purpose::Mirror],
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying layers: end of an upload",
    },
    AwsAction {
        action: "ecr:PutImage",
        purposes: &[Purpose::Mirror],
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying manifests and tags",
    },
    for_endpoints("ec2:DescribeVpcs", "preflight, endpoints: blocks and owner of the VPC"),
    for_more_facts("ec2:DescribeVpcAttribute", "preflight, endpoints: whether private DNS can work"),
    for_endpoints("ec2:DescribeSubnets", "preflight, endpoints: subnets with zones and tags"),
    for_endpoints("ec2:DescribeRouteTables", "preflight, endpoints: routes of the S3 gateway"),
    for_endpoints("ec2:DescribeSecurityGroups", "preflight, endpoints: who may connect"),
    AwsAction {
        purposes: &[Purpose::Endpoints],
        ..for_more_facts(
            "ec2:DescribeSecurityGroupRules",
            "endpoints terraform: rules of our security groups",
        )
    },
    for_endpoints("ec2:DescribeVpcEndpoints", "preflight, endpoints: endpoints that exist"),
    for_endpoints("ec2:DescribeVpcEndpointServices", "preflight, endpoints: zones and hosts of the services"),
    for_more_facts("ec2:DescribeInstances", "preflight, endpoints: subnets and security groups of nodes"),
    for_more_facts("eks:DescribeCluster", "preflight, endpoints: VPC and security group of the cluster"),
    for_more_facts("eks:ListNodegroups", "preflight, endpoints: subnets of node groups"),
    for_more_facts("eks:DescribeNodegroup", "preflight, endpoints: subnets of node groups"),
    for_more_facts("eks:ListFargateProfiles", "preflight, endpoints: subnets of Fargate profiles"),
    for_more_facts("eks:DescribeFargateProfile", "preflight, endpoints: subnets of Fargate profiles"),
    for_more_facts("route53:ListHostedZonesByVPC", "preflight, endpoints: names that a hub answers for"),
    for_a_check("ec2:DescribeDhcpOptions", "preflight: DNS servers of the VPC"),
    for_a_check("ec2:DescribeNetworkAcls", "preflight: whether clients may connect to endpoints"),
    for_a_check("ec2:DescribeNetworkInterfaces", "preflight: addresses of endpoints"),
    for_a_flag("ec2:ModifyVpcAttribute", "endpoints create: DNS attributes, with --enable-vpc-dns"),
    // AWS PrivateLink guide, "Cross-Region enabled endpoint services".
    for_a_flag(
        "vpce:AllowMultiRegion",
        "endpoints create: services of another region, with --service-region",
    ),
    for_endpoint_changes("ec2:CreateSecurityGroup", "endpoints create: the security groups of endpoints"),
    for_endpoint_changes(
        "ec2:AuthorizeSecurityGroupIngress",
        "endpoints create: rules that admit nodes and pods",
    ),
    for_endpoint_changes("ec2:CreateVpcEndpoint", "endpoints create: the endpoints"),
    for_endpoint_changes(
        "ec2:ModifyVpcEndpoint",
        "endpoints create: subnets, security groups and private DNS of existing endpoints",
    ),
    for_endpoint_changes("ec2:CreateTags", "endpoints create: tags of subnets, and of what is created"),
    for_endpoint_changes("ec2:DeleteVpcEndpoints", "endpoints delete: endpoints with the plugin's tag"),
    for_endpoint_changes(
        "ec2:DeleteSecurityGroup",
        "endpoints delete: security groups with the plugin's tag",
    ),
    for_endpoint_changes("ec2:DeleteTags", "endpoints delete: tags of subnets that the plugin added"),
];

/// Every right of the nodes' role for the mirrored images (`AmazonEC2ContainerRegistryPullOnly`, for our path only).
pub const NODES: &[AwsAction] = &[
    AwsAction {
        action: "ecr:GetAuthorizationToken",
        purposes: &[Purpose::Nodes],
        statement: "LogIn",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Required,
        reason: "nodes: logging in to the registry",
    },
    AwsAction {
        action: "ecr:BatchGetImage",
        purposes: &[Purpose::Nodes],
        statement: "PullImages",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Required,
        reason: "nodes: pulling manifests",
    },
    AwsAction {
        action: "ecr:GetDownloadUrlForLayer",
        purposes: &[Purpose::Nodes],
        statement: "PullImages",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Required,
        reason: "nodes: pulling layers",
    },
];

/// The AWS permissions of one purpose, or without one, all of the plugin's caller; with `read_only` without those for
/// changes.
pub fn actions(purpose: Option<Purpose>, read_only: bool) -> impl Iterator<Item = &'static AwsAction> {
    let all = if purpose == Some(Purpose::Nodes) { NODES } else { AWS };
    let is_wanted =
        move |action: &&AwsAction| purpose.is_none_or(|purpose| action.purposes.contains(&purpose));
    all.iter().filter(is_wanted).filter(move |action| !read_only || action.access == Access::Read)
}
