//! CPL330: the ECR host shows a trusted certificate for its name.

use crate::preflight::check::{Category, Check, Place, Severity};

pub static CHECK: Check = Check {
    code: "CPL330",
    title: "the ECR host shows a trusted certificate for its name",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &["CPL320"],
    place: Place::Here,
    permissions: &[],
    explanation: "A certificate of another issuer means that something in between reads along; containerd refuses it.",
    remedy: "exempt the host from TLS inspection",
};
