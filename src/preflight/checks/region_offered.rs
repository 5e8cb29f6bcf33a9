//! CPL105: Cast AI offers endpoint services in the region.

use crate::castai::endpoints;
use crate::preflight::check::{Category, Check, Judge, Requires, Severity, Source};
use crate::preflight::judgement::{Judgement, Remedy};

pub static CHECK: Check = Check {
    code: "CPL105",
    title: "Cast AI offers endpoint services in the region",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL104")],
    source: Source::VantagePoint,
    permissions: &[],
    explanation: "Interface endpoints are made for a service of their own region. The built-in table may lag behind Cast AI.",
    remediation: "ask Cast AI for the endpoint services of this region",
    judge: Judge::Region(judge),
};

fn judge(region: Option<&str>) -> Judgement {
    let Some(region) = region else {
        return Judgement::unknown("the region is not known");
    };
    let known: Vec<_> = endpoints::regions().collect();
    let services =
        endpoints::services().iter().filter(|service| service.service_name(region).is_some()).count();
    let judgement = if services > 0 {
        Judgement::pass(format!("{services} services"))
    } else {
        let why = format!("no endpoint service is known for {region}, only for {}", known.join(", "));
        Judgement::unknown(why).remedy(Remedy::text(
            "ask Cast AI for the endpoint services of this region; the hosts that components are configured with are checked anyway",
        ))
    };
    judgement.expected(known.join(", "))
}
