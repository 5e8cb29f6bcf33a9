//! Health: a workload that breaks by the rewrite is restored, and one that was broken before is not.

use lab::address;
use lab::kubelet::FailingPull;
use lab::registry::image::{Behaviour, Recipe};
use serde_json::{Value, json};

use crate::harness::{
    MIRROR, apply, assert_stderr_contains, container_image, kubectl, kubectl_json, own_lab, plugin, publish,
    publish_to, recorded_images, sync,
};

/// A healthy component is restored if the change breaks it. A component that was broken before only has to start.
#[test]
fn healthy_workloads_are_restored_and_broken_ones_only_have_to_start() {
    let lab = &own_lab();
    let crashing = Recipe { behaviour: Behaviour::Crash, ..Recipe::default() };
    let elsewhere = |name: &str| format!("{}/old/ghcr.io/castai/{name}:v1", address::OCI_REGISTRY.0);
    let place = |name: &str, recipe: &Recipe| {
        publish_to(lab, "oci", &format!("old/ghcr.io/castai/{name}:v1"), recipe);
    };
    let broken = "ghcr.io/castai/broken:v1".to_owned();
    publish(lab, &broken, &crashing);
    for (name, image) in [("first", elsewhere("first")), ("later", elsewhere("later")), ("broken", broken)] {
        place(name, &Recipe::default());
        let container = json!({
            "name": "main", "image": image, "imagePullPolicy": "IfNotPresent",
            // Without a readiness probe, a container is ready until it crashes.
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
        });
        let labels = json!({"app": name});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
        apply(
            lab,
            &json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": name, "namespace": "castai-agent", "labels": labels},
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            }),
        );
    }
    for name in ["first", "later"] {
        kubectl(
            lab,
            &["rollout", "status", "-n", "castai-agent", &format!("deployment/{name}"), "--timeout=300s"],
        );
    }
    // The mirrored image differs from the running one.
    place("first", &crashing);

    let output = plugin(lab, 1, &["sync-images", "-l", "app", "--yes"]);
    assert_stderr_contains(
        &output,
        &[
            "error: deployment.apps/first in namespace castai-agent was restored to its original images: pod first-",
        ],
    );
    assert_stderr_contains(&output, &["its previous images run again"]);
    assert_stderr_contains(
        &output,
        &["error: deployment.apps/later in namespace castai-agent not updated: the run stopped after"],
    );
    assert_eq!(container_image(lab, "first", "main"), elsewhere("first"));
    assert_eq!(recorded_images(lab, "deployment/first"), Value::Null);
    assert_eq!(container_image(lab, "later", "main"), elsewhere("later"));
    // The broken component has started. Its crash is shown with its log, and is not a failure of this run.
    assert_stderr_contains(&output, &["deployment.apps/broken: images pulled, containers started"]);
    assert_stderr_contains(&output, &["\n  deployment.apps/broken in namespace castai-agent: pod broken-"]);
    let mut logs = output.stderr.lines().filter(|line| line.starts_with("    "));
    assert!(logs.any(|line| line.contains("castai/broken:v1")), "{}", output.stderr);
    assert_eq!(container_image(lab, "broken", "main"), format!("{MIRROR}/ghcr.io/castai/broken:v1"));
    for (name, result) in [("broken", "image updated"), ("first", "restored"), ("later", "not updated")] {
        let name = format!("deployment.apps/{name} ");
        let mut lines = output.stdout.lines();
        assert!(lines.any(|line| line.contains(&name) && line.ends_with(result)), "{}", output.stdout);
    }
}

/// If an earlier run patched a workload and did not complete its rollout, the next run does not report success.
#[test]
fn the_next_run_reports_a_failed_rollout_again() {
    let lab = &own_lab();
    let rule = FailingPull {
        node: None,
        image: "*kvisor-controller*".to_owned(),
        message: "failed to pull: no space left on device".to_owned(),
    };
    lab.control().post("/kubelet/failures", &rule).expect("pulls fail");
    for _ in 0..2 {
        let output = sync(lab, 1, &["--settle-time=1s"]);
        assert_stderr_contains(
            &output,
            &[
                "error: deployment.apps/castai-kvisor-controller in namespace castai-agent: pod castai-kvisor-controller-",
                "no space left on device",
            ],
        );
        let controller = container_image(lab, "castai-kvisor-controller", "controller");
        assert!(controller.starts_with(MIRROR), "{controller}");
    }
    lab.control().delete("/kubelet/failures").expect("pulls succeed");
    // The run waits for the kubelet's next attempt.
    sync(lab, 0, &[]);
    let output = sync(lab, 0, &[]);
    assert!(output.stdout.starts_with("up to date"), "{}", output.stdout);
}

/// A completed pod keeps its image.
#[test]
fn a_completed_pod_is_unchanged() {
    let lab = &own_lab();
    let there = format!("{}/old/ghcr.io/castai/once:v1", address::OCI_REGISTRY.0);
    let recipe = Recipe { behaviour: Behaviour::Crash, ..Recipe::default() };
    publish_to(lab, "oci", "old/ghcr.io/castai/once:v1", &recipe);
    let container = json!({"name": "main", "image": there});
    apply(
        lab,
        &json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "once", "namespace": "castai-agent", "labels": {"app": "once"}},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }),
    );
    kubectl(
        lab,
        &[
            "wait",
            "-n",
            "castai-agent",
            "pod/once",
            "--for=jsonpath={.status.phase}=Failed",
            "--timeout=300s",
        ],
    );
    let output = sync(lab, 0, &["-l", "app=once"]);
    assert_stderr_contains(
        &output,
        &["note: pod/once in namespace castai-agent not rewritable: it has ended"],
    );
    let pod = kubectl_json(lab, &["get", "pod/once", "-n", "castai-agent"]);
    assert_eq!(pod["spec"]["containers"][0]["image"], there);
}
