//! CPL310: the ECR host resolves.

use probe::Layer;

use super::endpoint_resolves;
use crate::preflight::check::{Category, Check, FactSource, Judge, Severity, Step};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL310",
    title: "the ECR host resolves",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Nodes pull images by this name.",
    remediation: "create the ECR endpoint with private DNS enabled",
    judge: Judge::Network {
        layer: Layer::Dns,
        step: Step::Dns,
        applies: Target::is_ecr,
        judge: endpoint_resolves::judge,
    },
};
