//! CPL104: the cluster's region is known.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL104",
    title: "the cluster's region is known",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[],
    place: Place::KubernetesApi,
    permissions: &["list nodes"],
    explanation: "Endpoint services differ by region.",
    remedy: "give the region with --region",
};
