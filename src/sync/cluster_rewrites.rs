//! The stages that change clusters: what is to be done with the workloads of each, shown and carried out.

use crate::cluster::pods::{PodProblem, ProblemKind};
use crate::error::CommandError;
use crate::event::Observer;
use crate::model::cluster_plan::ClusterPlan;
use crate::model::inventory::Place;
use crate::model::lock::Lock;
use crate::sync::destinations::Destinations;
use crate::sync::discover::ImageFilter;
use crate::sync::discover::owners::top_controller;
use crate::sync::discover::snapshot::{ClusterSnapshot, Unread};
use crate::sync::rewrite_workload::Rewriter;
use crate::sync::rollout::changes::Changes;
use crate::sync::rollout::missing_pods;
use crate::sync::rollout::{Outcome, WorkloadReport};
use crate::sync::settings::{DryRun, Settings};

/// What decides on patches, whatever a lock says.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    pub destinations: &'r Destinations<'r>,
    pub filter: &'r ImageFilter,
    pub settings: &'r Settings,
}

impl<'r> Rules<'r> {
    /// `lock` has the destinations of `self`, in the same order.
    fn rewriter(self, destination: usize, lock: &'r Lock) -> Rewriter<'r> {
        Rewriter {
            destination: &lock.destinations[destination],
            filter: self.filter,
            skipped_images: self.destinations.skipped_images(destination),
        }
    }
}

/// The clusters to rewrite.
pub(super) struct ClusterRewrites<'r> {
    rules: Rules<'r>,
    expected: &'r Lock,
    clusters: Vec<ClusterRewrite>,
}

/// A cluster with what was decided by the lock that is expected.
struct ClusterRewrite {
    snapshot: ClusterSnapshot,
    /// Index of the destination whose names its workloads get.
    destination: usize,
    changes: Changes,
}

impl<'r> ClusterRewrites<'r> {
    pub(super) fn decide(clusters: Vec<ClusterSnapshot>, rules: Rules<'r>, expected: &'r Lock) -> Self {
        let region = rules.settings.mirror.region.as_deref();
        let decide = |snapshot: ClusterSnapshot| {
            let destination = rules.destinations.of_cluster(&snapshot.environment.cluster(region));
            let rewriter = rules.rewriter(destination, expected);
            let changes = Changes::decide(&snapshot, rewriter, rules.settings);
            ClusterRewrite { snapshot, destination, changes }
        };
        Self { rules, expected, clusters: clusters.into_iter().map(decide).collect() }
    }

    /// The part of the plan that changes clusters.
    pub(super) fn plans(&self) -> Vec<ClusterPlan> {
        let plan = |cluster: &ClusterRewrite| {
            let mirror = &self.expected.destinations[cluster.destination].mirror;
            cluster.changes.plan(&cluster.snapshot, mirror, &self.rules.filter.knowledge)
        };
        self.clusters.iter().map(plan).collect()
    }

    /// How many workloads would be patched.
    pub(super) fn patches(&self) -> usize {
        self.clusters.iter().map(|cluster| cluster.changes.patches()).sum()
    }

    /// What rewriting would do, without asking the servers.
    pub(super) fn preview(&self) -> Vec<WorkloadReport> {
        let preview = |cluster: &ClusterRewrite| {
            with_waiting_pods(cluster.changes.preview(&cluster.snapshot), &cluster.snapshot)
        };
        self.clusters.iter().flat_map(preview).collect()
    }

    /// What rewriting would do: by the servers' own dry run, or by us alone.
    pub(super) async fn dry_run(self, dry_run: DryRun, observer: Observer<'_>) -> Vec<WorkloadReport> {
        let mut reports = Vec::new();
        for ClusterRewrite { snapshot, destination, changes } in self.clusters {
            let rewriter = self.rules.rewriter(destination, self.expected);
            let dry_run = changes.dry_run(&snapshot, rewriter, self.rules.settings, dry_run, observer);
            reports.extend(with_waiting_pods(Box::pin(dry_run).await, &snapshot));
        }
        reports
    }

    /// Reads the workloads again, as [`ClusterSnapshot::read_workloads_again`].
    ///
    /// # Errors
    /// A cluster cannot be read any more.
    pub(super) async fn read_workloads_again(&mut self) -> Result<Unread, CommandError> {
        let mut all = Unread::default();
        for cluster in &mut self.clusters {
            let unread = cluster.snapshot.read_workloads_again(&self.rules.settings.scope).await?;
            all.notes.extend(unread.notes);
            all.unlisted.extend(unread.unlisted);
        }
        Ok(all)
    }

    /// Rewrites what `lock` proves, and waits for the rollouts.
    pub(super) async fn roll_out(self, lock: &Lock, observer: Observer<'_>) -> Vec<WorkloadReport> {
        let settings = self.rules.settings;
        let mut reports = Vec::new();
        for ClusterRewrite { snapshot, destination, changes } in self.clusters {
            let expected = self.rules.rewriter(destination, self.expected);
            let rewriter = self.rules.rewriter(destination, lock);
            let changes = changes.revise(&snapshot, expected, rewriter, settings);
            let mut rolled_out = changes.roll_out(&snapshot, rewriter, settings, observer).await;
            if settings.rollout.wait {
                rolled_out = missing_pods::judge(rolled_out, &snapshot, settings.rollout).await;
            }
            reports.extend(with_waiting_pods(rolled_out, &snapshot));
        }
        reports
    }
}

/// Adds what pods wait for to the reports of workloads that cannot be changed, such as a Job that has not ended.
fn with_waiting_pods(mut reports: Vec<WorkloadReport>, snapshot: &ClusterSnapshot) -> Vec<WorkloadReport> {
    let unchanged = reports.iter_mut().filter(|report| matches!(report.outcome, Outcome::NotRewritable(_)));
    for report in unchanged {
        let place = Place::Workload(report.workload.clone());
        let pods = snapshot.pods.iter().filter(|pod| top_controller(pod, &snapshot.workloads) == place);
        for (pod, waiting) in pods.flat_map(|pod| pod.images.iter().map(move |waiting| (pod, waiting))) {
            report.problems.push(PodProblem {
                pod: pod.name.name.clone(),
                container: waiting.image_field.container().map(ToOwned::to_owned),
                kind: ProblemKind::Image,
                reason: waiting.reason.clone(),
                message: format!("{} {}", waiting.image, waiting.message).trim_end().to_owned(),
                log: Vec::new(),
            });
        }
    }
    reports
}
