//! Follows the pods of a run until each has ended or its time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use probe::pod::PodReport;

use super::status::{State, state, trouble, trouble_of_event};
use crate::preflight::pods::{Ended, Phase, Trouble};

/// The time limits of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the run until a container has started.
    pub start: Duration,
    /// From there until the pod has ended.
    pub run: Duration,
}

/// How a pod ended, as far as its status tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Conclusion {
    Ended(Ended),
    /// Its log has the whole report.
    ReadLog(Result<PodReport, Trouble>),
}

/// The pods of a run, by name. Times are those since the start of the run.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    pods: BTreeMap<String, Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    started: Option<Duration>,
    /// What it waits for, if that is known.
    waiting: Option<String>,
    concluded: Option<(Duration, Conclusion)>,
}

impl Tracker {
    pub fn new(limits: Limits, pods: impl IntoIterator<Item = String>) -> Self {
        Self { limits, pods: pods.into_iter().map(|name| (name, Followed::default())).collect() }
    }

    /// Takes note of a pod's status. Returns whether all pods have ended.
    pub fn observe(&mut self, pod: &Pod, now: Duration) -> bool {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        if let Some(followed) = self.pods.get_mut(name).filter(|followed| followed.concluded.is_none()) {
            match state(pod) {
                State::Waiting(why) => followed.waiting = why.or(followed.waiting.take()),
                State::Running => {
                    followed.started.get_or_insert(now);
                }
                State::Ended(ended) => followed.concluded = Some((now, Conclusion::Ended(ended))),
                State::EndedWithLog(short) => followed.concluded = Some((now, Conclusion::ReadLog(short))),
            }
        }
        self.have_all_ended()
    }

    /// Takes note of a pod's warning event. Returns whether all pods have ended.
    pub fn observe_event(&mut self, event: &Event, now: Duration) -> bool {
        let name = event.involved_object.name.as_deref().unwrap_or_default();
        let followed = self.pods.get_mut(name);
        if let Some(followed) = followed.filter(|one| one.concluded.is_none() && one.started.is_none()) {
            if let Some(trouble) = trouble_of_event(event) {
                followed.concluded = Some((now, Conclusion::Ended(Ended::Failed(trouble))));
            } else {
                let (reason, message) = (event.reason.as_deref(), event.message.as_deref());
                let text = trouble(Phase::Run, reason.unwrap_or_default(), message.unwrap_or_default());
                followed.waiting = Some(text.to_text());
            }
        }
        self.have_all_ended()
    }

    /// Ends the pods whose time is over. Returns whether all pods have ended.
    pub fn expire(&mut self, now: Duration) -> bool {
        let Limits { start, run } = self.limits;
        for followed in self.pods.values_mut().filter(|followed| followed.concluded.is_none()) {
            let (reason, why) = match followed.started {
                None if now >= start => {
                    let why = followed.waiting.take().unwrap_or_else(|| "no status was received".to_owned());
                    ("StartTimeout", format!("not started within {} s: {why}", start.as_secs()))
                }
                Some(started) if now >= started + run => {
                    ("Timeout", format!("no report within {} s", run.as_secs()))
                }
                _ => continue,
            };
            let trouble = trouble(Phase::Run, reason, &why);
            followed.concluded = Some((now, Conclusion::Ended(Ended::Failed(trouble))));
        }
        self.have_all_ended()
    }

    /// Whether some pod has not started and did not say why.
    pub fn is_waiting(&self) -> bool {
        self.pods.values().any(|followed| followed.concluded.is_none() && followed.started.is_none())
    }

    fn have_all_ended(&self) -> bool {
        self.pods.values().all(|followed| followed.concluded.is_some())
    }

    /// How each pod ended and when. A pod that has not ended did not before the run was given up because of `why`.
    pub fn conclude(self, now: Duration, why: &str) -> BTreeMap<String, (Duration, Conclusion)> {
        let given_up = || {
            let trouble = trouble(Phase::Run, "NotWatched", why);
            (now, Conclusion::Ended(Ended::Failed(trouble)))
        };
        self.pods.into_iter().map(|(name, pod)| (name, pod.concluded.unwrap_or_else(given_up))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LIMITS: Limits = Limits { start: Duration::from_secs(45), run: Duration::from_secs(10) };

    fn pod(name: &str, state: &Value) -> Pod {
        let container = json!({
            "name": "probe", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        });
        serde_json::from_value(json!({
            "metadata": {"name": name}, "spec": {"nodeName": "n", "containers": []},
            "status": {"containerStatuses": [container]},
        }))
        .unwrap()
    }

    fn event(pod: &str, reason: &str) -> Event {
        serde_json::from_value(
            json!({"metadata": {}, "involvedObject": {"name": pod}, "reason": reason, "message": "m"}),
        )
        .unwrap()
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn text(conclusion: &Conclusion) -> String {
        match conclusion {
            Conclusion::Ended(Ended::Failed(trouble)) => trouble.to_text(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_pod_ends_by_its_status_an_event_or_its_time() {
        let names = ["pull", "sandbox", "mount", "slow", "lost"].map(str::to_owned);
        let mut tracker = Tracker::new(LIMITS, names);
        let running = || json!({"running": {}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "w"}});
        assert!(!tracker.observe(&pod("pull", &waiting("ErrImagePull")), seconds(1)));
        assert!(!tracker.observe_event(&event("sandbox", "FailedCreatePodSandBox"), seconds(2)));
        assert!(!tracker.observe_event(&event("mount", "FailedMount"), seconds(2)));
        assert!(!tracker.observe(&pod("slow", &running()), seconds(3)));
        assert!(!tracker.observe(&pod("other", &running()), seconds(3)), "it is of another run");
        // It comes up after all, but it was reported before.
        assert!(!tracker.observe(&pod("pull", &running()), seconds(4)));
        // A running pod is not ended by an event.
        assert!(!tracker.observe_event(&event("slow", "FailedScheduling"), seconds(4)));
        assert!(!tracker.expire(seconds(12)));
        assert!(!tracker.expire(seconds(13)), "two have not started");
        assert!(tracker.is_waiting());
        assert!(tracker.expire(seconds(45)));
        let ended = tracker.conclude(seconds(46), "");
        let texts: Vec<_> =
            ended.iter().map(|(name, (at, how))| format!("{name} {}: {}", at.as_secs(), text(how))).collect();
        assert_eq!(
            texts,
            [
                "lost 45: StartTimeout: not started within 45 s: no status was received",
                "mount 45: StartTimeout: not started within 45 s: FailedMount: m",
                "pull 1: ErrImagePull: w",
                "sandbox 2: FailedCreatePodSandBox: m",
                "slow 13: Timeout: no report within 10 s",
            ]
        );
    }

    #[test]
    fn pods_that_are_not_watched_any_more_have_not_reported() {
        let tracker = Tracker::new(LIMITS, ["a".to_owned()]);
        let ended = tracker.conclude(seconds(1), "pods is forbidden");
        assert_eq!(text(&ended["a"].1), "NotWatched: pods is forbidden");
    }
}
