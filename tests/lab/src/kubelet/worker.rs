//! The worker of one pod: carries out the decisions of [`lifecycle`](super::lifecycle) and reports the status.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodStatus};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::container::{self, Network, Output};
use super::events::Notice;
use super::image::Name;
use super::lifecycle::{Change, Missing, Next, Record, Role, State, containers, next};
use super::node::Host;
use super::pod_files;
use super::pull::{Pull, Pulled, hex, unreachable};
use super::status::{Addresses, patch, pod_name, status};
use super::unpack::{ENTRYPOINT, Program};
use super::{Shared, lock};

/// Delay before an API call that failed is retried.
const RETRY: Duration = Duration::from_millis(200);
/// Delay before a sandbox or a volume that failed is retried.
const SANDBOX_RETRY: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) host: Arc<Host>,
    pub(super) pods: watch::Receiver<Arc<Pod>>,
    /// In the order of [`containers`]; the log server reads them too.
    pub(super) records: Arc<Mutex<Vec<Record>>>,
    pub(super) addresses: Addresses,
    pub(super) reported: Option<PodStatus>,
    /// Programs that run, by the position of their container and its id; dropping the worker kills them.
    pub(super) programs: JoinSet<(usize, String, Output)>,
}

impl Worker {
    /// Ends when the pod is gone.
    pub(super) async fn run(mut self) {
        loop {
            let pod = self.pods.borrow_and_update().clone();
            if pod.metadata.deletion_timestamp.is_some() {
                return self.remove(&pod).await;
            }
            let phase = self.reported.as_ref().and_then(|status| status.phase.as_deref());
            if matches!(phase, Some("Succeeded" | "Failed")) {
                if self.pods.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.follow_spec(&pod);
            if !self.report(&pod).await {
                return;
            }
            let step = {
                let records = lock(&self.records);
                next(&pod, &records, &lock(&self.shared.delays), Timestamp::now())
            };
            match step {
                Next::Now(index, Change::Start) => self.start(&pod, index).await,
                Next::Now(index, change) => self.change(&pod, index, change),
                Next::At(time) => {
                    let wait = Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default();
                    let _ = tokio::time::timeout(wait, self.change_or_exit()).await;
                }
                Next::Never => {
                    if !self.change_or_exit().await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until the pod changes or a program exits. `false`: the pod is gone.
    async fn change_or_exit(&mut self) -> bool {
        tokio::select! {
            changed = self.pods.changed() => changed.is_ok(),
            Some(Ok((index, id, output))) = self.programs.join_next() => {
                lock(&self.records)[index].finish(&id, output, Timestamp::now());
                true
            }
        }
    }

    /// Applies image changes in the pod itself.
    fn follow_spec(&self, pod: &Pod) {
        for ((role, container), record) in containers(pod).zip(lock(&self.records).iter_mut()) {
            let image = container.image.as_deref().unwrap_or_default();
            // An init container that has succeeded is not run again.
            let is_done =
                role == Role::Init && matches!(&record.state, State::Exited(exit) if exit.code == 0);
            if record.image == image || is_done {
                continue;
            }
            if record.is_running() {
                let message = format!("Container {} definition changed, will be restarted", record.name);
                self.record_event(pod, role, container, Notice::normal("Killing", message));
            }
            record.change_image(image, Timestamp::now());
        }
    }

    /// Pulls the image of a container and starts it, unless the pod is changed meanwhile.
    async fn start(&mut self, pod: &Pod, index: usize) {
        let Some((role, container)) = containers(pod).nth(index) else {
            return;
        };
        if let Some(message) = self.sandbox_failure(pod) {
            self.shared.recorder.record(
                pod,
                &self.host.node.name,
                "",
                Notice::warning("FailedCreatePodSandBox", message),
            );
            let _ = tokio::time::timeout(SANDBOX_RETRY, self.pods.changed()).await;
            return;
        }
        let mut pods = self.pods.clone();
        let outcome = tokio::select! {
            outcome = self.image(pod, role, container) => outcome,
            () = superseded(&mut pods, pod) => return,
        };
        let now = Timestamp::now();
        match outcome {
            Ok(pulled) => {
                let probed = container.readiness_probe.is_some();
                let id = hex(&rand::random::<[u8; 32]>());
                if let Some(program) = &pulled.program {
                    match self.program(pod, container, program, &id).await {
                        Ok(program) => {
                            let id = id.clone();
                            self.programs.spawn(async move { (index, id, program.run().await) });
                        }
                        Err(message) => {
                            let notice = Notice::warning("FailedMount", message);
                            self.shared.recorder.record(pod, &self.host.node.name, "", notice);
                            let _ = tokio::time::timeout(SANDBOX_RETRY, self.pods.changed()).await;
                            return;
                        }
                    }
                }
                lock(&self.records)[index].start(id, pulled, probed, now);
                self.record_event(
                    pod,
                    role,
                    container,
                    Notice::normal("Created", "Container created".into()),
                );
                self.record_event(
                    pod,
                    role,
                    container,
                    Notice::normal("Started", "Container started".into()),
                );
            }
            Err((missing, message)) => {
                let error = format!("Error: {}", missing.reason());
                self.record_event(pod, role, container, Notice::warning("Failed", error));
                lock(&self.records)[index].fail_pull(missing, message, now);
            }
        }
    }

    fn sandbox_failure(&self, pod: &Pod) -> Option<String> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let rules = lock(&self.shared.failing_sandboxes);
        rules.iter().find(|rule| rule.applies(&self.host.node.name, name)).map(|rule| rule.message.clone())
    }

    /// The container as it really runs; the error is the kubelet's message on a volume.
    async fn program(
        &self,
        pod: &Pod,
        container: &Container,
        program: &Arc<Program>,
        id: &str,
    ) -> Result<container::Container, String> {
        let mut files = pod_files::mounted(&self.shared.client, pod, container).await?;
        files.insert("/etc/resolv.conf".into(), pod_files::resolv_conf(pod).into_bytes());
        let node = &self.host.node;
        let links = lock(&self.shared.silent_links);
        let silent = links.iter().filter(|link| link.applies(&node.name, &node.zone));
        let silent = silent.flat_map(|link| link.to.clone()).collect();
        let on_host = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or_default();
        let entrypoint = container.command.clone().unwrap_or_else(|| vec![ENTRYPOINT.to_owned()]);
        let values = container.env.iter().flatten();
        Ok(container::Container {
            program: program.clone(),
            root: self.shared.folder.join(&id[..16]),
            command: entrypoint.into_iter().chain(container.args.clone().unwrap_or_default()).collect(),
            environment: values
                .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
                .collect(),
            files,
            termination_log: container
                .termination_message_path
                .as_deref()
                .unwrap_or("/dev/termination-log")
                .into(),
            network: (!on_host).then_some(Network { address: self.addresses.pod, silent }),
        })
    }

    /// Gets the image as the container's pull policy requires. The error is the waiting reason and its message.
    async fn image(&self, pod: &Pod, role: Role, container: &Container) -> Result<Pulled, (Missing, String)> {
        let image = container.image.as_deref().unwrap_or_default();
        let name = Name::parse(image).map_err(|why| {
            let message = format!("Failed to apply default image tag \"{image}\": {why}");
            self.record_event(pod, role, container, Notice::warning("InspectFailed", message.clone()));
            (Missing::InvalidName, message)
        })?;
        // The API server has set the default of the policy.
        let policy = container.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
        let present = lock(&self.host.images).get(image).cloned();
        if let (Some(pulled), "IfNotPresent" | "Never") = (present, policy) {
            let message = format!(
                "Container image \"{image}\" already present on machine and can be accessed by the pod"
            );
            self.record_event(pod, role, container, Notice::normal("Pulled", message));
            return Ok(pulled);
        }
        if policy == "Never" {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            self.record_event(pod, role, container, Notice::warning("ErrImageNeverPull", message.clone()));
            return Err((Missing::NeverPull, message));
        }
        self.record_event(
            pod,
            role,
            container,
            Notice::normal("Pulling", format!("Pulling image \"{image}\"")),
        );
        let asked = Instant::now();
        let turn = self.host.pulling.lock().await;
        let begun = Instant::now();
        let result = self.pull(image, &name).await;
        drop(turn);
        match result {
            Ok(pulled) => {
                let message = format!(
                    "Successfully pulled image \"{image}\" in {}ms ({}ms including waiting). \
                     Image size: {} bytes.",
                    begun.elapsed().as_millis(),
                    asked.elapsed().as_millis(),
                    pulled.size
                );
                self.record_event(pod, role, container, Notice::normal("Pulled", message));
                lock(&self.host.images).insert(image.to_owned(), pulled.clone());
                Ok(pulled)
            }
            Err(why) => {
                let message = format!("Failed to pull image \"{image}\": {why}");
                self.record_event(pod, role, container, Notice::warning("Failed", message));
                Err((Missing::Pull, why))
            }
        }
    }

    async fn pull(&self, image: &str, name: &Name) -> Result<Pulled, String> {
        // The sender lives as long as the shared state.
        let _ = self.shared.paused.subscribe().wait_for(|paused| !paused).await;
        let node = &self.host.node;
        let failing = lock(&self.shared.failing).iter().find(|rule| rule.applies(&node.name, image)).cloned();
        if let Some(rule) = failing {
            return Err(rule.message);
        }
        if let Some(registry) = self.shared.registries.iter().find(|registry| registry.host == name.host) {
            let http = &self.shared.http;
            return Pull { http, registry, name, architecture: &node.architecture }.run().await;
        }
        if self.shared.assumed.iter().any(|pattern| super::matches(pattern, &name.host)) {
            return Ok(Pulled::assumed(name));
        }
        Err(unreachable(name))
    }

    /// All steps that need no image.
    fn change(&self, pod: &Pod, index: usize, change: Change) {
        let Some((role, container)) = containers(pod).nth(index) else {
            return;
        };
        let mut records = lock(&self.records);
        let record = &mut records[index];
        match (&mut record.state, change) {
            (State::NoImage { missing, .. }, Change::BackOff) => {
                *missing = Missing::BackOff;
                let message = format!("Back-off pulling image \"{}\"", record.image);
                self.record_event(pod, role, container, Notice::normal("BackOff", message));
                self.record_event(
                    pod,
                    role,
                    container,
                    Notice::warning("Failed", "Error: ImagePullBackOff".into()),
                );
            }
            (State::Running { ready, .. }, Change::Ready) => *ready = true,
            (State::Exited(exit), Change::CrashLoop) => {
                record.state = State::CrashLoop(exit.clone());
                let message = format!(
                    "Back-off restarting failed container {} in pod {}",
                    container.name,
                    pod_name(pod)
                );
                self.record_event(pod, role, container, Notice::warning("BackOff", message));
            }
            (_, Change::Exit(code)) => record.exit(code, Timestamp::now()),
            _ => {}
        }
    }

    /// Writes the pod's status if it differs from the last written one. `false`: the pod is deleted.
    async fn report(&mut self, pod: &Pod) -> bool {
        let current =
            status(pod, &lock(&self.records), self.reported.as_ref(), self.addresses, Timestamp::now());
        if self.reported.as_ref() == Some(&current) {
            return true;
        }
        let patch = patch(pod, &current);
        let (pods, name) = self.api(pod);
        loop {
            match pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(&patch)).await {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return false,
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
                    eprintln!("lab: the status of pod {} was rejected: {}", pod_name(pod), status.message);
                    break;
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
        self.reported = Some(current);
        true
    }

    /// Completes the deletion of a pod.
    async fn remove(mut self, pod: &Pod) {
        self.programs.shutdown().await;
        for ((role, container), record) in containers(pod).zip(lock(&self.records).iter()) {
            if record.is_running() {
                let message = format!("Stopping container {}", container.name);
                self.record_event(pod, role, container, Notice::normal("Killing", message));
            }
        }
        let (pods, name) = self.api(pod);
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams::default().grace_period(0).preconditions(preconditions);
        loop {
            match pods.delete(&name, &parameters).await {
                Ok(_) => return,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    fn api(&self, pod: &Pod) -> (Api<Pod>, String) {
        let metadata = &pod.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        (Api::namespaced(self.shared.client.clone(), namespace), metadata.name.clone().unwrap_or_default())
    }

    fn record_event(&self, pod: &Pod, role: Role, container: &Container, notice: Notice) {
        let list = if role == Role::Main { "containers" } else { "initContainers" };
        let field = format!("spec.{list}{{{}}}", container.name);
        self.shared.recorder.record(pod, &self.host.node.name, &field, notice);
    }
}

/// Waits until the pod is deleted or its images are changed.
async fn superseded(pods: &mut watch::Receiver<Arc<Pod>>, before: &Pod) {
    let images =
        |pod: &Pod| containers(pod).map(|(_, container)| container.image.clone()).collect::<Vec<_>>();
    let wanted = images(before);
    // A closed channel means that the pod is deleted; the main loop handles that.
    let _ = pods.wait_for(|pod| pod.metadata.deletion_timestamp.is_some() || images(pod) != wanted).await;
}
