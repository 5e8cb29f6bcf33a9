//! Events about pods, with a count instead of repetitions, like the kubelet's recorder.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Repetitions of one event are written at most this often; their count is always right.
const REPEAT: Duration = Duration::from_secs(5);

/// An event of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Notice {
    pub(super) fn normal(reason: &'static str, message: String) -> Self {
        Self { warning: false, reason, message }
    }

    pub(super) fn warning(reason: &'static str, message: String) -> Self {
        Self { warning: true, reason, message }
    }
}

struct Occurrence {
    namespace: String,
    pod: Value,
    host: String,
    notice: Notice,
    at: Timestamp,
}

/// Passes events to the task that writes them; pods do not wait for it.
#[derive(Clone)]
pub(super) struct Recorder(mpsc::UnboundedSender<Occurrence>);

impl Recorder {
    pub(super) fn start(client: kube::Client) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut journal = Journal { client, known: HashMap::new() };
            while let Some(occurrence) = receiver.recv().await {
                journal.write(&occurrence).await;
            }
        });
        Self(sender)
    }

    /// Records `notice` about the container of `pod` at `field` (such as `spec.containers{agent}`).
    pub(super) fn record(&self, pod: &Pod, host: &str, field: &str, notice: Notice) {
        let metadata = &pod.metadata;
        let occurrence = Occurrence {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            pod: json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "fieldPath": field,
            }),
            host: host.to_owned(),
            notice,
            at: Timestamp::now(),
        };
        // The writer ends only with the lab.
        let _ = self.0.send(occurrence);
    }
}

struct Journal {
    client: kube::Client,
    known: HashMap<String, Known>,
}

struct Known {
    name: String,
    count: i32,
    written: Instant,
}

impl Journal {
    async fn write(&mut self, occurrence: &Occurrence) {
        let Occurrence { namespace, pod, notice, .. } = occurrence;
        let key = format!("{} {} {} {}", pod["uid"], pod["fieldPath"], notice.reason, notice.message);
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        if let Some(known) = self.known.get_mut(&key) {
            known.count += 1;
            if known.written.elapsed() < REPEAT {
                return;
            }
            known.written = Instant::now();
            let patch = json!({"count": known.count, "lastTimestamp": format!("{:.0}", occurrence.at)});
            let patched = events.patch(&known.name, &PatchParams::default(), &Patch::Merge(patch)).await;
            match patched {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                _ => return,
            }
        }
        let name = format!("{}.{:016x}", pod["name"].as_str().unwrap_or_default(), rand::random::<u64>());
        let Ok(event) = serde_json::from_value(event(&name, occurrence)) else {
            return;
        };
        // Events of a namespace that is being deleted are rejected, and not needed.
        if events.create(&PostParams::default(), &event).await.is_ok() {
            self.known.insert(key, Known { name, count: 1, written: Instant::now() });
        }
    }
}

fn event(name: &str, occurrence: &Occurrence) -> Value {
    let Occurrence { namespace, pod, host, notice, at } = occurrence;
    json!({
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": pod,
        "type": if notice.warning { "Warning" } else { "Normal" },
        "reason": notice.reason,
        // The API server accepts no longer message.
        "message": notice.message.chars().take(1024).collect::<String>(),
        "count": 1,
        "firstTimestamp": format!("{at:.0}"),
        "lastTimestamp": format!("{at:.0}"),
        "source": {"component": "kubelet", "host": host},
        "reportingComponent": "kubelet",
        "reportingInstance": host,
    })
}
