//! CPL427: network ACLs let clients connect to the endpoint.

use std::collections::BTreeSet;

use crate::endpoints::facts::Endpoint;
use crate::preflight::check::{Category, Check, EndpointKind, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::vpc::ServiceView;
use crate::preflight::vpc::acl;

pub static CHECK: Check = Check {
    code: "CPL427",
    title: "network ACLs let clients connect to the endpoint",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL420")],
    explains: &[Symptom::NoResponse],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeNetworkAcls"],
    explanation: "Network ACLs filter what enters and leaves a subnet, in both directions: connections that they refuse time out.",
    remediation: "allow port 443 to the subnets of the endpoint, and ports 32768 to 60999 back",
    judge: Judge::Endpoint { kind: EndpointKind::Interface, judge },
};

fn judge(service: &ServiceView<'_>, endpoint: &Endpoint) -> Judgement {
    let vpc = service.vpc;
    let acls = match &vpc.acls {
        Ok(acls) => acls,
        Err(why) => {
            let fix = Fix::text("allow ec2:DescribeNetworkAcls");
            return Judgement::unknown(format!("could not read the network ACLs: {why}")).fix(fix);
        }
    };
    let servers: Vec<_> =
        vpc.facts.subnets.iter().filter(|subnet| endpoint.subnets.contains(&subnet.id)).collect();
    let mut refused: BTreeSet<(String, String)> = BTreeSet::new();
    for client in vpc.client_subnets() {
        refused.extend(servers.iter().flat_map(|server| acl::refusals(acls, client, server)));
    }
    if refused.is_empty() {
        let judged: BTreeSet<_> = acls
            .iter()
            .filter(|acl| acl.subnets.iter().any(|id| endpoint.subnets.contains(id)))
            .map(|acl| acl.id.as_str())
            .collect();
        return Judgement::pass(judged.into_iter().collect::<Vec<_>>().join(", "));
    }
    let texts: Vec<_> = refused.iter().map(|(acl, what)| format!("{acl} refuses {what}")).collect();
    Judgement::fail(texts.join("; ")).expected("rules that allow it in both directions")
}
