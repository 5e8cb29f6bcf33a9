//! What an interrupted command has changed: its own state is lost when it is cancelled.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::event::Event;
use crate::model::inventory::WorkloadName;
use crate::output::table::count;
use crate::printable::word;

/// A process runs one command.
static CHANGES: Mutex<Changes> = Mutex::new(Changes { planned: 0, made: 0, watched: Vec::new() });

/// Changes of workloads.
#[derive(Debug, Default)]
struct Changes {
    planned: usize,
    made: usize,
    /// Workloads whose rollouts have not ended.
    watched: Vec<WorkloadName>,
}

/// Takes note of changes.
pub(super) fn observe(event: &Event) {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner).observe(event);
}

/// The last line of an interrupted command that may have changed something.
pub fn interrupted() -> String {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner).to_text()
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
            _ => {}
        }
    }

    fn to_text(&self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
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
}
