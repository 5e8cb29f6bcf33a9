//! Carries out patches under the two laws: nothing is written before all dry runs have passed, and whenever a run is
//! interrupted, each workload has either its former or its new images, and the next run continues from there.

pub(in crate::sync) mod changes;
mod grace_period;
pub(in crate::sync) mod missing_pods;
mod report;
mod resume;
mod verdict;
mod watch;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;

pub use self::report::{NOT_AWAITED, Outcome, WorkloadReport};
use self::verdict::Health;
use crate::cluster::rollout::{Observation, observe};
use crate::cluster::{Connection, Error, ErrorKind, PatchMode, patch, read_workload};
use crate::event::{Event, Observer};
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::knowledge::Knowledge;
use crate::model::workload::Workload;
use crate::sync::rewrite_workload::{Rewrite, WorkloadPatch};
use crate::sync::settings::RolloutOptions;

/// Number of concurrent requests to the API server.
const CONCURRENCY: usize = 8;

/// Attempts to relinquish ownership while others write to the workload.
const MAX_FAILURES: usize = 3;

/// A patch that passed the server's dry run, in this run or in the run that wrote it. No other patch is ever written.
struct DryRunPassed(WorkloadPatch);

/// A patch that passed its dry run, with the state of its workload before.
struct Watched {
    proven: DryRunPassed,
    health: Health,
    before: Observation,
}

/// Decides on one workload, and again if it changed in the meantime; `None` if it has no image to rewrite. This is the
/// only difference between rewriting and rolling back.
pub type Decide<'a> = &'a (dyn Fn(&Workload) -> Option<Rewrite> + Sync);

struct Run<'a> {
    connection: &'a Connection,
    decide: Decide<'a>,
    knowledge: &'a Knowledge,
    options: RolloutOptions,
    observer: Observer<'a>,
}

/// The decision on a workload as read.
#[derive(Clone, Debug)]
pub struct Decision {
    pub workload: Workload,
    pub rewrite: Rewrite,
}

/// Decides on each of `workloads`, and omits those without included images.
pub fn decide_all(workloads: &[Workload], decide: Decide<'_>) -> Vec<Decision> {
    workloads.iter().filter_map(|workload| decide_one(workload, decide)).collect()
}

fn decide_one(workload: &Workload, decide: Decide<'_>) -> Option<Decision> {
    let rewrite = decided(decide, workload)?;
    Some(Decision { workload: workload.clone(), rewrite })
}

/// The planned changes, without a server dry run.
pub fn preview(decisions: &[Decision]) -> Vec<WorkloadReport> {
    let report = |Decision { workload, rewrite }: &Decision| match rewrite {
        Rewrite::Patch(patch) if patch.is_silent() => settled(&workload.name, Rewrite::Unchanged),
        Rewrite::Patch(patch) => WorkloadReport::from_patch(patch.clone(), Outcome::Planned),
        other => settled(&workload.name, other.clone()),
    };
    decisions.iter().map(report).collect()
}

/// Carries out `decisions` in the order that `knowledge` defines; `decide` decides again on a workload that has changed
/// since it was read. Dropping the future stops between two requests.
pub async fn roll_out(
    connection: &Connection,
    decisions: Vec<Decision>,
    decide: Decide<'_>,
    knowledge: &Knowledge,
    options: RolloutOptions,
    observer: Observer<'_>,
) -> Vec<WorkloadReport> {
    let run = Run { connection, decide, knowledge, options, observer };
    let mut reports = run.all(decisions).await;
    reports.sort_by(|left, right| left.workload.cmp(&right.workload));
    reports
}

impl Run<'_> {
    async fn all(&self, decisions: Vec<Decision>) -> Vec<WorkloadReport> {
        let mut reports = Vec::new();
        let (mut patches, mut earlier) = (Vec::new(), Vec::new());
        for Decision { workload, rewrite } in decisions {
            match rewrite {
                Rewrite::Patch(patch) => patches.push(patch),
                Rewrite::Unchanged if self.may_be_unfinished(&workload) => earlier.push(workload),
                other => reports.push(settled(&workload.name, other)),
            }
        }
        let earlier: Vec<_> = earlier.iter().collect();
        let mut proven = Vec::new();
        let attempts: Vec<_> = stream::iter(patches)
            .map(|patch| self.prove_or_renew(patch))
            .buffered(CONCURRENCY)
            .collect()
            .await;
        for attempt in attempts {
            match attempt {
                Ok(patch) => proven.push(patch),
                Err(report) => reports.push(report),
            }
        }
        if self.options.mode == PatchMode::DryRun {
            reports.extend(proven.into_iter().map(|DryRunPassed(patch)| {
                let outcome = if patch.is_silent() { Outcome::Unchanged } else { Outcome::DryRunOk };
                WorkloadReport::from_patch(patch, outcome)
            }));
            return reports;
        }
        let (settled, was_healthy, broken) = self.find_unfinished(&earlier).await;
        reports.extend(settled);
        // A component that was healthy may have to be restored; then no other healthy component is changed.
        let finished = self.watch_all(was_healthy).await;
        // A tenant's workload must not stop the rollout of Cast AI's components.
        let stopped = finished
            .iter()
            .any(|report| stops_the_run(report) && !is_outside(&report.workload, self.knowledge));
        reports.extend(finished);
        let (resumed, written) = tokio::join!(self.watch_all(broken), self.write(proven, stopped));
        reports.extend(resumed);
        reports.extend(written);
        reports
    }

    /// Makes all changes to the cluster. All dry runs have passed. If the run is already `stopped`, healthy components
    /// are not changed.
    async fn write(&self, proven: Vec<DryRunPassed>, mut stopped: bool) -> Vec<WorkloadReport> {
        let mut reports = Vec::new();
        let workloads = proven.iter().filter(|proven| !proven.0.changes.is_empty()).count();
        (self.observer)(Event::ChangesStarted { workloads });
        let (mut broken, mut unwatched, mut healthy) = (Vec::new(), Vec::new(), Vec::new());
        let watched: Vec<_> = stream::iter(proven)
            .map(|proven| self.fetch_status(proven))
            .buffered(CONCURRENCY)
            .collect()
            .await;
        for watched in watched {
            match watched {
                Ok(watched) => match &watched.health {
                    Health::Broken => broken.push(watched),
                    Health::Unwatched(_) => unwatched.push(watched),
                    Health::Healthy => healthy.push(watched),
                },
                Err(report) => reports.push(report),
            }
        }
        let mut applied = Vec::new();
        for watched in broken {
            match self.apply(watched).await {
                Ok(watched) => applied.push(watched),
                Err(report) => reports.push(report),
            }
        }
        reports.extend(join_all(applied.into_iter().map(|watched| self.finish(watched))).await);
        for watched in unwatched {
            reports.push(match self.apply(watched).await {
                Ok(watched) => self.finish(watched).await,
                Err(report) => report,
            });
        }
        healthy.sort_by_key(|watched| criticality(&watched.proven.0.workload, self.knowledge));
        for watched in healthy {
            let report = if stopped {
                let DryRunPassed(patch) = watched.proven;
                WorkloadReport::new(patch.workload, patch.changes, Outcome::NotStarted)
            } else {
                match self.apply(watched).await {
                    Ok(watched) => {
                        let report = self.finish(watched).await;
                        stopped = stops_the_run(&report);
                        report
                    }
                    Err(report) => report,
                }
            };
            reports.push(report);
        }
        reports
    }

    async fn prove(&self, candidate: WorkloadPatch) -> Result<DryRunPassed, (WorkloadPatch, Error)> {
        match patch(self.connection, &candidate.workload, &candidate.patch, PatchMode::DryRun).await {
            Ok(_) => Ok(DryRunPassed(candidate)),
            Err(error) => Err((candidate, error)),
        }
    }

    async fn prove_or_renew(&self, candidate: WorkloadPatch) -> Result<DryRunPassed, WorkloadReport> {
        match self.prove(candidate).await {
            Ok(proven) => Ok(proven),
            Err((candidate, error)) if changed_meanwhile(&error) => self.renew(candidate, &error).await,
            Err((candidate, error)) => Err(failed(candidate, &error)),
        }
    }

    /// Decides again, once, on a workload that changed in the meantime.
    async fn renew(&self, outdated: WorkloadPatch, refusal: &Error) -> Result<DryRunPassed, WorkloadReport> {
        let fresh = match read_workload(self.connection, &outdated.workload).await {
            Ok(fresh) => fresh,
            Err(error) => return Err(failed(outdated, &error)),
        };
        match decided(self.decide, &fresh) {
            // The server rejects the same patch for another reason than a change.
            Some(Rewrite::Patch(renewed)) if renewed.patch == outdated.patch => {
                Err(failed(outdated, refusal))
            }
            Some(Rewrite::Patch(renewed)) => {
                self.prove(renewed).await.map_err(|(renewed, error)| failed(renewed, &error))
            }
            Some(other) => Err(settled(&outdated.workload, other)),
            None => Err(settled(&outdated.workload, Rewrite::Unchanged)),
        }
    }

    async fn fetch_status(&self, proven: DryRunPassed) -> Result<Watched, WorkloadReport> {
        match observe(self.connection, &proven.0.workload).await {
            Ok(before) => Ok(Watched {
                health: if !self.options.wait {
                    Health::Unwatched(NOT_AWAITED.to_owned())
                } else if proven.0.changes.is_empty() {
                    Health::Unwatched(
                        "only the record or the field ownership of its images was updated".to_owned(),
                    )
                } else {
                    verdict::health(&before)
                },
                proven,
                before,
            }),
            Err(error) => Err(failed(proven.0, &error)),
        }
    }

    async fn apply(&self, watched: Watched) -> Result<Watched, WorkloadReport> {
        let Watched { proven, health, before } = watched;
        let workload = proven.0.workload.clone();
        let written = |proven| Watched { proven, health, before };
        let (result, after) = match patch(self.connection, &workload, &proven.0.patch, PatchMode::Apply).await
        {
            Ok(after) => (proven, Some(after)),
            Err(error) if changed_meanwhile(&error) => {
                let renewed = self.renew(proven.0, &error).await?;
                match patch(self.connection, &workload, &renewed.0.patch, PatchMode::Apply).await {
                    Ok(after) => (renewed, Some(after)),
                    Err(error) => return Err(failed(renewed.0, &error)),
                }
            }
            // The response may have been lost after the server stored the patch; then the rollout has to be watched
            // too.
            Err(error) if error.is_transient() && self.is_applied(&workload).await => (proven, None),
            Err(error) => return Err(failed(proven.0, &error)),
        };
        if let Some(after) = &after {
            // Rare, and a large future.
            Box::pin(self.relinquish_restored(after)).await;
        }
        if !result.0.changes.is_empty() {
            (self.observer)(Event::RolloutStarted { workload, is_resumed: false });
        }
        Ok(written(result))
    }

    /// Relinquishes ownership of restored images: a separate step, because writing a value takes ownership. If it
    /// fails, the next run does it.
    async fn relinquish_restored(&self, workload: &Workload) {
        let mut next = self.stale_fields(workload);
        // After a change, controllers write to the workload too.
        for _ in 0..MAX_FAILURES {
            let Some(rest) = next else { return };
            let Ok(DryRunPassed(rest)) = self.prove_or_renew(rest).await else { return };
            match patch(self.connection, &rest.workload, &rest.patch, PatchMode::Apply).await {
                Err(error) if changed_meanwhile(&error) => {}
                Ok(_) | Err(_) => return,
            }
            let fresh = read_workload(self.connection, &rest.workload).await;
            next = fresh.ok().and_then(|fresh| self.stale_fields(&fresh));
        }
    }

    /// The patch that only relinquishes our ownership, if nothing else has to be changed.
    fn stale_fields(&self, workload: &Workload) -> Option<WorkloadPatch> {
        match decided(self.decide, workload)? {
            Rewrite::Patch(patch) => {
                Some(patch).filter(|patch| patch.changes.is_empty() && !patch.is_silent())
            }
            _ => None,
        }
    }

    async fn is_applied(&self, workload: &WorkloadName) -> bool {
        let fresh = read_workload(self.connection, workload).await;
        fresh.is_ok_and(|fresh| matches!((self.decide)(&fresh), None | Some(Rewrite::Unchanged)))
    }
}

/// Whether a healthy component has become unhealthy, so that no other one may be changed.
fn stops_the_run(report: &WorkloadReport) -> bool {
    matches!(report.outcome, Outcome::Restored(_) | Outcome::Failed(_) | Outcome::RolloutFailed(_))
}

/// 409, or a `test` that failed.
fn changed_meanwhile(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid)
}

fn failed(patch: WorkloadPatch, error: &Error) -> WorkloadReport {
    WorkloadReport::new(patch.workload, patch.changes, Outcome::Failed(error.to_string()))
}

/// The decision on a workload, unless it is finished or being deleted.
fn decided(decide: Decide<'_>, workload: &Workload) -> Option<Rewrite> {
    let rewrite = decide(workload)?;
    Some(match rewrite {
        Rewrite::Patch(_) | Rewrite::HeldBack(_) if workload.has_ended => {
            Rewrite::NotRewritable("it has ended".to_owned())
        }
        other => other,
    })
}

/// The report on a workload that is not patched.
fn settled(workload: &WorkloadName, rewrite: Rewrite) -> WorkloadReport {
    let outcome = match rewrite {
        Rewrite::HeldBack(why) => Outcome::HeldBack(why),
        Rewrite::NotRewritable(why) => Outcome::NotRewritable(why),
        Rewrite::Unchanged | Rewrite::Patch(_) => Outcome::Unchanged,
    };
    WorkloadReport::new(workload.clone(), Vec::new(), outcome)
}

/// Whether a workload is outside of Cast AI's own namespaces, where a tenant may have made it.
fn is_outside(workload: &WorkloadName, knowledge: &Knowledge) -> bool {
    !knowledge.is_namespace(&workload.namespace)
}

/// Least critical first; workloads outside Cast AI's namespaces come last, because a failure stops the ones after it;
/// then by name, so that the order is stable.
pub(in crate::sync) fn criticality(
    workload: &WorkloadName,
    knowledge: &Knowledge,
) -> (bool, u8, WorkloadName) {
    let rank = match (knowledge.rollout_order(&workload.name), workload.kind) {
        (0, WorkloadKind::DaemonSet) => 2,
        (0, WorkloadKind::StatefulSet) => 1,
        (0, _) => 0,
        // Components without which Cast AI cannot see or control the cluster come after others have shown that the
        // images work.
        (order, _) => order.saturating_add(2),
    };
    (is_outside(workload, knowledge), rank, workload.clone())
}
