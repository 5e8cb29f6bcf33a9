//! CPL101: the cluster's workloads can be read.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL101",
    title: "the cluster's workloads can be read",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[],
    place: Place::KubernetesApi,
    permissions: &["list deployments, daemonsets, statefulsets, cronjobs, jobs, pods"],
    explanation: "The components of Cast AI and the endpoints that they are configured with are read from the cluster.",
    remedy: "check the kubeconfig's context and that this machine reaches the API server",
};
