//! Every right in AWS.

use super::{Access, AwsAction, Need, Resource};

/// Every right in AWS, in the order in which it is used.
pub const AWS: &[AwsAction] = &[
    AwsAction {
        action: "sts:GetCallerIdentity",
        statement: "OptionalFindAccount",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Optional,
        reason: "the account of the ECR registry, without --registry; AWS allows it to all callers",
    },
    AwsAction {
        action: "ecr:GetAuthorizationToken",
        statement: "LogIn",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Required,
        reason: "logging in to the registry",
    },
    AwsAction {
        action: "ecr:DescribeRepositories",
        statement: "OptionalPreflight",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Optional,
        reason: "preflight: whether ECR is available; Unknown without it",
    },
    AwsAction {
        action: "ecr:ListImages",
        statement: "ListAndVerifyImages",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Required,
        reason: "listing mirrored images, and verifying copies",
    },
    AwsAction {
        action: "ecr:BatchCheckLayerAvailability",
        statement: "ListAndVerifyImages",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Required,
        reason: "finding layers that exist already",
    },
    AwsAction {
        action: "ecr:GetAccountSetting",
        statement: "OptionalMountSetting",
        resource: Resource::Any,
        access: Access::Read,
        need: Need::Optional,
        reason: "whether shared layers can be mounted; without it they are uploaded per repository",
    },
    AwsAction {
        action: "ecr:BatchGetImage",
        statement: "OptionalPlatformsAndSizes",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Optional,
        reason: "--lock, -o wide, json and yaml: platforms and size of mirrored images",
    },
    AwsAction {
        action: "ecr:GetDownloadUrlForLayer",
        statement: "OptionalPlatformsAndSizes",
        resource: Resource::Repositories,
        access: Access::Read,
        need: Need::Optional,
        reason: "platforms and size of images without an index; mounting shared layers",
    },
    AwsAction {
        action: "ecr:CreateRepository",
        statement: "CreateRepositories",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "creating repositories",
    },
    AwsAction {
        action: "ecr:InitiateLayerUpload",
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying layers: start of an upload",
    },
    AwsAction {
        action: "ecr:UploadLayerPart",
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying layers: parts of an upload",
    },
    AwsAction {
        action: "ecr:CompleteLayerUpload",
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying layers: end of an upload",
    },
    AwsAction {
        action: "ecr:PutImage",
        statement: "CopyImages",
        resource: Resource::Repositories,
        access: Access::Change,
        need: Need::Required,
        reason: "copying manifests and tags",
    },
];

/// The AWS permissions; with `read_only` without those for changes.
pub fn actions(read_only: bool) -> impl Iterator<Item = &'static AwsAction> {
    AWS.iter().filter(move |action| !read_only || action.access == Access::Read)
}
