//! Fault rules: which requests fail, and how.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// The requests to which the rule applies. An absent field matches everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub method: Option<String>,
    /// A substring of path and query.
    #[serde(default)]
    pub path: Option<String>,
    /// An ECR API call, on both hosts of ECR.
    #[serde(default)]
    pub operation: Option<String>,
    /// How many matching requests pass before the rule starts.
    #[serde(default)]
    pub skip: u64,
    /// How many requests it then applies to; without it, all.
    #[serde(default)]
    pub times: Option<u64>,
    pub action: Action,
}

/// The effect of a rule on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// A response that replaces that of the front server.
    Status {
        status: u16,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        body: String,
    },
    /// The connection (over HTTP/2: the stream) closes after this number of bytes of the body.
    Cut {
        after: u64,
        #[serde(default)]
        of: Side,
    },
    /// One byte of the body is changed; 0 is the first.
    Corrupt {
        at: u64,
        #[serde(default)]
        of: Side,
    },
    /// The connection (over HTTP/2: the stream) closes without a response.
    Reset,
    /// There is never a response.
    Silence,
    /// The request waits before it is processed.
    Delay { milliseconds: u64 },
    /// The request waits until the rules are removed, and is then processed.
    Hold,
    /// The body is limited to this rate.
    Throttle {
        bytes_per_second: u64,
        #[serde(default)]
        of: Side,
    },
}

/// The body to which an action applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Request,
    #[default]
    Response,
}

/// The properties of a request that rules match.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub host: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub operation: Option<&'a str>,
}

/// A rule with its number of matched requests.
#[derive(Clone, Debug, Serialize)]
pub struct Armed {
    #[serde(flatten)]
    rule: Rule,
    matched: u64,
}

/// The rules of a front server.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Armed>>>,
    cleared: Arc<Notify>,
}

impl Faults {
    pub fn add(&self, rule: Rule) {
        self.lock().push(Armed { rule, matched: 0 });
    }

    pub fn clear(&self) {
        self.lock().clear();
        self.cleared.notify_waiters();
    }

    /// Completes when the rules are removed after this call, even if that happens before it is awaited.
    pub fn cleared(&self) -> OwnedNotified {
        Arc::clone(&self.cleared).notified_owned()
    }

    pub fn list(&self) -> Vec<Armed> {
        self.lock().clone()
    }

    /// The effects on a request, in the order of the rules; counts the request.
    pub fn actions(&self, subject: Subject<'_>) -> Vec<Action> {
        let mut rules = self.lock();
        let mut actions = Vec::new();
        for armed in rules.iter_mut().filter(|armed| armed.rule.matches(subject)) {
            armed.matched += 1;
            let begun = armed.matched > armed.rule.skip;
            let over = armed.rule.times.is_some_and(|times| armed.matched > armed.rule.skip + times);
            if begun && !over {
                actions.push(armed.rule.action.clone());
            }
        }
        actions
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    /// A rule that matches every request, as a base for narrower ones.
    pub fn always(action: Action) -> Self {
        Self { host: None, method: None, path: None, operation: None, skip: 0, times: None, action }
    }

    fn matches(&self, subject: Subject<'_>) -> bool {
        self.host.as_deref().is_none_or(|host| host == subject.host)
            && self.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(subject.method))
            && self.path.as_deref().is_none_or(|part| subject.path.contains(part))
            && self.operation.as_deref().is_none_or(|operation| subject.operation == Some(operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> = Subject {
        host: "ghcr.io",
        method: "GET",
        path: "/v2/a/manifests/v1?x=1",
        operation: Some("BatchGetImage"),
    };

    #[test]
    fn a_rule_skips_then_applies_then_stops() {
        let faults = Faults::default();
        faults.add(Rule { skip: 1, times: Some(2), ..Rule::always(Action::Reset) });
        let hits: Vec<bool> = (0..5).map(|_| !faults.actions(SUBJECT).is_empty()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
    }

    #[test]
    fn every_given_field_must_match() {
        let rule = |json: &str| serde_json::from_str::<Rule>(json).unwrap();
        let cases = [
            (r#"{"action":{"kind":"silence"}}"#, true),
            (r#"{"host":"ghcr.io","path":"manifests/v1","action":{"kind":"reset"}}"#, true),
            (r#"{"host":"docker.io","action":{"kind":"reset"}}"#, false),
            (r#"{"method":"get","action":{"kind":"delay","milliseconds":5}}"#, true),
            (r#"{"path":"blobs","action":{"kind":"hold"}}"#, false),
            (r#"{"method":"PUT","action":{"kind":"cut","after":9,"of":"request"}}"#, false),
            (r#"{"operation":"BatchGetImage","action":{"kind":"corrupt","at":0}}"#, true),
            (r#"{"operation":"PutImage","action":{"kind":"status","status":429}}"#, false),
        ];
        for (json, expected) in cases {
            assert_eq!(rule(json).matches(SUBJECT), expected, "{json}");
        }
    }
}
