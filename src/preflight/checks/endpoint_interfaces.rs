//! CPL212: the host's addresses are those of its endpoint.

use std::collections::BTreeSet;
use std::net::IpAddr;

use probe::Fact;
use serde_json::json;

use super::endpoint_resolves::list;
use crate::endpoints::facts::Endpoint;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::facts::ProbedTarget;
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::vpc::ServiceView;

pub static CHECK: Check = Check {
    code: "CPL212",
    title: "the host's addresses are those of its endpoint",
    category: Category::Endpoints,
    severity: Severity::Warning,
    requires: &[Requires::Same("CPL211")],
    explains: &[Symptom::NoResponse, Symptom::Refused, Symptom::OtherServer, Symptom::Untrusted],
    source: FactSource::VantagePoint,
    permissions: &["ec2:DescribeNetworkInterfaces"],
    explanation: "A private address that is not one of the endpoint's comes from another DNS record, such as one of a \
                  deleted endpoint: it may lead elsewhere, or stop working.",
    remediation: "remove the DNS record that answers in place of the endpoint's private DNS",
    judge: Judge::Interfaces(judge),
};

fn judge(probed: &ProbedTarget<'_>, service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let Fact::Gathered { .. } = &probed.facts.dns else {
        return Judgement::unknown("the host was not resolved");
    };
    let known = match &service.vpc.interfaces {
        Ok(interfaces) => interfaces,
        Err(why) => {
            let fix = Fix::text("allow ec2:DescribeNetworkInterfaces");
            return Judgement::unknown(format!("could not read the network interfaces: {why}")).fix(fix);
        }
    };
    let own: BTreeSet<IpAddr> =
        endpoint.interfaces.iter().filter_map(|id| known.get(id)).flatten().copied().collect();
    let own: Vec<_> = own.into_iter().collect();
    let seen = &probed.facts.scope.private;
    let others: Vec<_> = seen.iter().copied().filter(|address| !own.contains(address)).collect();
    let judgement = if others.is_empty() {
        Judgement::pass(list(seen))
    } else {
        Judgement::fail(format!(
            "{} of {} are not those of {}",
            list(&others),
            probed.target.endpoint,
            endpoint.id
        ))
    };
    judgement
        .expected(list(&own))
        .evidence(json!({ "endpoint": endpoint.id, "addresses": own, "seen": seen }))
}
