//! CPL104: the cluster's region is known.

use crate::preflight::check::{Category, Check, FactSource, Judge, Severity};
use crate::preflight::facts::RegionFacts;
use crate::preflight::fixes;
use crate::preflight::judgement::{Fix, Judgement};

pub static CHECK: Check = Check {
    code: "CPL104",
    title: "the cluster's region is known",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[],
    explains: &[],
    source: FactSource::KubernetesApi,
    permissions: &["list nodes"],
    explanation: "Endpoint services differ by region.",
    remediation: "set --region",
    judge: Judge::Region(judge),
};

fn judge(region: &RegionFacts) -> Judgement {
    match (&region.name, &region.forbidden) {
        (Some(region), _) => Judgement::pass(region),
        (None, Some(why)) => {
            Judgement::unknown(format!("no region found in the kubeconfig: {why}")).fix(fixes::grant())
        }
        (None, None) => Judgement::unknown("no region found in the nodes or the kubeconfig")
            .fix(Fix::command("give the region", "kubectl castai-privatelink preflight --region REGION")),
    }
}
