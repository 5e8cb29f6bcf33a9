//! CPL201: an endpoint service covers the configured host.

use crate::castai::endpoints;
use crate::preflight::check::{Category, Check, Judge, Requires, Severity, Source};
use crate::preflight::judgement::{Judgement, Remedy};
use crate::preflight::target::{Kind, Target};

pub static CHECK: Check = Check {
    code: "CPL201",
    title: "an endpoint service covers the configured host",
    category: Category::Endpoints,
    severity: Severity::Warning,
    requires: &[Requires::AnyComponent("CPL103")],
    source: Source::KubernetesApi,
    permissions: &[],
    explanation: "A host that none of Cast AI's endpoint services stands for is reached through the internet or not at all.",
    remediation: "configure the component with a host that an endpoint service covers",
    judge: Judge::Target { applies: Target::is_configured, judge },
};

fn judge(target: &Target) -> Judgement {
    let judgement = match &target.kind {
        Kind::CastAi { service: Some(service), .. } => Judgement::pass(format!("service {}", service.name)),
        Kind::CastAi { service: None, installation, .. } => {
            let hosts: Vec<_> =
                endpoints::services().iter().filter_map(|service| service.host(*installation)).collect();
            Judgement::fail("no endpoint service of Cast AI is known for this host").remedy(Remedy::text(
                format!(
                    "configure the component with one of {}; or provide a private way to this host yourself",
                    hosts.join(", ")
                ),
            ))
        }
        Kind::Aws { service } => Judgement::pass(format!("service {service}")),
    };
    judgement.expected("a host that an endpoint service covers")
}
