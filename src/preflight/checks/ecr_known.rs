//! CPL301: the cluster's ECR registry is known.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL301",
    title: "the cluster's ECR registry is known",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[],
    place: Place::KubernetesApi,
    permissions: &[],
    explanation: "Nodes pull Cast AI's images from the account's registry in the cluster's region.",
    remedy: "give the registry with --registry",
};
