//! The fixtures: the workloads in the cluster at the start, and when they are settled.

pub mod crowd;
mod template;

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::settings::Fixture;

const SETTLE_LIMIT: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(200);

/// Manifests of one owner, and how that owner applies them, which shows in `managedFields` and in
/// the annotation of `kubectl apply`.
pub struct Manifests {
    pub yaml: &'static str,
    command: &'static [&'static str],
}

const AMAZON: Manifests =
    Manifests { yaml: include_str!("amazon.yaml"), command: &["create", "--field-manager=eks"] };
const CASTAI: Manifests =
    Manifests { yaml: include_str!("castai.yaml"), command: &["create", "--field-manager=helm"] };
const KVISOR_AGENT: Manifests =
    Manifests { yaml: include_str!("kvisor_agent.yaml"), command: &["create", "--field-manager=helm"] };
const KVISOR_AGENT_WITH_GPU: Manifests =
    Manifests { yaml: include_str!("kvisor_agent_gpu.yaml"), command: &["create", "--field-manager=helm"] };
const COMPONENTS: Manifests =
    Manifests { yaml: include_str!("components.yaml"), command: &["create", "--field-manager=helm"] };
const CUSTOMER: Manifests = Manifests { yaml: include_str!("customer.yaml"), command: &["apply"] };
const LOOKALIKES: Manifests = Manifests { yaml: include_str!("lookalikes.yaml"), command: &["apply"] };

/// The manifests of `fixture`, in the order in which they are applied.
pub fn manifests(fixture: Fixture) -> &'static [Manifests] {
    match fixture {
        Fixture::FirstCluster | Fixture::LargeCluster => &[AMAZON, CUSTOMER, CASTAI, KVISOR_AGENT],
        Fixture::Empty => &[AMAZON, CUSTOMER],
        Fixture::WholeCluster => &[AMAZON, CUSTOMER, LOOKALIKES, CASTAI, KVISOR_AGENT_WITH_GPU, COMPONENTS],
    }
}

/// Applies `fixture` to an empty cluster with the `kubectl` of `tools`, and waits until it is settled.
pub async fn apply(fixture: Fixture, tools: &Path, kubeconfig: &Path) -> anyhow::Result<()> {
    for manifests in manifests(fixture) {
        let arguments = [manifests.command, &["-f", "-"]].concat();
        kubectl(tools, kubeconfig, &arguments, manifests.yaml).await.context("applying the fixture")?;
    }
    let end = Instant::now() + SETTLE_LIMIT;
    let mut rested = HashSet::new();
    loop {
        let kinds = "nodes,deployments,daemonsets,statefulsets,pods";
        let list = kubectl(tools, kubeconfig, &["get", kinds, "-A", "-o", "json"], "").await?;
        let Err(reason) = settled(&serde_json::from_slice(&list)?, &mut rested) else {
            return Ok(());
        };
        if Instant::now() > end {
            bail!("the fixture is not settled after {} s: {reason}", SETTLE_LIMIT.as_secs());
        }
        sleep(PAUSE).await;
    }
}

async fn kubectl(
    tools: &Path,
    kubeconfig: &Path,
    arguments: &[&str],
    input: &str,
) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new(tools.join("kubectl"))
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting kubectl")?;
    let mut stdin = child.stdin.take().context("kubectl has no input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// Whether every controller has finished and every pod is settled, either running or unable to start; else what is
/// still in progress. In a cluster without nodes, pods only have to exist. `rested` contains pods that were settled
/// once: pods that cannot start keep retrying, and with many pods there is always one that retries.
fn settled(list: &Value, rested: &mut HashSet<String>) -> Result<(), String> {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_nodes = items.iter().any(|item| item["kind"] == "Node");
    for item in items {
        let (spec, status) = (&item["spec"], &item["status"]);
        let observed = status["observedGeneration"] == item["metadata"]["generation"];
        let rests = match item["kind"].as_str().unwrap_or_default() {
            "Deployment" | "StatefulSet" => {
                // If there are no replicas, the status omits the field.
                observed && status["replicas"].as_u64().unwrap_or_default() == spec["replicas"]
            }
            "DaemonSet" => observed && status["currentNumberScheduled"] == status["desiredNumberScheduled"],
            "Pod" => {
                let uid = item["metadata"]["uid"].as_str().unwrap_or_default();
                if is_settled_pod(item) {
                    rested.insert(uid.to_owned());
                }
                !has_nodes || rested.contains(uid)
            }
            _ => true,
        };
        if !rests {
            let (kind, metadata) = (&item["kind"], &item["metadata"]);
            return Err(format!("{kind} {} in {} is on its way", metadata["name"], metadata["namespace"]));
        }
    }
    Ok(())
}

fn is_settled_pod(pod: &Value) -> bool {
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return true;
    }
    let statuses = |field: &str| pod["status"][field].as_array().cloned().unwrap_or_default();
    let count = |field: &str| pod["spec"][field].as_array().map_or(0, Vec::len);
    let (init, main) = (statuses("initContainerStatuses"), statuses("containerStatuses"));
    if init.len() != count("initContainers") || main.len() != count("containers") {
        return false;
    }
    // While an init container cannot start, the containers after it wait in state PodInitializing.
    init.iter().any(is_stuck)
        || main.iter().all(|status| is_stuck(status) || status["ready"] == true || is_terminated(status))
}

fn is_stuck(status: &Value) -> bool {
    matches!(status["state"]["waiting"]["reason"].as_str(), Some("ImagePullBackOff" | "CrashLoopBackOff"))
}

fn is_terminated(status: &Value) -> bool {
    !status["state"]["terminated"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(init: &Value, main: &Value) -> Value {
        json!({
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"initContainers": [{}], "containers": [{}]},
            "status": {"initContainerStatuses": [init], "containerStatuses": [main]},
        })
    }

    #[test]
    fn a_pod_is_settled_when_it_runs_or_cannot_start() {
        let done = json!({"state": {"terminated": {"exitCode": 0}}});
        let ready = json!({"ready": true, "state": {"running": {}}});
        let waiting = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
        for (init, main, still) in [
            (&done, &ready, true),
            (&done, &waiting("ImagePullBackOff"), true),
            (&done, &waiting("CrashLoopBackOff"), true),
            (&waiting("ImagePullBackOff"), &waiting("PodInitializing"), true),
            (&done, &waiting("ContainerCreating"), false),
            (&done, &waiting("ErrImagePull"), false),
            (&json!({"state": {"running": {}}}), &waiting("PodInitializing"), false),
            (&done, &json!({"ready": false, "state": {"running": {}}}), false),
        ] {
            assert_eq!(is_settled_pod(&pod(init, main)), still, "{init} {main}");
        }
    }

    #[test]
    fn without_nodes_pods_need_not_start() {
        let pending = pod(&Value::Null, &json!({"state": {"waiting": {"reason": "ContainerCreating"}}}));
        assert!(settled(&json!({"items": [pending]}), &mut HashSet::new()).is_ok());
        assert!(settled(&json!({"items": [{"kind": "Node"}, pending]}), &mut HashSet::new()).is_err());
    }

    #[test]
    fn a_pod_that_cannot_start_may_retry_after_it_has_settled() {
        let waiting = |reason: &str| {
            json!({"items": [
                {"kind": "Node"},
                pod(&json!({"state": {"terminated": {"exitCode": 0}}}), &json!({"state": {"waiting": {"reason": reason}}})),
            ]})
        };
        let mut rested = HashSet::new();
        assert!(settled(&waiting("ErrImagePull"), &mut rested).is_err());
        assert!(settled(&waiting("ImagePullBackOff"), &mut rested).is_ok());
        assert!(settled(&waiting("ErrImagePull"), &mut rested).is_ok());
    }

    #[test]
    fn a_workload_is_settled_when_its_controller_has_created_its_pods() {
        let of = |wanted: u8, status: Value| {
            json!({"items": [{
                "kind": "Deployment",
                "metadata": {"name": "d", "namespace": "n", "generation": 2},
                "spec": {"replicas": wanted},
                "status": status,
            }]})
        };
        let deployment =
            |observed: u8, replicas: u8| of(2, json!({"observedGeneration": observed, "replicas": replicas}));
        assert!(settled(&of(0, json!({"observedGeneration": 2})), &mut HashSet::new()).is_ok());
        assert!(settled(&deployment(2, 2), &mut HashSet::new()).is_ok());
        assert!(settled(&deployment(1, 2), &mut HashSet::new()).is_err());
        assert!(settled(&deployment(2, 1), &mut HashSet::new()).is_err());
    }
}
