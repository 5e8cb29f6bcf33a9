//! Finds unfinished rollouts of earlier runs: an interrupted run must not be reported as a success.

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use k8s_openapi::api::core::v1::Pod;

use super::report::{Outcome, WorkloadReport};
use super::verdict::{self, Health, Verdict};
use super::{CONCURRENCY, DryRunPassed, Run, Watched, settled};
use crate::cluster::pods::{self, ProblemKind};
use crate::cluster::rollout::{Observation, Pods, RefusedBy, observe};
use crate::cluster::{ErrorKind, PatchMode};
use crate::event::Event;
use crate::model::cluster_plan::Change;
use crate::model::image_field::{Variables, locate_image_fields};
use crate::model::inventory::WorkloadKind;
use crate::model::record::Records;
use crate::model::workload::Workload;
use crate::sync::rewrite_workload::{Rewrite, WorkloadPatch};

/// A rollout of ours that is not complete.
pub(super) struct Unfinished<'a> {
    workload: &'a Workload,
    changes: Vec<Change>,
    was_healthy: bool,
    seen: Observation,
}

/// Whether an incomplete rollout may be caused by images: an unschedulable pod or a lost node is not.
fn is_about_images(seen: &Observation) -> bool {
    let is_stuck = |pod: &Pod| {
        let problems = pods::problems(pod);
        let is_coming = problems.is_empty() && !pods::started(pod);
        is_coming || problems.iter().any(|problem| problem.kind != ProblemKind::Unschedulable)
    };
    let is_judged = seen.refusal.as_ref().is_some_and(|refusal| refusal.by == RefusedBy::Policy);
    is_judged || seen.pods.iter().any(|pods| pods.new.iter().chain(&pods.old).any(is_stuck))
}

impl Run<'_> {
    /// Whether a workload that needs no patch may have a rollout of ours that was not watched to its end.
    pub(super) fn may_be_unfinished(&self, workload: &Workload) -> bool {
        use WorkloadKind::{DaemonSet, Deployment, Pod, StatefulSet};
        self.options.mode == PatchMode::Apply
            && self.options.wait
            && matches!(workload.name.kind, Deployment | DaemonSet | StatefulSet | Pod)
            && !recorded(workload, &self.connection.image_variables).is_empty()
    }

    /// Reads each workload once, and returns those without a rollout to watch and incomplete rollouts, of workloads
    /// that were healthy before our change and of others. The earlier health is only known if an old pod still runs;
    /// without one, the workload is treated as broken before.
    pub(super) async fn find_unfinished<'a>(
        &self,
        workloads: &[&'a Workload],
    ) -> (Vec<WorkloadReport>, Vec<Unfinished<'a>>, Vec<Unfinished<'a>>) {
        let results: Vec<_> = stream::iter(workloads.iter().copied())
            .map(|workload| self.read_rollout(workload))
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let (mut settled, mut was_healthy, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(report) => settled.push(report),
                Err(unfinished) if unfinished.was_healthy => was_healthy.push(unfinished),
                Err(unfinished) => broken.push(unfinished),
            }
        }
        (settled, was_healthy, broken)
    }

    pub(super) async fn watch_all(&self, unfinished: Vec<Unfinished<'_>>) -> Vec<WorkloadReport> {
        join_all(unfinished.into_iter().map(|unfinished| self.watch_to_its_end(unfinished))).await
    }

    async fn read_rollout<'a>(&self, workload: &'a Workload) -> Result<WorkloadReport, Unfinished<'a>> {
        let mut report = settled(&workload.name, Rewrite::Unchanged);
        match observe(self.connection, &workload.name).await {
            Ok(seen) if verdict::health(&seen) == Health::Broken => {
                let variables = &self.connection.image_variables;
                let changes = recorded(workload, variables);
                let was_healthy = was_healthy(&seen, &changes, variables);
                if was_healthy || is_about_images(&seen) {
                    return Err(Unfinished { workload, changes, was_healthy, seen });
                }
            }
            Ok(seen) => {
                if let [problem, ..] = verdict::renamed(&seen) {
                    report.outcome = Outcome::Failed(verdict::describe(problem));
                    report.problems = verdict::renamed(&seen).to_vec();
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => {
                report.notes.push(format!("cannot read its rollout: {error}"));
            }
            Err(error) => report.outcome = Outcome::Failed(error.to_string()),
        }
        Ok(report)
    }

    async fn watch_to_its_end(&self, unfinished: Unfinished<'_>) -> WorkloadReport {
        let Unfinished { workload, changes, was_healthy, seen } = unfinished;
        let name = &workload.name;
        let mut report = settled(name, Rewrite::Unchanged);
        (self.observer)(Event::RolloutStarted { workload: name.clone(), is_resumed: true });
        // All running pods count as new, next to an empty pod before the change.
        let nothing = Pods { new: vec![Pod::default()], ..Pods::default() };
        let before = Observation { pods: Some(nothing), ..seen };
        if was_healthy {
            let proven = DryRunPassed(WorkloadPatch::from_earlier_run(name.clone(), changes));
            let mut report = self.finish(Watched { proven, health: Health::Healthy, before }).await;
            if report.outcome == Outcome::Updated {
                (report.outcome, report.changes) = (Outcome::Unchanged, Vec::new());
            }
            return report;
        }
        match self.wait(name, &changes, &Health::Broken, &before).await {
            Verdict::Done { message, problems, notes, is_ready } => {
                self.finished(name, &message);
                report.problems = problems;
                report.notes = notes;
                report.not_ready = !is_ready;
            }
            Verdict::Unwatched(why) => {
                self.finished(name, &why);
                report.not_pulled = Some(why);
            }
            Verdict::Failed { why, problems, .. } => {
                self.finished(name, "rollout failed");
                report.problems = problems;
                report.outcome = Outcome::RolloutFailed(why);
            }
            Verdict::Started { message, .. } | Verdict::Waiting(message) | Verdict::Blocked(message) => {
                report.outcome = Outcome::RolloutFailed(message);
            }
        }
        report
    }
}

/// Whether a pod is ready with exactly the images that our changes replaced: then the workload was healthy before.
fn was_healthy(seen: &Observation, changes: &[Change], variables: &Variables) -> bool {
    let runs_former = |pod: &Pod| {
        let fields = locate_image_fields(&pod.into(), variables);
        changes.iter().all(|change| {
            let field = fields.iter().find(|field| field.image_field == change.image_field);
            field.map(|field| &field.value) == change.from.as_ref()
        })
    };
    let mut old = seen.pods.iter().flat_map(|pods| &pods.old);
    !changes.is_empty() && old.any(|pod| pods::is_ready(pod) && runs_former(pod))
}

/// The changes of earlier runs that are still in place, according to our record.
fn recorded(workload: &Workload, variables: &Variables) -> Vec<Change> {
    let records = Records::read(&workload.annotations);
    let current = locate_image_fields(&workload.pod, variables).into_iter().filter_map(|field| {
        let record = records.current(&field.image_field, &field.value)?;
        Some(Change { image_field: field.image_field, from: record.from, to: Some(record.to) })
    });
    current.collect()
}
