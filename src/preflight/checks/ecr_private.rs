//! CPL311: the host of AWS resolves to private addresses only.

use probe::Layer;

use super::endpoint_private;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL311",
    title: "the host of AWS resolves to private addresses only",
    category: Category::Ecr,
    severity: Severity::Warning,
    requires: &[Requires::Same("CPL310")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "A public address works only if nodes reach the internet.",
    remediation: "create the endpoint of the service with private DNS enabled",
    judge: Judge::Network {
        layer: Layer::Dns,
        step: Step::Private,
        applies: Target::has_private_addresses,
        judge: endpoint_private::judge,
    },
};
