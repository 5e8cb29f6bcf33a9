//! CPL105: Cast AI offers endpoint services in the region.

use crate::castai::endpoints;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::facts::RegionFacts;
use crate::preflight::judgement::{Fix, Judgement};

pub static CHECK: Check = Check {
    code: "CPL105",
    title: "Cast AI offers endpoint services in the region",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL104")],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "An interface endpoint connects to a service in its own region. The built-in table may be \
                  older than Cast AI's offer. The host name of the service `files` is not published: it is \
                  checked if EC2 describes the service to this account.",
    remediation: "ask Cast AI for the endpoint services of this region",
    judge: Judge::Region(judge),
};

fn judge(region: &RegionFacts) -> Judgement {
    let Some(region) = region.name.as_deref() else {
        return Judgement::unknown("unknown region");
    };
    let known: Vec<_> = endpoints::regions().collect();
    let services =
        endpoints::services().iter().filter(|service| service.service_name(region).is_some()).count();
    let judgement = if services > 0 {
        Judgement::pass(format!("{services} services"))
    } else {
        let why = format!("no known endpoint service in {region}, only in {}", known.join(", "));
        Judgement::unknown(why).fix(Fix::text(
            "ask Cast AI for the endpoint services of this region; the configured hosts are checked anyway",
        ))
    };
    judgement.expected(known.join(", "))
}
