//! CPL330: the host of AWS presents a trusted certificate for its name.

use probe::Layer;

use super::endpoint_tls;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL330",
    title: "the host of AWS presents a trusted certificate for its name",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL320")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "A certificate of another issuer means that a proxy inspects the traffic; containerd \
                  rejects it.",
    remediation: "exempt the host from TLS inspection",
    judge: Judge::Network {
        layer: Layer::Tls,
        step: Step::Tls,
        applies: Target::is_aws,
        judge: endpoint_tls::judge,
    },
};
