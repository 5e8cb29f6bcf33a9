//! The half that changes clusters: what is to be done with the workloads of each, shown and carried out.

use crate::error::CommandError;
use crate::event::Observer;
use crate::model::cluster_plan::ClusterPlan;
use crate::model::lock::Lock;
use crate::sync::discover::ImageFilter;
use crate::sync::discover::snapshot::{ClusterSnapshot, Unread};
use crate::sync::mirroring::Mirroring;
use crate::sync::rewrite::Rewriter;
use crate::sync::rollout::WorkloadReport;
use crate::sync::rollout::changes::Changes;
use crate::sync::settings::{DryRun, Settings};

/// What decides on patches, whatever a lock says.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    pub mirroring: &'r Mirroring<'r>,
    pub filter: &'r ImageFilter,
    pub settings: &'r Settings,
}

impl<'r> Rules<'r> {
    fn rewriter(self, cluster: &ClusterSnapshot, lock: &'r Lock) -> Option<Rewriter<'r>> {
        let region = self.settings.mirror.region.as_deref();
        self.mirroring.rewriter(&cluster.environment.cluster(region), lock, self.filter)
    }
}

/// The clusters to rewrite, each with what was decided by the lock that is expected.
pub(super) struct Rewriting<'r> {
    rules: Rules<'r>,
    expected: &'r Lock,
    clusters: Vec<(ClusterSnapshot, Changes)>,
}

impl<'r> Rewriting<'r> {
    pub(super) fn decide(clusters: Vec<ClusterSnapshot>, rules: Rules<'r>, expected: &'r Lock) -> Self {
        let decide = |cluster: ClusterSnapshot| {
            let rewriter = rules.rewriter(&cluster, expected)?;
            let changes = Changes::decide(&cluster, rewriter, rules.settings);
            Some((cluster, changes))
        };
        Self { rules, expected, clusters: clusters.into_iter().filter_map(decide).collect() }
    }

    /// The half of the plan that changes clusters.
    pub(super) fn plans(&self) -> Vec<ClusterPlan> {
        let plan = |(cluster, changes): &(ClusterSnapshot, Changes)| {
            let mirror = &self.rules.rewriter(cluster, self.expected)?.destination.mirror;
            Some(changes.plan(cluster, mirror, &self.rules.filter.knowledge))
        };
        self.clusters.iter().filter_map(plan).collect()
    }

    /// How many workloads would be patched.
    pub(super) fn patches(&self) -> usize {
        self.clusters.iter().map(|(_, changes)| changes.patches()).sum()
    }

    /// What rewriting would do, without asking the servers.
    pub(super) fn preview(&self) -> Vec<WorkloadReport> {
        self.clusters.iter().flat_map(|(cluster, changes)| changes.preview(cluster)).collect()
    }

    /// What rewriting would do: by the servers' own dry run, or by us alone.
    pub(super) async fn dry_run(self, dry_run: DryRun, observer: Observer<'_>) -> Vec<WorkloadReport> {
        let mut reports = Vec::new();
        for (cluster, changes) in self.clusters {
            let Some(rewriter) = self.rules.rewriter(&cluster, self.expected) else { continue };
            let dry_run = changes.dry_run(&cluster, rewriter, self.rules.settings, dry_run, observer);
            reports.extend(Box::pin(dry_run).await);
        }
        reports
    }

    /// Reads the workloads again, as [`ClusterSnapshot::read_workloads_again`].
    ///
    /// # Errors
    /// A cluster cannot be read any more.
    pub(super) async fn read_workloads_again(&mut self) -> Result<Unread, CommandError> {
        let mut all = Unread::default();
        for (cluster, _) in &mut self.clusters {
            let unread = cluster.read_workloads_again(&self.rules.settings.scope).await?;
            all.notes.extend(unread.notes);
            all.unlisted.extend(unread.unlisted);
        }
        Ok(all)
    }

    /// Rewrites what `lock` proves, and waits for the rollouts.
    pub(super) async fn roll_out(self, lock: &Lock, observer: Observer<'_>) -> Vec<WorkloadReport> {
        let settings = self.rules.settings;
        let mut reports = Vec::new();
        for (cluster, changes) in self.clusters {
            let rewriter = self.rules.rewriter(&cluster, lock);
            let Some((rewriter, expected)) = rewriter.zip(self.rules.rewriter(&cluster, self.expected))
            else {
                continue;
            };
            let changes = changes.confirm(&cluster, expected, rewriter, settings);
            reports.extend(changes.roll_out(&cluster, rewriter, settings, observer).await);
        }
        reports
    }
}
