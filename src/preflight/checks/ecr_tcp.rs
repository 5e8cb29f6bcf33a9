//! CPL320: the ECR host accepts TCP connections.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL320",
    title: "the ECR host accepts TCP connections",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &["CPL310"],
    place: Place::Here,
    permissions: &[],
    explanation: "Nodes pull images through it.",
    remedy: "let port 443 in from the nodes' security groups on the endpoint's security group",
};
