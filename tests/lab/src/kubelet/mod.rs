//! A simulated kubelet: nodes that pull from the lab's registries and report what a kubelet reports.
//!
//! A label in the image's config defines what a container does, and no process is run, except for images whose entry
//! point is [`unpack::ENTRYPOINT`]: their program really runs, in the pod's network.

mod adopt;
mod container;
mod control;
mod events;
mod image;
mod lifecycle;
mod logs;
mod node;
mod pod_files;
mod pull;
mod status;
mod unpack;
mod worker;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use control::{FailingPull, FailingSandbox, SilentLink};
pub use lifecycle::{BackOff, Delays};
pub use node::Node;
pub(crate) use node::{NODES, instance_id};
pub use pull::{NodeToken, Registry};

use crate::pki::Identity;
use crate::serve;

/// The port of a kubelet's own server.
const PORT: u16 = 10250;

/// The settings of the simulated kubelet.
pub struct Settings {
    /// With the permissions of `system:masters`.
    pub client: kube::Client,
    pub nodes: Vec<Node>,
    /// Trusts the lab's authority and resolves the registries' names.
    pub http: reqwest::Client,
    /// Registries of the lab that nodes reach. All others are on the internet: pulls time out.
    pub registries: Vec<Registry>,
    /// Hosts (`*` matches any characters) that nodes reach although the lab has no server for them: their
    /// images always exist and always run.
    pub assumed: Vec<String>,
    /// Certificate of the nodes' own servers.
    pub identity: Identity,
    pub delays: Delays,
    /// For the root folders of containers that really run.
    pub folder: PathBuf,
}

/// All nodes of the lab, running until the lab ends.
pub struct Kubelet {
    shared: Arc<Shared>,
}

struct Shared {
    client: kube::Client,
    http: reqwest::Client,
    registries: Vec<Registry>,
    assumed: Vec<String>,
    hosts: BTreeMap<String, Arc<node::Host>>,
    pods: Mutex<HashMap<(String, String), Handle>>,
    recorder: events::Recorder,
    delays: Mutex<Delays>,
    failing: Mutex<Vec<FailingPull>>,
    failing_sandboxes: Mutex<Vec<FailingSandbox>>,
    silent_links: Mutex<Vec<SilentLink>>,
    folder: PathBuf,
    paused: watch::Sender<bool>,
}

/// A pod that is being run.
struct Handle {
    uid: Option<String>,
    pods: watch::Sender<Arc<Pod>>,
    records: Arc<Mutex<Vec<lifecycle::Record>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Kubelet {
    /// Registers the nodes, starts their servers and begins to run pods.
    ///
    /// Fails if a node's address is not on this machine, or if the API server rejects a node.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let hosts = settings.nodes.into_iter().enumerate().map(|(index, node)| {
            let name = node.name.clone();
            (name, Arc::new(node::Host::new(index, node)))
        });
        let shared = Arc::new(Shared {
            recorder: events::Recorder::start(settings.client.clone()),
            client: settings.client,
            http: settings.http,
            registries: settings.registries,
            assumed: settings.assumed,
            hosts: hosts.collect(),
            pods: Mutex::default(),
            delays: Mutex::new(settings.delays),
            failing: Mutex::default(),
            failing_sandboxes: Mutex::default(),
            silent_links: Mutex::default(),
            folder: settings.folder,
            paused: watch::Sender::new(false),
        });
        let tls = settings.identity.server()?;
        for host in shared.hosts.values() {
            let address = SocketAddr::from((host.node.address, PORT));
            serve::https(address, tls.clone(), logs::router(shared.clone())).await.with_context(|| {
                format!("opening the server of node {}: is its address on this machine?", host.node.name)
            })?;
        }
        futures::future::try_join_all(shared.hosts.values().map(|host| host.register(&shared.client)))
            .await?;
        for host in shared.hosts.values() {
            let (host, client) = (host.clone(), shared.client.clone());
            tokio::spawn(async move { host.live(&client).await });
        }
        if !shared.hosts.is_empty() {
            tokio::spawn(run(shared.clone()));
        }
        Ok(Self { shared })
    }

    /// The routes with which the lab's control API controls the nodes.
    pub fn control(&self) -> Router {
        control::router(self.shared.clone())
    }
}

/// Watches the pods of all nodes.
async fn run(shared: Arc<Shared>) {
    let pods = Api::<Pod>::all(shared.client.clone());
    let bound = watcher::Config::default().fields("spec.nodeName!=");
    let mut stream = watcher(pods, bound).default_backoff().boxed();
    let mut listed = HashSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Apply(pod)) => apply(&shared, pod),
            Ok(watcher::Event::Delete(pod)) => forget(&shared, &pod),
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(pod)) => {
                listed.insert(key(&pod));
                apply(&shared, pod);
            }
            Ok(watcher::Event::InitDone) => {
                lock(&shared.pods).retain(|key, handle| {
                    let stays = listed.contains(key);
                    if !stays {
                        handle.task.abort();
                    }
                    stays
                });
            }
            // The API server cannot be reached: the watcher retries.
            Err(_) => {}
        }
    }
}

fn key(pod: &Pod) -> (String, String) {
    (pod.metadata.namespace.clone().unwrap_or_default(), pod.metadata.name.clone().unwrap_or_default())
}

/// Passes a new or changed pod to its worker.
fn apply(shared: &Arc<Shared>, pod: Pod) {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    let Some(host) = shared.hosts.get(&node) else {
        return;
    };
    let mut pods = lock(&shared.pods);
    let key = key(&pod);
    if let Some(handle) = pods.get(&key) {
        if handle.uid == pod.metadata.uid {
            handle.pods.send_replace(Arc::new(pod));
            return;
        }
        handle.task.abort();
    }
    let records = Arc::new(Mutex::new(adopt::adopt(&pod)));
    for record in lock(&records).iter() {
        if let (Some(pulled), true) = (&record.pulled, record.is_running()) {
            lock(&host.images).insert(record.image.clone(), pulled.clone());
        }
    }
    let uid = pod.metadata.uid.clone();
    let addresses = addresses(host, &pod);
    let reported = pod.status.clone().filter(|status| status.pod_ip.is_some());
    let (sender, receiver) = watch::channel(Arc::new(pod));
    let worker = worker::Worker {
        shared: shared.clone(),
        host: host.clone(),
        pods: receiver,
        records: records.clone(),
        addresses,
        reported,
        programs: JoinSet::new(),
    };
    let task = tokio::spawn(worker.run());
    pods.insert(key, Handle { uid, pods: sender, records, task });
}

fn addresses(host: &node::Host, pod: &Pod) -> status::Addresses {
    let on_host = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or_default();
    let reported = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()?.parse().ok());
    let pod_address = match reported {
        _ if on_host => host.node.address,
        Some(address) => {
            host.reserve(address);
            address
        }
        None => host.pod_address(),
    };
    status::Addresses { host: host.node.address, pod: pod_address }
}

fn forget(shared: &Shared, pod: &Pod) {
    let mut pods = lock(&shared.pods);
    let key = key(pod);
    if pods.get(&key).is_some_and(|handle| handle.uid == pod.metadata.uid)
        && let Some(handle) = pods.remove(&key)
    {
        handle.task.abort();
    }
}

/// Locks what no panic can leave half changed: every change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `text` matches `pattern`, in which `*` matches any characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices()
                .map(|(position, _)| position)
                .chain([text.len()])
                .any(|position| matches(rest, &text[position..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("602401143452.dkr.ecr.*", "602401143452.dkr.ecr.us-east-1.amazonaws.com", true),
            ("602401143452.dkr.ecr.*", "123456789012.dkr.ecr.us-east-1.amazonaws.com", false),
            ("*/agent:*", "ghcr.io/castai/agent:v1", true),
            ("*", "", true),
            ("agent", "agents", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
