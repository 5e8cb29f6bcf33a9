//! CPL101: the cluster's workloads can be read.

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Severity};
use crate::preflight::facts::{ClusterFacts, Unread};
use crate::preflight::fixes;
use crate::preflight::judgement::{Fix, Judgement};

pub static CHECK: Check = Check {
    code: "CPL101",
    title: "the cluster's workloads can be read",
    category: Category::Cluster,
    severity: Severity::Error,
    requires: &[],
    explains: &[],
    source: FactSource::KubernetesApi,
    permissions: &["list deployments, daemonsets, statefulsets, cronjobs, jobs, pods"],
    explanation: "The plugin reads Cast AI's components and their configured endpoints from the cluster.",
    remediation: "check the kubeconfig context, and that this machine reaches the API server",
    judge: Judge::Cluster(judge),
};

/// An unreadable cluster is unknown, not failed; the exit code of the command shows the problem.
fn judge(cluster: &ClusterFacts) -> Judgement {
    let (mut forbidden, mut malformed) = (Vec::new(), Vec::new());
    for unread in &cluster.unread {
        match unread {
            Unread::Forbidden(why) => forbidden.push(why.as_str()),
            Unread::Malformed(why) => malformed.push(why.as_str()),
            Unread::Failed(what, hint) => {
                let judgement = Judgement::unknown(what.clone());
                return match hint {
                    Some(hint) => judgement.fix(Fix::text(hint.clone())),
                    None => judgement,
                };
            }
        }
    }
    if let (true, Some(why)) = (forbidden.is_empty(), malformed.first()) {
        return Judgement::unknown(*why).fix(Fix::text("fix or delete the object"));
    }
    if forbidden.is_empty() {
        return Judgement::pass(format!("{} workloads", cluster.workloads));
    }
    Judgement::unknown(forbidden.join("; ")).evidence(json!({ "unread": forbidden })).fix(fixes::grant())
}
