//! The changes to the workloads of a cluster: decided once, shown, carried out.

use std::collections::BTreeMap;

use super::{Decision, Outcome, WorkloadReport, criticality};
use crate::cluster::PatchMode;
use crate::event::{Event, Observer, Stage};
use crate::model::cluster_plan::{ClusterPlan, WorkloadPlan, WorkloadStep};
use crate::model::image::Mirror;
use crate::model::inventory::WorkloadName;
use crate::model::knowledge::Knowledge;
use crate::model::owner::Owner;
use crate::model::workload::Workload;
use crate::ownership::fields;
use crate::ownership::owners;
use crate::sync::discover::snapshot::ClusterSnapshot;
use crate::sync::rewrite_workload::{HeldBack, Rewrite, Rewriter};
use crate::sync::settings::{DryRun, RolloutOptions, Settings};

/// Decides by the lock, and holds back changes that an owner would revert immediately.
fn decide<'r>(
    cluster: &'r ClusterSnapshot,
    rewriter: Rewriter<'r>,
    settings: &Settings,
) -> impl Fn(&Workload) -> Option<Rewrite> + Sync + use<'r> {
    let force = settings.force;
    move |workload| match rewriter.rewrite(workload)? {
        Rewrite::Patch(patch) if !force && !patch.changes.is_empty() => {
            let owners = owners::owners(workload, &cluster.ownership_context);
            Some(match owners.iter().find(|owner| owner.self_heals) {
                Some(Owner { name, reverts, .. }) => Rewrite::HeldBack(HeldBack::Other(format!(
                    "{name} {reverts}: set the private image where it reads its manifests, or pass --force"
                ))),
                None => Rewrite::Patch(patch),
            })
        }
        other => Some(other),
    }
}

/// The decisions of a run for one cluster.
pub(in crate::sync) struct Changes {
    decisions: Vec<Decision>,
}

impl Changes {
    pub(in crate::sync) fn decide(
        cluster: &ClusterSnapshot,
        rewriter: Rewriter<'_>,
        settings: &Settings,
    ) -> Self {
        let decide = decide(cluster, rewriter, settings);
        Self { decisions: super::decide_all(&cluster.workloads, &decide) }
    }

    /// The same decisions if nothing changed. Workloads that changed since they were read are decided again, and so are
    /// all if not everything in `expected` is verified.
    pub(in crate::sync) fn revise(
        self,
        cluster: &ClusterSnapshot,
        expected: Rewriter<'_>,
        rewriter: Rewriter<'_>,
        settings: &Settings,
    ) -> Self {
        if !rewriter.covers(&expected) {
            return Self::decide(cluster, rewriter, settings);
        }
        let decide = decide(cluster, rewriter, settings);
        let mut before: BTreeMap<WorkloadName, Decision> =
            self.decisions.into_iter().map(|one| (one.workload.name.clone(), one)).collect();
        let decision = |workload: &Workload| match before.remove(&workload.name) {
            Some(decision) if decision.workload == *workload => Some(decision),
            _ => super::decide_one(workload, &decide),
        };
        Self { decisions: cluster.workloads.iter().filter_map(decision).collect() }
    }

    /// The number of workloads that would be patched.
    pub(in crate::sync) fn patches(&self) -> usize {
        let is_patch = |decision: &&Decision| matches!(decision.rewrite, Rewrite::Patch(_));
        self.decisions.iter().filter(is_patch).count()
    }

    /// The part of the plan that changes the cluster.
    pub(in crate::sync) fn plan(
        &self,
        cluster: &ClusterSnapshot,
        destination: &Mirror,
        knowledge: &Knowledge,
    ) -> ClusterPlan {
        let mut decisions: Vec<_> = self.decisions.iter().collect();
        decisions.sort_by_key(|decision| criticality(&decision.workload.name, knowledge));
        let plan = |Decision { workload, rewrite }: &Decision| WorkloadPlan {
            workload: workload.name.clone(),
            owners: match rewrite {
                Rewrite::Patch(patch) if !patch.changes.is_empty() => {
                    owners::owners(workload, &cluster.ownership_context)
                }
                _ => Vec::new(),
            },
            step: step(rewrite),
        };
        ClusterPlan {
            cluster: cluster.environment.connection.name.clone(),
            destination: destination.clone(),
            workloads: decisions.into_iter().map(plan).collect(),
        }
    }

    /// The planned changes, without a server dry run.
    pub(in crate::sync) fn preview(&self, cluster: &ClusterSnapshot) -> Vec<WorkloadReport> {
        with_owners(cluster, super::preview(&self.decisions))
    }

    /// The planned changes, with a server or client dry run.
    pub(in crate::sync) async fn dry_run(
        self,
        cluster: &ClusterSnapshot,
        rewriter: Rewriter<'_>,
        settings: &Settings,
        dry_run: DryRun,
        observer: Observer<'_>,
    ) -> Vec<WorkloadReport> {
        match dry_run {
            DryRun::Client => self.preview(cluster),
            DryRun::Server => {
                let options = RolloutOptions { mode: PatchMode::DryRun, ..RolloutOptions::default() };
                self.patch(cluster, rewriter, settings, options, observer).await
            }
        }
    }

    /// Rewrites the workloads, and waits for their rollouts.
    pub(in crate::sync) async fn roll_out(
        self,
        cluster: &ClusterSnapshot,
        rewriter: Rewriter<'_>,
        settings: &Settings,
        observer: Observer<'_>,
    ) -> Vec<WorkloadReport> {
        self.patch(cluster, rewriter, settings, settings.rollout, observer).await
    }

    async fn patch(
        self,
        cluster: &ClusterSnapshot,
        rewriter: Rewriter<'_>,
        settings: &Settings,
        options: RolloutOptions,
        observer: Observer<'_>,
    ) -> Vec<WorkloadReport> {
        observer(Event::Stage(Stage::Rewrite));
        let connection = &cluster.environment.connection;
        let decide = decide(cluster, rewriter, settings);
        let reports = Box::pin(super::roll_out(
            connection,
            self.decisions,
            &decide,
            &rewriter.filter.knowledge,
            options,
            observer,
        ))
        .await;
        with_owners(cluster, reports)
    }
}

fn step(rewrite: &Rewrite) -> WorkloadStep {
    match rewrite {
        Rewrite::Patch(patch) => WorkloadStep::Patch {
            changes: patch.changes.clone(),
            relinquished: patch.relinquished.clone(),
            patch: patch.patch.clone(),
        },
        Rewrite::Unchanged => WorkloadStep::Unchanged,
        Rewrite::HeldBack(why) => WorkloadStep::HeldBack { reason: why.to_string() },
        Rewrite::NotRewritable(why) => WorkloadStep::NotRewritable { reason: why.clone() },
    }
}

/// Adds the other owners of changed images, and the field ownership of private images.
fn with_owners(cluster: &ClusterSnapshot, mut reports: Vec<WorkloadReport>) -> Vec<WorkloadReport> {
    let workloads: BTreeMap<_, _> =
        cluster.workloads.iter().map(|workload| (&workload.name, workload)).collect();
    for report in &mut reports {
        let Some(workload) = workloads.get(&report.workload) else { continue };
        if !report.changes.is_empty() {
            report.owners = owners::owners(workload, &cluster.ownership_context);
        }
        if matches!(
            report.outcome,
            Outcome::Updated | Outcome::Unchanged | Outcome::Planned | Outcome::DryRunOk
        ) {
            report.ownership = fields::workload_ownership(workload, &report.changes, &report.relinquished);
        }
    }
    reports
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::castai::built_in;
    use crate::model::inventory::{WorkloadKind, WorkloadName};

    #[test]
    fn what_the_user_adds_has_its_place_in_the_order() {
        let name = |namespace: &str, name: &str| WorkloadName {
            cluster: "c".to_owned(),
            namespace: namespace.to_owned(),
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        };
        let (first, probe, tool) =
            (name("castai-agent", "x"), name("castai-agent", "a-probe"), name("tools", "a"));
        let order = |knowledge: &Knowledge| {
            let mut names = vec![&tool, &probe, &first];
            names.sort_by_key(|name| criticality(name, knowledge));
            names.into_iter().map(|name| name.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(order(built_in()), ["a-probe", "x", "a"]);
        let added = Knowledge {
            namespaces: vec!["tools".to_owned()],
            rollout_order: [("-probe".to_owned(), 9)].into(),
            ..Knowledge::default()
        };
        assert_eq!(order(&added), ["x", "a", "a-probe"]);
    }
}
