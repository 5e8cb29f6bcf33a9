//! The grace period for problems that kubelets may solve by retrying.

use std::collections::HashMap;
use std::time::Duration;

use crate::cluster::pods::{self, PodProblem};
use crate::cluster::rollout::Observation;

/// How long each transient problem of a pod has lasted.
pub(super) struct GracePeriod {
    limit: Duration,
    /// By pod and container, because a kubelet that retries reports changing reasons.
    seen: HashMap<(String, Option<String>), ProblemSpan>,
    /// How long new pods have been refused.
    refused: Option<ProblemSpan>,
}

struct ProblemSpan {
    first: Duration,
    last: Duration,
}

impl ProblemSpan {
    fn is_over(&self, limit: Duration) -> bool {
        self.last.saturating_sub(self.first) >= limit
    }
}

impl GracePeriod {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, seen: HashMap::new(), refused: None }
    }

    /// Records the problems of pods at the time `at` since the first read.
    pub(super) fn observe(&mut self, observation: &Observation, at: Duration) {
        let new = observation.pods.iter().flat_map(|pods| &pods.new).flat_map(pods::problems);
        let renamed = observation.pods.iter().flat_map(|pods| &pods.renamed).cloned();
        for problem in new.chain(renamed).filter(PodProblem::may_pass) {
            let key = (problem.pod, problem.container);
            self.seen.entry(key).or_insert(ProblemSpan { first: at, last: at }).last = at;
        }
        self.seen.retain(|_, span| span.last == at);
        match (&observation.refusal, &mut self.refused) {
            (None, _) => self.refused = None,
            (Some(_), Some(span)) => span.last = at,
            (Some(_), None) => self.refused = Some(ProblemSpan { first: at, last: at }),
        }
    }

    /// Whether new pods have been refused for longer than the grace period.
    pub(super) fn is_refusal_over(&self) -> bool {
        self.refused.as_ref().is_some_and(|span| span.is_over(self.limit))
    }

    /// Ends the grace period: from now on every problem counts.
    pub(super) fn end(&mut self) {
        self.limit = Duration::ZERO;
    }

    /// Whether `problem` is permanent or has outlasted the grace period.
    pub(super) fn is_over(&self, problem: &PodProblem) -> bool {
        let lasted = || {
            let span = self.seen.get(&(problem.pod.clone(), problem.container.clone()));
            span.is_some_and(|span| span.is_over(self.limit))
        };
        !problem.may_pass() || lasted()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::rollout::{Pods, PodsUpdated, Progress};

    fn seen(reason: &str) -> Observation {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "status": {"containerStatuses": [{"name": "a", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"waiting": {"reason": reason}}}]},
        }));
        let pods = Pods { new: vec![pod.unwrap()], ..Pods::default() };
        let progress = Progress::Waiting(String::new());
        Observation {
            progress,
            updated: PodsUpdated::All,
            desired: 1,
            ordered: false,
            refusal: None,
            changed: None,
            pods: Some(pods),
        }
    }

    #[test]
    fn transient_problems_count_only_after_the_grace_period() {
        let cases: [(&[(&str, u64)], bool); 6] = [
            (&[("ErrImagePull", 0)], false),
            (&[("ErrImagePull", 0), ("ImagePullBackOff", 9)], false),
            (&[("ErrImagePull", 0), ("ImagePullBackOff", 10)], true),
            (&[("ErrImagePull", 0), ("ContainerCreating", 5), ("ErrImagePull", 10)], false),
            (&[("InvalidImageName", 0)], true),
            (&[("CrashLoopBackOff", 0)], true),
        ];
        for (looks, expected) in cases {
            let mut grace_period = GracePeriod::new(Duration::from_secs(10));
            for (reason, at) in looks {
                grace_period.observe(&seen(reason), Duration::from_secs(*at));
            }
            let last = seen(looks.last().unwrap().0);
            let problem = &pods::problems(&last.pods.unwrap().new[0])[0];
            assert_eq!(grace_period.is_over(problem), expected, "{looks:?}");
            grace_period.end();
            assert!(grace_period.is_over(problem), "{looks:?}");
        }
    }
}
