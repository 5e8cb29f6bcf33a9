//! What the plugin may need to do, each with its reason: the one source of `permissions` and `docs/permissions.md`.

pub mod aws;
pub mod iam;
pub mod kubernetes;
pub mod rbac;
#[cfg(test)]
mod tests;

use serde::Serialize;

/// A right in Kubernetes.
#[derive(Clone, Debug, Serialize)]
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

/// Where a right in Kubernetes counts, and so whether a `ClusterRole` or a `Role` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    Cluster,
    /// The namespace of Cast AI's components.
    Components,
    /// The namespace `kube-system`.
    KubeSystem,
}

/// A right in AWS.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsAction {
    /// As IAM writes it: `ecr:PutImage`.
    pub action: &'static str,
    /// The id of its statement in a policy, which stands for the reason there: JSON has no comments.
    pub statement: &'static str,
    pub resource: Resource,
    pub access: Access,
    pub need: Need,
    pub reason: &'static str,
}

/// What an action is allowed on, as far as IAM lets it be narrowed (Service Authorization Reference of ECR and STS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Resource {
    /// `*`: the action knows no resource.
    Any,
    /// The repositories below our path in the registry.
    Repositories,
}

/// Whether a right is needed to look, or to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    Read,
    Change,
}

/// Whether anything fails without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
