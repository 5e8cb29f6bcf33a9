//! CPL110: this machine is inside the cluster's VPC.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL110",
    title: "this machine is inside the cluster's VPC",
    category: Category::Cluster,
    severity: Severity::Warning,
    requires: &[],
    place: Place::Here,
    permissions: &[],
    explanation: "Names resolve to endpoints only inside the VPC. What a machine outside sees says nothing about the cluster, so that there network checks are Unknown.",
    remedy: "run from a machine in the VPC",
};
