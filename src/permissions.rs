//! The permissions that the plugin may need, each with its reason: the single source of `permissions` and
//! `docs/permissions.md`.

pub mod aws;
pub mod iam;
pub mod kubernetes;
pub mod rbac;
#[cfg(test)]
mod tests;

use serde::Serialize;

/// A Kubernetes permission.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KubernetesRule {
    pub scope: Scope,
    pub api_group: String,
    pub resources: Vec<String>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub resource_names: &'static [&'static str],
    pub verbs: &'static [&'static str],
    pub access: Access,
    pub need: Need,
    pub reason: String,
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
    /// What it is needed for.
    pub purposes: &'static [Purpose],
    /// The id of its statement in a policy, which also documents the reason: JSON has no comments.
    pub statement: &'static str,
    pub resource: Resource,
    pub access: Access,
    pub need: Need,
    pub reason: &'static str,
}

/// The resources of an action, as narrow as IAM supports (Service Authorization Reference of ECR, STS, EC2, EKS and Route 53).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// `*`: the action supports no resources.
    Any,
    /// The repositories below our path in the registry.
    Repositories,
}

/// What AWS permissions are for, each with a policy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Mirroring images, and comparing what is mirrored.
    Mirror,
    /// The role of the nodes that pull the mirrored images.
    Nodes,
    /// The checks of `preflight`.
    Preflight,
    /// The VPC endpoints of `endpoints`.
    Endpoints,
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
