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
}

struct ProblemSpan {
    first: Duration,
    last: Duration,
}

impl GracePeriod {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, seen: HashMap::new() }
    }

    /// Records the problems of pods at the time `at` since the first read.
    pub(super) fn observe(&mut self, observation: &Observation, at: Duration) {
        let pods = observation.pods.iter().flat_map(|pods| &pods.new);
        for problem in pods.flat_map(pods::problems).filter(PodProblem::may_pass) {
            let key = (problem.pod, problem.container);
            self.seen.entry(key).or_insert(ProblemSpan { first: at, last: at }).last = at;
        }
        self.seen.retain(|_, span| span.last == at);
    }

    /// Ends the grace period: from now on every problem counts.
    pub(super) fn end(&mut self) {
        self.limit = Duration::ZERO;
    }

    /// Whether `problem` is permanent or has outlasted the grace period.
    pub(super) fn is_over(&self, problem: &PodProblem) -> bool {
        let lasted = || {
            let span = self.seen.get(&(problem.pod.clone(), problem.container.clone()));
            span.is_some_and(|span| span.last.saturating_sub(span.first) >= self.limit)
        };
        !problem.may_pass() || lasted()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::rollout::{Pods, Progress};

    fn seen(reason: &str) -> Observation {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "status": {"containerStatuses": [{"name": "a", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"waiting": {"reason": reason}}}]},
        }));
        let pods = Pods { new: vec![pod.unwrap()], old: Vec::new() };
        let progress = Progress::Waiting(String::new());
        Observation { progress, desired: 1, ordered: false, pods: Some(pods) }
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
