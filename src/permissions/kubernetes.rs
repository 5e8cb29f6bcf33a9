//! Every right in Kubernetes.

use super::{Access, KubernetesRule, Need, Scope};
use crate::model::knowledge::Knowledge;

/// A permission that depends on no knowledge file.
struct Rule {
    scope: Scope,
    api_group: &'static str,
    resources: &'static [&'static str],
    resource_names: &'static [&'static str],
    verbs: &'static [&'static str],
    access: Access,
    need: Need,
    reason: &'static str,
}

impl From<&Rule> for KubernetesRule {
    fn from(rule: &Rule) -> Self {
        Self {
            scope: rule.scope,
            api_group: rule.api_group.to_owned(),
            resources: rule.resources.iter().map(ToString::to_string).collect(),
            resource_names: rule.resource_names,
            verbs: rule.verbs,
            access: rule.access,
            need: rule.need,
            reason: rule.reason.to_owned(),
        }
    }
}

/// The permissions to list the custom resources of Cast AI's components, with those of a `--knowledge` file.
fn custom_resources(knowledge: &Knowledge) -> impl Iterator<Item = KubernetesRule> {
    knowledge.custom_resources().into_iter().map(|resource| KubernetesRule {
        scope: Scope::Cluster,
        api_group: resource.group.clone(),
        resources: vec![resource.name()],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: resource
            .purpose
            .clone()
            .unwrap_or_else(|| "images in custom resources of Cast AI's".to_owned()),
    })
}

/// The rights for finding workloads and their images.
const WORKLOADS: &[Rule] = &[
    Rule {
        scope: Scope::Cluster,
        api_group: "apps",
        resources: &["deployments", "daemonsets", "statefulsets", "replicasets"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "finding Cast AI's workloads and their images",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "batch",
        resources: &["cronjobs", "jobs"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "finding images of jobs",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["pods", "replicationcontrollers"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "finding images, watching rollouts, and reporting why pods do not start",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["nodes"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Required,
        reason: "platforms, region and account; whether this machine is in the VPC",
    },
    Rule {
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
const OWNERS_AND_CHANGES: &[Rule] = &[
    Rule {
        scope: Scope::Cluster,
        api_group: "argoproj.io",
        resources: &["applications"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "whether an Argo CD application that owns a workload self-heals",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "helm.toolkit.fluxcd.io",
        resources: &["helmreleases"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "whether a Flux HelmRelease that owns a workload corrects drift",
    },
    Rule {
        scope: Scope::Components,
        api_group: "",
        resources: &["configmaps", "secrets"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "images of Cast AI's Helm releases and their hooks, in Helm's Secrets or ConfigMaps",
    },
    Rule {
        scope: Scope::KubeSystem,
        api_group: "",
        resources: &["configmaps"],
        resource_names: &["aws-auth"],
        verbs: &["get"],
        access: Access::Read,
        need: Need::Optional,
        reason: "the account of the nodes, also to compare it with the EKS ARN of the kubeconfig",
    },
    Rule {
        scope: Scope::Components,
        api_group: "",
        resources: &["serviceaccounts"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason: "the account of Cast AI's IAM roles, if neither the kubeconfig nor aws-auth names one",
    },
    Rule {
        scope: Scope::Components,
        api_group: "",
        resources: &["configmaps", "secrets"],
        resource_names: &[],
        verbs: &["get"],
        access: Access::Read,
        need: Need::Optional,
        reason: "preflight: endpoints that components read from them; Unknown without it",
    },
    Rule {
        scope: Scope::Components,
        api_group: "",
        resources: &["pods/log"],
        resource_names: &[],
        verbs: &["get"],
        access: Access::Change,
        need: Need::Optional,
        reason: "showing the log of a container that crashes after its image was changed; reports of probe pods",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "apps",
        resources: &["deployments", "daemonsets", "statefulsets", "replicasets"],
        resource_names: &[],
        verbs: &["get", "patch"],
        access: Access::Change,
        need: Need::Required,
        reason: "rewriting images and watching rollouts",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "batch",
        resources: &["cronjobs"],
        resource_names: &[],
        verbs: &["get", "patch"],
        access: Access::Change,
        need: Need::Required,
        reason: "rewriting images of cron jobs; images of jobs are immutable",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["pods", "replicationcontrollers"],
        resource_names: &[],
        verbs: &["get", "patch"],
        access: Access::Change,
        need: Need::Required,
        reason: "rewriting images of pods without a controller",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "",
        resources: &["events"],
        resource_names: &[],
        verbs: &["list"],
        access: Access::Change,
        need: Need::Optional,
        reason: "why new pods of DaemonSets and StatefulSets are refused, and why probe pods do not start",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "admissionregistration.k8s.io",
        resources: &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        resource_names: &["castai-privatelink"],
        verbs: &["get"],
        access: Access::Change,
        need: Need::Optional,
        reason: "rollback: whether the policy that values policy creates would rename restored images",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "kyverno.io",
        resources: &["clusterpolicies"],
        resource_names: &["castai-privatelink"],
        verbs: &["get"],
        access: Access::Change,
        need: Need::Optional,
        reason: "rollback: whether the Kyverno policy that values policy creates would rename restored images",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "admissionregistration.k8s.io",
        resources: &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        resource_names: &[],
        verbs: &["create", "patch"],
        access: Access::Change,
        need: Need::Optional,
        reason: "values policy --apply: renaming images when pods are created",
    },
    Rule {
        scope: Scope::Cluster,
        api_group: "kyverno.io",
        resources: &["clusterpolicies"],
        resource_names: &[],
        verbs: &["create", "patch"],
        access: Access::Change,
        need: Need::Optional,
        reason: "values policy --engine=kyverno --apply: renaming images when pods are created",
    },
];

/// A right with which `preflight` runs its probe in pods.
const fn for_pods(
    api_group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    access: Access,
    reason: &'static str,
) -> Rule {
    Rule {
        scope: Scope::Components,
        api_group,
        resources,
        resource_names: &[],
        verbs,
        access,
        need: Need::Optional,
        reason,
    }
}

const PODS: &[Rule] = &[
    for_pods(
        "",
        &["configmaps", "pods"],
        &["create", "delete"],
        Access::Change,
        "preflight: probe pods, which look from the nodes; Unknown without it",
    ),
    for_pods("", &["pods"], &["watch"], Access::Change, "preflight: the reports of probe pods"),
    for_pods(
        "",
        &["services"],
        &["list"],
        Access::Read,
        "preflight: labels of probe pods that no Service selects",
    ),
    for_pods(
        "policy",
        &["poddisruptionbudgets"],
        &["list"],
        Access::Read,
        "preflight: labels of probe pods that no budget counts",
    ),
    for_pods(
        "networking.k8s.io",
        &["networkpolicies"],
        &["list"],
        Access::Read,
        "preflight: labels by which network policies select the component",
    ),
    for_pods(
        "cilium.io",
        &["ciliumnetworkpolicies"],
        &["list"],
        Access::Read,
        "preflight: labels by which Cilium's policies select the component",
    ),
    for_pods(
        "vpcresources.k8s.aws",
        &["securitygrouppolicies"],
        &["list"],
        Access::Read,
        "preflight: labels by which security groups for pods select the component",
    ),
];

/// What names the subnets of nodes and pods.
const fn for_endpoints(
    api_group: &'static str,
    resources: &'static [&'static str],
    reason: &'static str,
) -> Rule {
    Rule {
        scope: Scope::Cluster,
        api_group,
        resources,
        resource_names: &[],
        verbs: &["list"],
        access: Access::Read,
        need: Need::Optional,
        reason,
    }
}

const ENDPOINTS: &[Rule] = &[
    for_endpoints("karpenter.k8s.aws", &["ec2nodeclasses"], "endpoints: subnets of Karpenter's node classes"),
    for_endpoints(
        "eks.amazonaws.com",
        &["nodeclasses"],
        "endpoints: subnets of EKS Auto Mode's node classes",
    ),
    for_endpoints(
        "crd.k8s.amazonaws.com",
        &["eniconfigs"],
        "endpoints: subnets of pods with custom networking",
    ),
];

/// The Kubernetes permissions in the order of use; with `read_only` without those for changes.
pub fn rules(read_only: bool, knowledge: &Knowledge) -> Vec<KubernetesRule> {
    let all = WORKLOADS.iter().map(KubernetesRule::from).chain(custom_resources(knowledge));
    let all = all.chain(OWNERS_AND_CHANGES.iter().chain(PODS).chain(ENDPOINTS).map(KubernetesRule::from));
    all.filter(|rule| !read_only || rule.access == Access::Read).collect()
}

/// The resources of a rule, as in `kubectl auth can-i`: `deployments.apps`, `configmaps/aws-auth`.
pub fn resources(rule: &KubernetesRule) -> String {
    let named = rule.resources.iter().map(|resource| match (rule.api_group.as_str(), rule.resource_names) {
        ("", []) => resource.clone(),
        ("", names) => format!("{resource}/{}", names.join("+")),
        (group, _) => format!("{resource}.{group}"),
    });
    named.collect::<Vec<_>>().join(",")
}
