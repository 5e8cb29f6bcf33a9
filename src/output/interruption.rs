//! What an interrupted command has changed: its own state is lost when it is cancelled.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::endpoints::apply::Outcome;
use crate::endpoints::run::Progress;
use crate::event::Event;
use crate::model::inventory::WorkloadName;
use crate::output::table::count;
use crate::printable::word;

/// A process runs one command.
static CHANGES: Mutex<Changes> =
    Mutex::new(Changes { planned: 0, made: 0, watched: Vec::new(), endpoints: None, missing: None });

/// Changes of workloads.
#[derive(Debug, Default)]
struct Changes {
    planned: usize,
    made: usize,
    /// Workloads whose rollouts have not ended.
    watched: Vec<WorkloadName>,
    /// Those of a command that changes endpoints, from its first request that changes something.
    endpoints: Option<EndpointChanges>,
    /// What checks that are repeated lacked last.
    missing: Option<String>,
}

/// Changes of a VPC, its endpoints, security groups and tags.
#[derive(Debug, Default)]
struct EndpointChanges {
    made: usize,
    /// Of the actions that are carried out now, those whose result is not known.
    open: usize,
    /// Actions that were not made and may be tried again.
    left: usize,
}

/// Takes note of changes.
pub(super) fn observe(event: &Event) {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner).observe(event);
}

/// Takes note of changes in AWS.
pub fn observe_endpoints(progress: &Progress<'_>) {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner).endpoints(progress);
}

/// The last line of an interrupted command.
pub fn interrupted(may_change: bool) -> String {
    let changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
    if may_change { changes.to_text() } else { changes.nothing_changed() }
}

impl Changes {
    fn observe(&mut self, event: &Event) {
        match event {
            Event::ChangesStarted { workloads } => self.planned += workloads,
            Event::RolloutStarted { workload, is_resumed } => {
                self.made += usize::from(!is_resumed);
                self.watched.push(workload.clone());
            }
            Event::RolloutFinished { workload, .. } => self.watched.retain(|watched| watched != workload),
            Event::NotReady { missing } => self.missing = Some(missing.clone()),
            _ => {}
        }
    }

    fn endpoints(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Applying { now, later } => {
                let changes = self.endpoints.get_or_insert_default();
                (changes.open, changes.left) = (*now, *later);
            }
            Progress::Step(step) => {
                let Some(changes) = &mut self.endpoints else { return };
                changes.open = changes.open.saturating_sub(1);
                if matches!(step.outcome, Outcome::Done { .. }) {
                    changes.made += 1;
                } else {
                    changes.left += 1;
                }
            }
            Progress::Waiting(_) => {}
        }
    }

    fn nothing_changed(&self) -> String {
        let missing = self.missing.as_ref().map(|missing| format!(" Still missing: {missing}"));
        format!("Interrupted. Nothing was changed.{}", missing.unwrap_or_default())
    }

    fn to_text(&self) -> String {
        if let Some(endpoints) = &self.endpoints {
            return endpoints.to_text();
        }
        if self.made == 0 {
            return "Interrupted. No partial changes; run again to resume.".to_owned();
        }
        let planned = count(self.planned.max(self.made), "workload");
        let mut text = format!("Interrupted. {} of {planned} changed", self.made);
        if let Some(first) = self.watched.first() {
            let (namespace, name) = (word(&first.namespace, "NAMESPACE"), word(&first.name, "NAME"));
            let rollouts = match self.watched.len() {
                1 => "1 rollout is".to_owned(),
                number => format!("{number} rollouts are"),
            };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "; {rollouts} not watched any more: run kubectl rollout status -n {namespace} {}/{name}",
                first.kind.resource()
            );
        }
        if self.made < self.planned {
            text += "; run again for the rest";
        }
        text
    }
}

impl EndpointChanges {
    fn to_text(&self) -> String {
        let Self { made, open, left } = *self;
        let planned = count(made + open + left, "change");
        let next = if open > 0 {
            // Its request may have reached EC2.
            "; the next one may be made too; run again to complete them"
        } else if left > 0 {
            "; run again to complete them"
        } else {
            "; run again to wait for the endpoints"
        };
        format!("Interrupted. {made} of {planned} made{next}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::apply::Step;
    use crate::endpoints::plan::Action;
    use crate::model::inventory::WorkloadKind;

    #[test]
    fn an_interrupted_command_says_how_far_it_came() {
        let name = |name: &str| WorkloadName {
            cluster: "c".to_owned(),
            namespace: "castai-agent".to_owned(),
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        };
        let planned = |workloads| Event::ChangesStarted { workloads };
        let started = |of: &str| Event::RolloutStarted { workload: name(of), is_resumed: false };
        let resumed = |of: &str| Event::RolloutStarted { workload: name(of), is_resumed: true };
        let finished = |of: &str| Event::RolloutFinished { workload: name(of), message: String::new() };
        let nothing = "Interrupted. No partial changes; run again to resume.";
        let run = "run kubectl rollout status -n castai-agent deployment.apps";
        let cases = [
            (vec![], nothing.to_owned()),
            (vec![resumed("a"), planned(2)], nothing.to_owned()),
            (
                vec![planned(3), started("a")],
                format!(
                    "Interrupted. 1 of 3 workloads changed; 1 rollout is not watched any more: {run}/a; run again for the rest"
                ),
            ),
            (
                vec![planned(2), started("a"), started("b")],
                format!(
                    "Interrupted. 2 of 2 workloads changed; 2 rollouts are not watched any more: {run}/a"
                ),
            ),
            (
                vec![planned(2), started("a"), finished("a")],
                "Interrupted. 1 of 2 workloads changed; run again for the rest".to_owned(),
            ),
        ];
        for (events, expected) in cases {
            let mut changes = Changes::default();
            for event in &events {
                changes.observe(event);
            }
            assert_eq!(changes.to_text(), expected);
        }
    }

    #[test]
    fn interrupted_checks_say_what_was_missing() {
        let mut changes = Changes::default();
        assert_eq!(changes.nothing_changed(), "Interrupted. Nothing was changed.");
        for missing in ["2 causes", "1 cause"] {
            changes.observe(&Event::NotReady { missing: missing.to_owned() });
        }
        assert_eq!(changes.nothing_changed(), "Interrupted. Nothing was changed. Still missing: 1 cause");
    }

    #[test]
    fn interrupted_changes_of_endpoints_are_counted() {
        let step = |outcome: Outcome| Step {
            action: Action::DeleteEndpoint { service: String::new(), id: String::new() },
            outcome,
        };
        let done = step(Outcome::Done { id: None });
        let failed = step(Outcome::Failed { message: String::new() });
        let applying = |now| Progress::Applying { now, later: 0 };
        let cases = [
            (vec![], "Interrupted. No partial changes; run again to resume."),
            (
                vec![applying(3)],
                "Interrupted. 0 of 3 changes made; the next one may be made too; run again to complete them",
            ),
            (
                vec![applying(3), Progress::Step(&done), Progress::Step(&failed)],
                "Interrupted. 1 of 3 changes made; the next one may be made too; run again to complete them",
            ),
            (
                vec![applying(2), Progress::Step(&done), Progress::Step(&failed), Progress::Waiting(&[])],
                "Interrupted. 1 of 2 changes made; run again to complete them",
            ),
            (
                vec![
                    applying(2),
                    Progress::Step(&done),
                    Progress::Step(&failed),
                    applying(1),
                    Progress::Step(&done),
                ],
                "Interrupted. 2 of 2 changes made; run again to wait for the endpoints",
            ),
            // A security group is deleted when its endpoints are gone.
            (
                vec![Progress::Applying { now: 1, later: 1 }, Progress::Step(&done), Progress::Waiting(&[])],
                "Interrupted. 1 of 2 changes made; run again to complete them",
            ),
        ];
        for (progress, expected) in cases {
            let mut changes = Changes::default();
            for progress in &progress {
                changes.endpoints(progress);
            }
            assert_eq!(changes.to_text(), expected);
        }
    }
}
