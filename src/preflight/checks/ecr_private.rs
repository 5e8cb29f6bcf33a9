//! CPL311: the ECR host resolves to private addresses only.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL311",
    title: "the ECR host resolves to private addresses only",
    category: Category::Ecr,
    severity: Severity::Warning,
    requires: &["CPL310"],
    place: Place::Here,
    permissions: &[],
    explanation: "A public address works only where nodes have a way out of the VPC.",
    remedy: "create the ECR endpoint with private DNS",
};
