//! Workloads that do not run, although their images are private and in the registry: never reported as good.

use std::time::Duration;

use lab::host::Lab;
use lab::registry::image::{Behaviour, Recipe};
use serde_json::json;

use crate::harness::{
    apply, assert_stderr_contains, eventually, kubectl, kubectl_json, own_lab, parse_json, plugin, publish,
    sync,
};

const AGENT: &str = "deployment.apps/castai-agent";

/// The number of pods that are ready, of one kind of workload.
fn ready(lab: &Lab, workload: &str) -> u64 {
    let status = kubectl_json(lab, &["get", workload, "-n", "castai-agent"])["status"].clone();
    status["readyReplicas"].as_u64().or_else(|| status["numberReady"].as_u64()).unwrap_or(0)
}

#[test]
fn images_that_no_pod_has_pulled_are_not_called_rolled_out() {
    let lab = &own_lab();
    let controller = "deployment.apps/castai-kvisor-controller";
    kubectl(lab, &["scale", "-n", "castai-agent", controller, "--replicas=0"]);
    eventually("no pod is left", || {
        let status = kubectl_json(lab, &["get", controller, "-n", "castai-agent"])["status"].clone();
        status["replicas"].as_u64().unwrap_or(0) == 0
    });
    let output = sync(lab, 0, &[]);
    let why = "0 replicas: no pod has pulled the image";
    let last = format!("; no pod has pulled the images of {controller} (0 replicas), cronjob.batch/");
    assert_stderr_contains(&output, &[&format!("{controller}: {why}\n"), &last]);
    let row = output.stdout.lines().find(|line| line.contains(controller)).unwrap_or_default();
    assert!(row.ends_with("image updated, not pulled yet"), "{}", output.stdout);
    // Nothing has proven them until the next run either.
    let again = sync(lab, 0, &[]);
    let remark = format!("; no pod has pulled the images of {controller} (0 replicas)");
    assert!(again.stdout.starts_with("up to date") && again.stdout.contains(&remark), "{}", again.stdout);
    let report = parse_json(&sync(lab, 0, &["-o", "json"]));
    let workloads = report["workloads"].as_array().unwrap();
    let of_controller = workloads.iter().find(|one| one["workload"]["name"] == "castai-kvisor-controller");
    assert_eq!(of_controller.unwrap()["notPulled"], why, "{report:#}");
}

#[test]
fn workloads_without_pods_are_named_with_the_cause() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "full", "namespace": "castai-agent"}, "spec": {"hard": {"pods": "0"}},
    });
    apply(lab, &quota);
    eventually("the quota is active", || {
        let quota = kubectl_json(lab, &["get", "resourcequota", "full", "-n", "castai-agent"]);
        quota["status"]["hard"]["pods"] == "0"
    });
    // A former pod still runs, so only its controller's counts show that the new image does not.
    set_agent(lab, "v9");
    sync(lab, 1, &["--timeout=3s"]);
    assert_unfinished(lab, "new pods are refused: pods \"castai-agent-");

    kubectl(lab, &["delete", "pods", "--all", "-n", "castai-agent", "--force", "--grace-period=0"]);
    let daemon_set = "daemonset.apps/castai-kvisor-agent";
    eventually("no pod runs", || ready(lab, AGENT) == 0 && ready(lab, daemon_set) == 0);

    let output = sync(lab, 1, &[]);
    for workload in [AGENT, daemon_set] {
        let error = format!(
            "error: {workload} in namespace castai-agent: none of its pods runs: new pods are refused: pods \"castai-"
        );
        assert_stderr_contains(
            &output,
            &[&error, "exceeded quota: full", "raise the quota or free capacity"],
        );
    }
    let last = output.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("incomplete: 3 workloads not running; "), "{}", output.stderr);
    let output = plugin(lab, 1, &["status"]);
    assert_stderr_contains(
        &output,
        &[&format!("{daemon_set} (FailedCreate)"), "3 workloads are not ready: "],
    );
    let report = parse_json(&plugin(lab, 1, &["status", "-o", "json"]));
    let agent =
        report["notReady"].as_array().unwrap().iter().find(|one| one["workload"]["name"] == "castai-agent");
    let agent = agent.unwrap_or_else(|| panic!("{report}"));
    assert_eq!((&agent["replicas"]["ready"], &agent["reason"]), (&json!(0), &json!("FailedCreate")));
    // The command does not check whether pods run.
    sync(lab, 0, &["--wait=false"]);

    kubectl(lab, &["delete", "resourcequota", "full", "-n", "castai-agent"]);
    for kind in ["deployment", "daemonset"] {
        kubectl(lab, &["rollout", "restart", kind, "-n", "castai-agent"]);
    }
    eventually("all run again", || ready(lab, AGENT) > 0 && ready(lab, daemon_set) > 0);
    sync(lab, 0, &[]);

    // No node takes new pods.
    kubectl(lab, &["cordon", "-l", "kubernetes.io/os"]);
    kubectl(lab, &["delete", "pods", "--all", "-n", "castai-agent", "--force", "--grace-period=0"]);
    lab.wait_for(&["pods", "-n", "castai-agent"], Duration::from_mins(5), |list| {
        list["items"].as_array().is_some_and(|pods| {
            pods.iter().any(|pod| {
                let conditions = pod["status"]["conditions"].as_array();
                conditions.is_some_and(|all| all.iter().any(|one| one["reason"] == "Unschedulable"))
            })
        })
    })
    .unwrap();
    let output = sync(lab, 1, &[]);
    let error = format!("error: {AGENT} in namespace castai-agent: none of its pods runs: ");
    assert_stderr_contains(&output, &[&error, "Unschedulable"]);
    let output = plugin(lab, 1, &["status"]);
    assert_stderr_contains(&output, &[&format!("{AGENT} (Unschedulable)")]);
    kubectl(lab, &["uncordon", "-l", "kubernetes.io/os"]);
    eventually("all run again", || ready(lab, AGENT) > 0);
    sync(lab, 0, &[]);

    // A run that did not wait leaves a rollout whose pod no node takes.
    kubectl(lab, &["cordon", "-l", "kubernetes.io/os"]);
    set_agent(lab, "v10");
    sync(lab, 0, &["--wait=false"]);
    assert_unfinished(lab, ": Unschedulable: ");
    kubectl(lab, &["uncordon", "-l", "kubernetes.io/os"]);
    kubectl(lab, &["rollout", "status", "-n", "castai-agent", AGENT, "--timeout=300s"]);
    sync(lab, 0, &[]);
    plugin(lab, 0, &["status"]);
}

/// An upgrade of the agent.
fn set_agent(lab: &Lab, version: &str) {
    let image = format!("us-docker.pkg.dev/castai-hub/library/agent:{version}");
    publish(lab, &image, &Recipe::default());
    kubectl(lab, &["set", "image", "-n", "castai-agent", AGENT, &format!("*={image}")]);
}

/// Asserts that neither command is content with the agent's former pod.
#[track_caller]
fn assert_unfinished(lab: &Lab, why: &str) {
    assert!(ready(lab, AGENT) > 0, "its former pod runs");
    let error = format!("error: {AGENT} in namespace castai-agent: its rollout is not finished: ");
    let output = sync(lab, 1, &[]);
    assert_stderr_contains(&output, &[&error, why, "incomplete: 1 workload whose rollout is not finished; "]);
    let output = plugin(lab, 1, &["status"]);
    assert_stderr_contains(&output, &[&format!("1 rollout is not finished: {AGENT}: run kubectl describe ")]);
    assert!(output.stdout.contains("RolloutNotFinished"), "{}", output.stdout);
}

/// An upgrade whose image could not be pulled before, and whose container crashes. Without a probe, a container is ready for a
/// moment after each start, so that its rollout is finished or not.
#[test]
fn a_workload_that_crashes_is_named_in_the_last_line() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    let image = "us-docker.pkg.dev/castai-hub/library/agent:v9";
    publish(lab, image, &Recipe { behaviour: Behaviour::Crash, ..Recipe::default() });
    kubectl(lab, &["set", "image", "-n", "castai-agent", AGENT, &format!("agent={image}")]);
    crate::harness::wait_for_failed_pull(lab, "castai-agent", "castai-agent-");
    let named = format!("; {AGENT} is not ready: run kubectl castai-privatelink status");
    let unfinished = format!("error: {AGENT} in namespace castai-agent: its rollout is not finished: ");
    eventually("the run names it", || {
        let output = lab.plugin(&["sync-images", "--yes", "--retries=1"]).unwrap();
        match output.code {
            Some(0) => output.stdout.contains(&named) || output.stderr.contains(&named),
            _ => output.stderr.contains(&unfinished),
        }
    });
    let mut output = lab.plugin(&["status"]).unwrap();
    eventually("the crash is seen", || {
        output = lab.plugin(&["status"]).unwrap();
        output.code == Some(1)
    });
    let hint = "hint: read why it crashes: kubectl logs -n castai-agent castai-agent-";
    assert_stderr_contains(&output, &[hint, &format!("1 workload is not ready: {AGENT} (")]);
}
