//! The permissions that the plugin may need, each with its reason: the single source of `permissions` and
//! `docs/permissions.md`.

pub mod iam;
pub mod rbac;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::Serialize;

use crate::castai::built_in;

/// A Kubernetes permission.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KubernetesRule {
    pub scope: Scope,
    pub api_group: &'static str,
    pub resources: &'static [&'static str],
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub resource_names: &'static [&'static str],
    pub verbs: &'static [&'static str],
    pub access: Access,
    pub need: Need,
    pub reason: &'static str,
}

/// The scope of a Kubernetes permission, which decides between `ClusterRole` and `Role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    Cluster,
    /// The namespace of Cast AI's components.
    Components,
    /// The namespace `kube-system`.
    KubeSystem,
}

/// An AWS permission.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AwsAction {
    /// In IAM's notation: `ecr:PutImage`.
    pub action: &'static str,
    /// The id of its statement in a policy, which also documents the reason: JSON has no comments.
    pub statement: &'static str,
    pub resource: Resource,
    pub access: Access,
    pub need: Need,
    pub reason: &'static str,
}

/// The resources of an action, as narrow as IAM supports (Service Authorization Reference of ECR and STS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// `*`: the action supports no resources.
    Any,
    /// The repositories below our path in the registry.
    Repositories,
}

/// Whether a permission is needed to read or to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Access {
    Read,
    Change,
}

/// Whether the plugin fails without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Need {
    Required,
    Optional,
}

/// Every Kubernetes permission, in the order of use.
pub static KUBERNETES: LazyLock<Vec<KubernetesRule>> = LazyLock::new(|| {
    WORKLOADS.iter().cloned().chain(custom_resources()).chain(OWNERS_AND_CHANGES.iter().cloned()).collect()
});

/// The permissions to list the custom resources of Cast AI's components.
fn custom_resources() -> impl Iterator<Item = KubernetesRule> {
    static NAMES: LazyLock<Vec<String>> =
        LazyLock::new(|| built_in().custom_resources().iter().map(|resource| resource.name()).collect());
    static LISTS: LazyLock<Vec<[&'static str; 1]>> =
        LazyLock::new(|| NAMES.iter().map(|name| [name.as_str()]).collect());
    built_in().custom_resources().into_iter().zip(&*LISTS).map(|(resource, names)| KubernetesRule {
        scope: Scope::Cluster,
        api_group: &resource.group,
        resources: names,
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: resource.purpose.as_deref().unwrap_or("images in custom resources of Cast AI's"),
    })
}

/// The permissions to find workloads and their images.
const WORKLOADS: &[KubernetesRule] = &[
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "apps",
        resources: &["deployments", "daemonsets", "statefulsets", "replicasets"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "finding Cast AI's workloads and their images",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "batch",
        resources: &["cronjobs", "jobs"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "finding images of jobs",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["pods", "replicationcontrollers"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "finding images, watching rollouts, and reporting why pods do not start",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["nodes"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "platforms, region and account; whether this machine is in the VPC",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["namespaces"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "completing -n in the shell",
    },
];

/// The permissions to find the owners of workloads, and to change workloads.
const OWNERS_AND_CHANGES: &[KubernetesRule] = &[
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "argoproj.io",
        resources: &["applications"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "whether an Argo CD application that owns a workload self-heals",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "helm.toolkit.fluxcd.io",
        resources: &["helmreleases"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "whether a Flux HelmRelease that owns a workload corrects drift",
    },
    KubernetesRule {
        scope: Scope::Components,
        api_group: "",
        resources: &["secrets"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "images of Cast AI's Helm releases and their hooks",
    },
    KubernetesRule {
        scope: Scope::KubeSystem,
        api_group: "",
        resources: &["configmaps"],
        resource_names: &["aws-auth"],
        verbs: &["get"],
        access: Access::Read,
        need: Need::Optional,
        reason: "the account of the nodes, if the kubeconfig has no EKS ARN",
    },
    KubernetesRule {
        scope: Scope::Components,
        api_group: "",
        resources: &["configmaps", "secrets"],
        resource_names: &[],
        verbs: &["get"],
        access: Access::Read,
        need: Need::Optional,
        reason: "preflight: endpoints that components read from them; Unknown without it",
    },
    KubernetesRule {
        scope: Scope::Components,
        api_group: "",
        resources: &["pods/log"],
        resource_names: &[],
        verbs: &["get"],
        access: Access::Change,
        need: Need::Optional,
        reason: "showing the log of a container that crashes after its image was changed",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "apps",
        resources: &["deployments", "daemonsets", "statefulsets", "replicasets"],
        resource_names: &[],
        verbs: &["get", "patch"],
        access: Access::Change,
        need: Need::Required,
        reason: "rewriting images and watching rollouts",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "batch",
        resources: &["cronjobs"],
        resource_names: &[],
        verbs: &["get", "patch"],
        access: Access::Change,
        need: Need::Required,
        reason: "rewriting images of cron jobs; images of jobs are immutable",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["pods", "replicationcontrollers"],
        resource_names: &[],
        verbs: &["get", "patch"],
        access: Access::Change,
        need: Need::Required,
        reason: "rewriting images of pods without a controller",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "admissionregistration.k8s.io",
        resources: &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        resource_names: &[],
        verbs: &["create", "patch"],
        access: Access::Change,
        need: Need::Optional,
        reason: "values policy --apply: renaming images when pods are created",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "kyverno.io",
        resources: &["clusterpolicies"],
        resource_names: &[],
        verbs: &["create", "patch"],
        access: Access::Change,
        need: Need::Optional,
        reason: "values policy --engine=kyverno --apply: the same with Kyverno",
    },
];

/// Every AWS permission, in the order of use.
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
        reason: "the same for images without an index; mounting shared layers",
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

/// The Kubernetes permissions; with `read_only` without those for changes.
pub fn kubernetes(read_only: bool) -> impl Iterator<Item = &'static KubernetesRule> {
    KUBERNETES.iter().filter(move |rule| !read_only || rule.access == Access::Read)
}

/// The AWS permissions; with `read_only` without those for changes.
pub fn aws(read_only: bool) -> impl Iterator<Item = &'static AwsAction> {
    AWS.iter().filter(move |action| !read_only || action.access == Access::Read)
}

impl Need {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }
}

impl Scope {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "all namespaces",
            Self::Components => "Cast AI's namespace",
            Self::KubeSystem => "kube-system",
        }
    }
}

/// The resources of a rule, as in `kubectl auth can-i`: `deployments.apps`, `configmaps/aws-auth`.
pub fn resources(rule: &KubernetesRule) -> String {
    let named = rule.resources.iter().map(|resource| match (rule.api_group, rule.resource_names) {
        ("", []) => (*resource).to_owned(),
        ("", names) => format!("{resource}/{}", names.join("+")),
        (group, _) => format!("{resource}.{group}"),
    });
    named.collect::<Vec<_>>().join(",")
}
