//! Workloads that needed no change and whose pods do not run what they should: an image that no pod has pulled is not proven.

use futures::future::join_all;
use tokio::time::Instant;

use super::verdict::{describe, waits_for};
use super::{Outcome, WorkloadReport};
use crate::cluster::pods::{self, PodProblem, ProblemKind};
use crate::cluster::rollout::{Observation, observe, refused_since, unfinished, without_pods};
use crate::cluster::{Connection, ErrorKind};
use crate::model::workload::Workload;
use crate::sync::discover::snapshot::ClusterSnapshot;
use crate::sync::settings::RolloutOptions;

/// Judges the unchanged ones of `reports` that had no ready pod or an unfinished rollout when `snapshot` was read. Other
/// workloads cost no request.
pub(in crate::sync) async fn judge(
    mut reports: Vec<WorkloadReport>,
    snapshot: &ClusterSnapshot,
    options: RolloutOptions,
) -> Vec<WorkloadReport> {
    let connection = &snapshot.environment.connection;
    let unchanged =
        reports.iter_mut().filter(|report| report.outcome == Outcome::Unchanged && !report.not_ready);
    join_all(unchanged.map(async |report| {
        let workload = snapshot.workloads.iter().find(|workload| workload.name == report.workload);
        if workload.is_some_and(Workload::wants_no_pod) {
            report.not_pulled = Some(without_pods(report.workload.kind).to_owned());
        } else if workload.is_some_and(Workload::has_no_ready_pod) {
            judge_one(connection, report).await;
        } else if workload.is_some_and(Workload::may_be_outdated) {
            judge_rollout(connection, report, options).await;
        }
    }))
    .await;
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
    report.outcome = Outcome::Failed(format!("none of its pods runs: {}", why(&now, &problems)));
}

/// Gives a rollout a moment that nothing keeps from going on, or only a pull, which kubelets try again.
async fn judge_rollout(connection: &Connection, report: &mut WorkloadReport, options: RolloutOptions) {
    let deadline = Instant::now() + options.settle_time;
    loop {
        let now = match unfinished(connection, &report.workload).await {
            Ok(Some(now)) => now,
            Ok(None) => return,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => {
                report.outcome = Outcome::RolloutFailed(format!("its rollout cannot be read: {error}"));
                return;
            }
        };
        let problems = now.new_problems();
        let is_pull = |problem: &PodProblem| problem.kind == ProblemKind::Image;
        let is_given_time = now.refusal.is_none() && problems.iter().all(is_pull);
        if !is_given_time || Instant::now() >= deadline {
            report.outcome =
                Outcome::RolloutFailed(format!("its rollout is not finished: {}", why_unfinished(&now)));
            return;
        }
        tokio::time::sleep(options.poll).await;
    }
}

/// Why the rollout is not finished.
pub(in crate::sync) fn why_unfinished(now: &Observation) -> String {
    why(now, &now.new_problems())
}

fn why(now: &Observation, problems: &[PodProblem]) -> String {
    match problems.iter().find(|problem| problem.kind != ProblemKind::Unschedulable) {
        Some(problem) => describe(problem),
        None => waits_for(now, problems),
    }
}
