//! CPL310: the ECR host resolves.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL310",
    title: "the ECR host resolves",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[],
    place: Place::Here,
    permissions: &[],
    explanation: "Nodes pull images by this name.",
    remedy: "let this VPC's resolver answer for the host: create the ECR endpoint with private DNS",
};
