//! Workloads that needed no change and of which no pod runs: an image that no pod has pulled is not proven.

use super::verdict::{describe, waits_for};
use super::{Outcome, WorkloadReport, is_outside};
use crate::cluster::Connection;
use crate::cluster::pods::{self, ProblemKind};
use crate::cluster::rollout::{observe, refused_since, without_pods};
use crate::model::knowledge::Knowledge;
use crate::model::workload::Workload;
use crate::sync::discover::snapshot::ClusterSnapshot;

/// Judges the unchanged ones of `reports` that had no ready pod when `snapshot` was read. Other workloads cost no
/// request.
pub(in crate::sync) async fn judge(
    mut reports: Vec<WorkloadReport>,
    snapshot: &ClusterSnapshot,
    knowledge: &Knowledge,
) -> Vec<WorkloadReport> {
    let unchanged =
        reports.iter_mut().filter(|report| report.outcome == Outcome::Unchanged && !report.not_ready);
    // The state of a tenant's workload is the tenant's business.
    for report in unchanged.filter(|report| !is_outside(&report.workload, knowledge)) {
        let workload = snapshot.workloads.iter().find(|workload| workload.name == report.workload);
        if workload.is_some_and(Workload::wants_no_pod) {
            report.not_pulled = Some(without_pods(report.workload.kind).to_owned());
        } else if workload.is_some_and(Workload::has_no_ready_pod) {
            judge_one(&snapshot.environment.connection, report).await;
        }
    }
    reports
}

/// A workload that cannot be read any more is left to the next run.
async fn judge_one(connection: &Connection, report: &mut WorkloadReport) {
    let Ok(mut now) = observe(connection, &report.workload).await else { return };
    let Some(listed) = &now.pods else { return };
    let all: Vec<_> = listed.new.iter().chain(&listed.old).filter(|pod| !pods::has_ended(pod)).collect();
    if now.desired == 0 || all.iter().any(|pod| pods::is_ready(pod)) {
        return;
    }
    let is_coming = all.iter().any(|pod| pods::started(pod) || pods::problems(pod).is_empty());
    let problems: Vec<_> = all.iter().flat_map(|pod| pods::problems(pod)).collect();
    if is_coming {
        (report.not_ready, report.problems) = (true, problems);
        return;
    }
    if now.refusal.is_none() && now.may_be_refused(report.workload.kind) {
        now.refusal = refused_since(connection, &report.workload, now.changed).await.unwrap_or_default();
    }
    let why = match problems.iter().find(|problem| problem.kind != ProblemKind::Unschedulable) {
        Some(problem) => describe(problem),
        None => waits_for(&now, &problems),
    };
    report.outcome = Outcome::Failed(format!("none of its pods runs: {why}"));
}
