//! CPL320: the host of AWS accepts TCP connections.

use probe::Layer;

use super::endpoint_tcp;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity, Step};
use crate::preflight::target::Target;

pub static CHECK: Check = Check {
    code: "CPL320",
    title: "the host of AWS accepts TCP connections",
    category: Category::Ecr,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL310")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Nodes pull images, and Cast AI's agent identifies its cluster, over such connections.",
    remediation: "allow port 443 from the nodes' security groups in the endpoint's security group",
    judge: Judge::Network {
        layer: Layer::Tcp,
        step: Step::Tcp,
        applies: Target::is_aws,
        judge: endpoint_tcp::judge,
    },
};
