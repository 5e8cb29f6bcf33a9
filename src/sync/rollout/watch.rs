//! Watches rollouts after a patch until the outcome is certain, and restores images of failed ones.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::grace_period::GracePeriod;
use super::report::{NOT_AWAITED, Outcome, WorkloadReport};
use super::verdict::{self, Cause, Health, Verdict};
use super::{DryRunPassed, Run, Watched, changed_meanwhile};
use crate::cluster::pods::{self, PodProblem};
use crate::cluster::rollout::{Observation, Refusal, observe, refused_since};
use crate::cluster::{Connection, ErrorKind, PatchMode, patch, read_workload};
use crate::event::Event;
use crate::model::cluster_plan::Change;
use crate::model::inventory::WorkloadName;
use crate::sync::rewrite_workload::{WorkloadPatch, restoring};

/// Interval between two reads of a workload's events.
const EVENT_INTERVAL: Duration = Duration::from_secs(1);

/// Refused pods that a controller reports only in events, which are read while new pods are missing.
struct Refusals {
    read_at: Instant,
    last: Option<Refusal>,
    is_forbidden: bool,
}

impl Refusals {
    fn new() -> Self {
        Self { read_at: Instant::now(), last: None, is_forbidden: false }
    }

    /// Adds the last refusal to `now`, if new pods are missing.
    async fn read(&mut self, connection: &Connection, workload: &WorkloadName, now: &mut Observation) {
        if self.is_forbidden || !now.may_be_refused(workload.kind) {
            return;
        }
        if self.read_at.elapsed() >= EVENT_INTERVAL {
            self.read_at = Instant::now();
            match refused_since(connection, workload, now.changed).await {
                Ok(refusal) => self.last = refusal,
                Err(error) => self.is_forbidden = error.kind() == ErrorKind::Forbidden,
            }
        }
        now.refusal.clone_from(&self.last);
    }
}

impl Run<'_> {
    /// Waits until a patched workload meets the health rule, and restores it if it fails.
    pub(super) async fn finish(&self, watched: Watched) -> WorkloadReport {
        let Watched { proven: DryRunPassed(patch), health, before } = watched;
        let mut report = WorkloadReport::from_patch(patch.clone(), Outcome::Updated);
        if let Health::Unwatched(why) = &health {
            if patch.changes.is_empty() || why == NOT_AWAITED {
                report.notes.push(why.clone());
            } else {
                report.not_pulled = Some(why.clone());
            }
            if patch.is_silent() {
                report.outcome = Outcome::Unchanged;
            } else if !patch.changes.is_empty() {
                self.finished(&patch.workload, why);
            }
            return report;
        }
        match self.wait(&patch.workload, &patch.changes, &health, &before).await {
            Verdict::Done { message, problems, notes, is_ready } => {
                let messages = std::iter::once(message).chain(notes.iter().cloned()).collect::<Vec<_>>();
                self.finished(&patch.workload, &messages.join("; "));
                report.problems = problems;
                report.notes = notes;
                report.not_ready = !is_ready;
            }
            Verdict::Unwatched(why) => {
                self.finished(&patch.workload, &why);
                report.not_pulled = Some(why);
            }
            Verdict::Failed { cause, why, problems } => {
                report.problems = problems;
                report.outcome = match (health, cause) {
                    (Health::Healthy, Cause::Change) => self.restore(&patch, &why).await,
                    (Health::Healthy, Cause::Admission) if self.options.restore_renamed => {
                        self.restore(&patch, &why).await
                    }
                    (Health::Healthy, Cause::Environment) => {
                        let why = format!("{why}; not restored, because its images are not the cause");
                        Outcome::RolloutFailed(why)
                    }
                    _ => Outcome::RolloutFailed(why),
                };
                // The report has the cause.
                self.finished(
                    &patch.workload,
                    match &report.outcome {
                        Outcome::Restored(_) => "rollout failed; its previous images are restored",
                        _ => "rollout failed",
                    },
                );
            }
            Verdict::Started { message, .. } | Verdict::Waiting(message) | Verdict::Blocked(message) => {
                report.outcome = Outcome::RolloutFailed(message);
            }
        }
        report
    }

    /// Watches the rollout until it succeeds, fails or times out without progress.
    pub(super) async fn wait(
        &self,
        workload: &WorkloadName,
        changes: &[Change],
        health: &Health,
        before: &Observation,
    ) -> Verdict {
        let start = Instant::now();
        let mut deadline = start + self.options.timeout;
        let mut grace_period = GracePeriod::new(self.options.settle_time / 2);
        let mut reached = HashSet::new();
        let (mut shown, mut started, mut refusals) = (String::new(), None, Refusals::new());
        loop {
            let mut is_late = Instant::now() >= deadline;
            let verdict = match observe(self.connection, workload).await {
                Ok(mut now) => {
                    refusals.read(self.connection, workload, &mut now).await;
                    // A status that was reported before is no progress: the counts of a crash-looping pod alternate
                    // forever.
                    if reached.insert(now.progress.text().to_owned()) {
                        deadline = Instant::now() + self.options.timeout;
                        is_late = false;
                    }
                    grace_period.observe(&now, start.elapsed());
                    if is_late {
                        grace_period.end();
                    }
                    verdict::judge(workload.kind, health, before, &now, changes, &grace_period)
                }
                Err(error) if error.is_transient() => Verdict::Waiting(error.to_string()),
                Err(error) => Verdict::by_change(error.to_string(), Vec::new()),
            };
            match verdict {
                Verdict::Waiting(ref message) | Verdict::Blocked(ref message) if !is_late => {
                    if *message != shown {
                        let is_blocked = matches!(verdict, Verdict::Blocked(_));
                        let workload = workload.clone();
                        shown.clone_from(message);
                        let message = message.clone();
                        (self.observer)(Event::RolloutProgress { workload, message, is_blocked });
                    }
                    tokio::time::sleep(self.options.poll).await;
                }
                Verdict::Started { message, problems } => {
                    let since = *started.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.options.settle_time {
                        let notes = vec!["it is not ready yet".to_owned()];
                        return Verdict::Done { message, problems, notes, is_ready: false };
                    }
                    tokio::time::sleep(self.options.poll).await;
                }
                Verdict::Waiting(message) => return self.timed_out(Cause::Change, &message),
                Verdict::Blocked(message) => return self.timed_out(Cause::Environment, &message),
                Verdict::Unwatched(why) => return Verdict::Unwatched(why),
                Verdict::Done { message, problems, notes, is_ready } => {
                    let problems = self.with_logs(workload, problems).await;
                    return Verdict::Done { message, problems, notes, is_ready };
                }
                Verdict::Failed { cause, why, problems } => {
                    let problems = self.with_logs(workload, problems).await;
                    return Verdict::Failed { cause, why, problems };
                }
            }
        }
    }

    fn timed_out(&self, cause: Cause, message: &str) -> Verdict {
        let limit = self.options.timeout.as_secs();
        let why = format!("timed out after {limit}s without progress: {message}");
        Verdict::Failed { cause, why, problems: Vec::new() }
    }

    pub(super) async fn with_logs(
        &self,
        workload: &WorkloadName,
        mut problems: Vec<PodProblem>,
    ) -> Vec<PodProblem> {
        pods::add_logs(self.connection, &workload.namespace, &mut problems).await;
        problems
    }

    /// Restores the original images of fields that still have ours, and waits for the rollouts.
    async fn restore(&self, applied: &WorkloadPatch, why: &str) -> Outcome {
        for attempt in 0..2 {
            let result = match read_workload(self.connection, &applied.workload).await {
                Ok(fresh) => match restoring(&fresh, applied) {
                    Some(former) => {
                        patch(self.connection, &applied.workload, &former, PatchMode::Apply).await
                    }
                    None => {
                        return Outcome::Failed(format!(
                            "{why}; not restored, because its images were changed meanwhile"
                        ));
                    }
                },
                Err(error) => Err(error),
            };
            match result {
                Ok(_) => break,
                Err(error) if attempt == 0 && (changed_meanwhile(&error) || error.is_transient()) => {}
                Err(error) => {
                    let why = format!("{why}; restoring its previous images failed: {error}");
                    return Outcome::RolloutFailed(why);
                }
            }
        }
        let message = "restoring its previous images".to_owned();
        (self.observer)(Event::RolloutProgress {
            workload: applied.workload.clone(),
            message,
            is_blocked: false,
        });
        let deadline = Instant::now() + self.options.timeout;
        while Instant::now() < deadline {
            if observe(self.connection, &applied.workload)
                .await
                .is_ok_and(|now| verdict::health(&now) == Health::Healthy)
            {
                return Outcome::Restored(format!("{why}; its previous images run again"));
            }
            tokio::time::sleep(self.options.poll).await;
        }
        Outcome::Restored(format!("{why}; its previous images are restored, but it is not ready yet"))
    }

    pub(super) fn finished(&self, workload: &WorkloadName, message: &str) {
        (self.observer)(Event::RolloutFinished { workload: workload.clone(), message: message.to_owned() });
    }
}
