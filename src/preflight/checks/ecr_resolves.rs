//! CPL310: the host of AWS resolves.

use probe::Layer;

use super::endpoint_resolves;
use crate::preflight::check::{Category, Check, FactSource, Judge, Severity, Step};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL310",
    title: "the host of AWS resolves",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Nodes get manifests from ECR and layers from its bucket in S3; Cast AI's agent needs STS and EC2.",
    remediation: "create the endpoint of the service with private DNS enabled",
    judge: Judge::Network {
        layer: Layer::Dns,
        step: Step::Dns,
        applies: Target::is_aws,
        judge: endpoint_resolves::judge,
    },
};
