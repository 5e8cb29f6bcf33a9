//! CPL201: an endpoint service covers the configured host.

use crate::castai::endpoints;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::target::{Target, TargetKind};

pub static CHECK: Check = Check {
    code: "CPL201",
    title: "an endpoint service covers the configured host",
    category: Category::Endpoints,
    severity: Severity::Warning,
    requires: &[Requires::AnyComponent("CPL103")],
    explains: &[],
    source: FactSource::KubernetesApi,
    permissions: &[],
    explanation: "A host without an endpoint service can be reached only through the internet.",
    remediation: "configure the component with a host that an endpoint service covers",
    judge: Judge::Target { applies: Target::is_configured, judge },
};

fn judge(target: &Target) -> Judgement {
    let judgement = match &target.kind {
        TargetKind::CastAi { service: Some(service), .. } => {
            Judgement::pass(format!("service {}", service.name))
        }
        TargetKind::CastAi { service: None, installation, .. } => {
            let hosts: Vec<_> =
                endpoints::services().iter().filter_map(|service| service.host(*installation)).collect();
            Judgement::fail("no known Cast AI endpoint service for this host").fix(Fix::text(format!(
                "configure the component with one of {}; or set up a private connection to this host",
                hosts.join(", ")
            )))
        }
        TargetKind::Aws { service } => Judgement::pass(format!("service {service}")),
    };
    judgement.expected("a host that an endpoint service covers")
}
