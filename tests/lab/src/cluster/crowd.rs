//! Many workloads in addition to the first cluster, all settled: for measuring a large cluster.
//!
//! One object of each kind is created through the API server, with the defaults, `managedFields` and status of a real
//! cluster. Its stored form is then copied directly into etcd, with other numbers of the same width as
//! names, uids and owners. This takes minutes less than sixty thousand requests, and gives the same result each time.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::template;

/// Workloads of each kind: 5,000 together. Each Deployment also has its current and its previous ReplicaSet.
const DEPLOYMENTS: usize = 3_600;
const STATEFUL_SETS: usize = 600;
const DAEMON_SETS: usize = 80;
const CRON_JOBS: usize = 520;
const JOBS: usize = 200;
/// Pods of each Deployment and StatefulSet, and of each DaemonSet: 50,000 together.
const REPLICAS: usize = 10;
const DAEMONS: usize = 100;
const NODES: usize = 500;
const NAMESPACES: usize = 100;
/// Objects in one transaction of etcd, whose limit is 128.
const BATCH: usize = 64;
const WIDTH: usize = 4;

pub const SOURCES: &[&str] =
    &[include_str!("crowd.rs"), include_str!("template.rs"), include_str!("crowd.yaml")];

/// Fills a cluster whose controllers do not run. `etcd` is the address of its etcd.
pub async fn fill(client: &kube::Client, etcd: &str) -> anyhow::Result<()> {
    let store = Store { http: reqwest::Client::new(), etcd: format!("http://{etcd}/v3/kv") };
    let made = template::create(client).await?;
    let mut copies = Vec::new();
    let mut first = 0;
    for (kind, count) in [
        ("deployments", DEPLOYMENTS),
        ("statefulsets", STATEFUL_SETS),
        ("daemonsets", DAEMON_SETS),
        ("cronjobs", CRON_JOBS),
        ("jobs", JOBS),
    ] {
        let pods = match kind {
            "deployments" | "statefulsets" => REPLICAS,
            "daemonsets" => DAEMONS,
            _ => 0,
        };
        for template in made.iter().filter(|template| template.workload == kind) {
            let each = if template.is_pod { pods } else { 1 };
            let stored = store.read(&template.key, &template.uids).await?;
            copies.push((stored, first, count, each));
        }
        first += count;
    }
    for (kind, count) in [("minions", NODES), ("namespaces", NAMESPACES)] {
        for template in made.iter().filter(|template| template.workload == kind) {
            copies.push((store.read(&template.key, &template.uids).await?, 0, count, 1));
        }
    }
    let copies = copies.iter().flat_map(|(stored, first, count, each)| {
        (*first..first + count)
            .flat_map(move |workload| (0..*each).map(move |pod| (stored, Number { workload, pod })))
    });
    let batches = futures::stream::iter(copies).chunks(BATCH);
    batches.map(Ok).try_for_each_concurrent(WIDTH, |batch| store.write(batch)).await
}

/// Which copy of a template an object is.
#[derive(Clone, Copy)]
struct Number {
    workload: usize,
    pod: usize,
}

/// A value in a template that differs between copies.
#[derive(Clone, Copy)]
enum Mark {
    Workload,
    Namespace,
    Node,
    Pod,
    /// The uid of the object itself or of an owner: its position among the uids of its workload.
    Uid(usize),
}

impl Mark {
    /// With the same width as in the template.
    fn text(self, Number { workload, pod }: Number) -> String {
        match self {
            Self::Workload => format!("service-{workload:05}"),
            Self::Namespace => format!("team-{:02}", workload % NAMESPACES),
            Self::Node => format!("ip-10-1-0-{:03}", (workload + pod) % NODES),
            Self::Pod => format!("p{pod:04}"),
            // A pod's own uid is the last one, and is not used as an owner.
            Self::Uid(index) if index == template::POD_UID => {
                format!("{workload:08x}-0000-4000-9000-{pod:012x}")
            }
            Self::Uid(index) => format!("{workload:08x}-0000-4000-8000-{index:012x}"),
        }
    }
}

/// An object as it is stored, with its marks by position, in order.
struct Stored {
    key: Vec<u8>,
    value: Vec<u8>,
    in_key: Vec<(usize, Mark)>,
    in_value: Vec<(usize, Mark)>,
}

impl Stored {
    fn new(key: Vec<u8>, value: Vec<u8>, uids: &[String]) -> Self {
        let mut marks = vec![
            (template::WORKLOAD.to_owned(), Mark::Workload),
            (template::NAMESPACE.to_owned(), Mark::Namespace),
            (template::NODE.to_owned(), Mark::Node),
            (template::POD.to_owned(), Mark::Pod),
        ];
        marks.extend(uids.iter().enumerate().map(|(index, uid)| (uid.clone(), Mark::Uid(index))));
        let places = |bytes: &[u8]| {
            (0..bytes.len())
                .filter_map(|at| {
                    let here = &bytes[at..];
                    let (_, mark) = marks
                        .iter()
                        .find(|(text, _)| !text.is_empty() && here.starts_with(text.as_bytes()))?;
                    Some((at, *mark))
                })
                .collect()
        };
        Self { in_key: places(&key), in_value: places(&value), key, value }
    }

    fn copy(&self, number: Number) -> Value {
        let filled = |bytes: &[u8], places: &[(usize, Mark)]| {
            let mut bytes = bytes.to_vec();
            for (at, mark) in places {
                let text = mark.text(number);
                bytes[*at..at + text.len()].copy_from_slice(text.as_bytes());
            }
            STANDARD.encode(bytes)
        };
        json!({"requestPut": {"key": filled(&self.key, &self.in_key), "value": filled(&self.value, &self.in_value)}})
    }
}

/// etcd through its JSON gateway.
struct Store {
    http: reqwest::Client,
    etcd: String,
}

impl Store {
    async fn read(&self, key: &str, uids: &[String]) -> anyhow::Result<Stored> {
        let answer = self.ask("range", &json!({"key": STANDARD.encode(key)})).await?;
        let value = answer["kvs"][0]["value"].as_str().with_context(|| format!("etcd has no {key}"))?;
        Ok(Stored::new(key.as_bytes().to_vec(), STANDARD.decode(value)?, uids))
    }

    async fn write(&self, batch: Vec<(&Stored, Number)>) -> anyhow::Result<()> {
        let puts: Vec<_> = batch.into_iter().map(|(stored, number)| stored.copy(number)).collect();
        let answer = self.ask("txn", &json!({"success": puts})).await?;
        ensure!(answer["succeeded"] == true, "etcd refuses a transaction: {answer}");
        Ok(())
    }

    async fn ask(&self, call: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.http.post(format!("{}/{call}", self.etcd)).json(body).send().await?;
        Ok(answer.error_for_status().with_context(|| format!("etcd's {call}"))?.json().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_cluster_has_the_documented_size() {
        assert_eq!(DEPLOYMENTS + STATEFUL_SETS + DAEMON_SETS + CRON_JOBS + JOBS, 5_000);
        assert_eq!((DEPLOYMENTS + STATEFUL_SETS) * REPLICAS + DAEMON_SETS * DAEMONS, 50_000);
    }

    #[test]
    fn copies_differ_only_in_their_marks() {
        let uid = "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned();
        let value = format!("<{}/{} {uid}>", template::NAMESPACE, template::WORKLOAD);
        let stored = Stored::new(b"/registry/x/service-00000".to_vec(), value.into_bytes(), &[uid]);
        let copy = stored.copy(Number { workload: 142, pod: 0 });
        let text = |field: &str| {
            let bytes = STANDARD.decode(copy["requestPut"][field].as_str().unwrap()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(text("key"), "/registry/x/service-00142");
        assert_eq!(text("value"), "<team-42/service-00142 0000008e-0000-4000-8000-000000000000>");
    }
}
