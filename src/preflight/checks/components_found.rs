//! CPL102: Cast AI components are in the cluster.

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::facts::ClusterFacts;
use crate::preflight::judgement::Judgement;

pub static CHECK: Check = Check {
    code: "CPL102",
    title: "Cast AI components are in the cluster",
    category: Category::Cluster,
    severity: Severity::Warning,
    requires: &[Requires::Cluster("CPL101")],
    explains: &[],
    source: FactSource::KubernetesApi,
    permissions: &[],
    explanation: "Without components, all endpoint services of the region are checked as if they were \
                  needed.",
    remediation: "install Cast AI, or check --context and -n",
    judge: Judge::Cluster(judge),
};

fn judge(cluster: &ClusterFacts) -> Judgement {
    if cluster.components.is_empty() {
        return Judgement::fail("none");
    }
    let names: Vec<_> = cluster.components.iter().map(|component| component.name.as_str()).collect();
    let workloads: Vec<_> = cluster.components.iter().map(|component| &component.workload).collect();
    Judgement::pass(names.join(", ")).evidence(json!({ "components": workloads }))
}
