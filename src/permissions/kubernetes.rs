//! Every right in Kubernetes.

use std::sync::LazyLock;

use super::{Access, KubernetesRule, Need, Scope};
use crate::castai::built_in;

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

/// The rights for finding workloads and their images.
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
        verbs: &["get", "list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "reporting a namespace of -n that does not exist; completing -n in the shell",
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
        resources: &["configmaps", "secrets"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "images of Cast AI's Helm releases and their hooks, in Helm's Secrets or ConfigMaps",
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
        api_group: "",
        resources: &["events"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Change,
        need: Need::Optional,
        reason: "why new pods of DaemonSets and StatefulSets are refused",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "admissionregistration.k8s.io",
        resources: &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        resource_names: &["castai-privatelink"],
        verbs: &["get"],
        access: Access::Change,
        need: Need::Optional,
        reason: "rollback: whether the policy of values policy renames restored images",
    },
    KubernetesRule {
        scope: Scope::Cluster,
        api_group: "kyverno.io",
        resources: &["clusterpolicies"],
        resource_names: &["castai-privatelink"],
        verbs: &["get"],
        access: Access::Change,
        need: Need::Optional,
        reason: "the same with Kyverno",
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

/// The Kubernetes permissions; with `read_only` without those for changes.
pub fn rules(read_only: bool) -> impl Iterator<Item = &'static KubernetesRule> {
    KUBERNETES.iter().filter(move |rule| !read_only || rule.access == Access::Read)
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
