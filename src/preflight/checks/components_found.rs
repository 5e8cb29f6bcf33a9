//! CPL102: Cast AI components are in the cluster.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL102",
    title: "Cast AI components are in the cluster",
    category: Category::Cluster,
    severity: Severity::Warning,
    requires: &["CPL101"],
    place: Place::KubernetesApi,
    permissions: &[],
    explanation: "Without components, only the endpoint services of the region are checked, all as if they were needed.",
    remedy: "install Cast AI, or check that this is the right cluster (--context) and that no -n hides it",
};
