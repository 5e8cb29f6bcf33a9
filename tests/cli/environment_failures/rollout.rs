//! Workloads change during a run, cannot be changed, or do not become ready.

use std::time::Duration;

use lab::host::Lab;
use lab::kubelet::FailingPull;
use lab::registry::image::Recipe;
use serde_json::{Value, json};

use super::{AGENT, ALL, CONTROLLER, NODE_AGENT, PAUSE, RESUME, assert_rewritten};
use crate::harness::{
    MIRROR, add_fault, assert_stderr_contains, clear_faults, clear_traffic, count_ecr_requests, eventually,
    kubectl, own_lab, publish, sync, workload_specs, write_file,
};

const NAMESPACE: &str = "--namespace=castai-agent";

#[test]
fn workloads_that_change_during_the_rewrite_are_planned_again() {
    let lab = own_lab();
    sync(&lab, 0, &["--no-rewrite"]);
    clear_traffic(&lab);
    let before = workload_specs(&lab);
    // When ECR gets this request, the cluster has been read.
    add_fault(&lab, "ecr", &json!({"operation": "ListImages", "action": {"kind": "hold"}}));
    let run = lab.spawn_plugin(&["sync-images", "--yes"]).unwrap();
    eventually("ECR is asked", || count_ecr_requests(&lab, "ListImages") > 0);
    kubectl(&lab, &["delete", "cronjob", "hibernate-pause", NAMESPACE]);
    let unknown = "agent=us-docker.pkg.dev/castai-hub/library/agent:v0.162.0";
    kubectl(&lab, &["set", "image", "deployment/castai-agent", unknown, NAMESPACE]);
    let changes =
        [("deployment/castai-kvisor-controller", "not JSON \u{1b}[31m"), ("cronjob/hibernate-resume", "{}")];
    for (workload, record) in changes {
        let annotation = format!("privatelink.cast.ai/images={record}");
        kubectl(&lab, &["annotate", workload, &annotation, NAMESPACE]);
    }
    clear_faults(&lab);
    let output = run.wait().unwrap();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_stderr_contains(
        &output,
        &[
            "deployment.apps/castai-agent in namespace castai-agent not updated",
            "agent:v0.162.0",
            "cronjob.batch/hibernate-pause in namespace castai-agent: Error from server (NotFound)",
        ],
    );
    assert!(!output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
    let mut expected = before.clone();
    let after = workload_specs(&lab);
    expected.insert(AGENT.to_owned(), after[AGENT].clone());
    assert!(
        after[AGENT]["spec"].to_string().contains("library/agent:v0.162.0\""),
        "the user's change is kept"
    );
    assert!(after[AGENT]["annotations"]["privatelink.cast.ai/images"].is_null(), "{}", after[AGENT]);
    assert_rewritten(&expected, &lab, &[CONTROLLER, NODE_AGENT, RESUME]);

    publish(&lab, "us-docker.pkg.dev/castai-hub/library/agent:v0.162.0", &Recipe::default());
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &[AGENT, CONTROLLER, NODE_AGENT, RESUME]);
}

#[test]
fn workloads_that_change_during_the_copy_are_read_again() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    add_fault(&lab, "ecr", &json!({"operation": "PutImage", "action": {"kind": "hold"}}));
    let run = lab.spawn_plugin(&["sync-images", "--yes"]).unwrap();
    eventually("a manifest is uploaded", || count_ecr_requests(&lab, "PutImage") > 0);
    kubectl(&lab, &["delete", "cronjob", "hibernate-pause", NAMESPACE]);
    kubectl(&lab, &["set", "env", "deployment/castai-agent", "MEANWHILE=yes", NAMESPACE]);
    clear_faults(&lab);
    let output = run.wait().unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        workload_specs(&lab)[AGENT]["spec"].to_string().contains("MEANWHILE"),
        "the user's change is kept"
    );
    assert_rewritten(&before, &lab, &[AGENT, CONTROLLER, NODE_AGENT, RESUME]);
}

/// Adds an admission policy that rejects changes of an object (resource and name) unless `expression` holds, and returns
/// its file.
fn refuse(lab: &Lab, (resource, name): (&str, &str), expression: &str, message: &str) -> String {
    let policy = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "freeze"},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
                    "resources": [resource], "resourceNames": [name],
                }]},
                "validations": [{"expression": expression, "message": message}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "freeze"},
            "spec": {"policyName": "freeze", "validationActions": ["Deny"]},
        },
    ]});
    let file = write_file(lab, "policy.json", &policy.to_string()).to_str().unwrap().to_owned();
    kubectl(lab, &["apply", "-f", &file]);
    file
}

#[test]
fn a_rejecting_policy_is_quoted_and_other_workloads_are_rewritten() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let message = "frozen \u{1b}[31muntil Monday";
    let file = refuse(&lab, ("deployments", "castai-agent"), "false", message);
    eventually("the policy is active", || {
        let touch = ["annotate", "deployment/castai-agent", "touch=1", NAMESPACE, "--dry-run=server"];
        lab.kubectl(&touch).unwrap().code != Some(0)
    });
    let output = sync(&lab, 1, &[]);
    assert_stderr_contains(
        &output,
        &["deployment.apps/castai-agent in namespace castai-agent:", "freeze", "until Monday"],
    );
    assert!(!output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
    assert_rewritten(&before, &lab, &[CONTROLLER, NODE_AGENT, PAUSE, RESUME]);
    kubectl(&lab, &["delete", "-f", &file]);
    eventually("the policy is gone", || {
        let touch = ["annotate", "deployment/castai-agent", "touch=1", NAMESPACE, "--dry-run=server"];
        lab.kubectl(&touch).unwrap().code == Some(0)
    });
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn a_failed_rollout_names_the_pod_or_the_timeout() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    lab.control().post("/kubelet/pulls/pause", &json!({})).unwrap();
    let output = sync(&lab, 1, &["--timeout=2s", "--only=us-docker.pkg.dev/*"]);
    assert_stderr_contains(
        &output,
        &["deployment.apps/castai-agent in namespace castai-agent: timed out after 2s"],
    );
    assert_rewritten(&before, &lab, &[AGENT]);
    lab.control().post("/kubelet/pulls/resume", &json!({})).unwrap();

    let rule = FailingPull {
        node: None,
        image: "*kvisor-controller*".to_owned(),
        message: "failed to pull: \u{1b}[31mno space left on device".to_owned(),
    };
    lab.control().post("/kubelet/failures", &rule).unwrap();
    let output = sync(&lab, 1, &["--timeout=5m"]);
    assert_stderr_contains(
        &output,
        &[
            "deployment.apps/castai-kvisor-controller in namespace castai-agent",
            "pod castai-kvisor-controller-",
            "no space left on device",
        ],
    );
    assert!(!output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
    assert_rewritten(&before, &lab, &ALL);
    lab.control().delete("/kubelet/failures").unwrap();
    lab.wait_for(&["pods", NAMESPACE], Duration::from_mins(5), all_ready).unwrap();
    sync(&lab, 0, &[]);
}

fn all_ready(pods: &Value) -> bool {
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    let ready = |pod: &Value| {
        let statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        !statuses.is_empty() && statuses.iter().all(|status| status["ready"] == true)
    };
    !pods.is_empty() && pods.iter().all(ready)
}

/// A policy can distinguish a dry run from the actual change.
#[test]
fn a_policy_that_rejects_only_the_actual_change_is_quoted() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let message = "changes need a ticket";
    let file = refuse(&lab, ("daemonsets", "castai-kvisor-agent"), "request.dryRun", message);
    let touch = |value: &str| {
        let touch = format!("touch={value}");
        lab.kubectl(&["annotate", "--overwrite", "daemonset/castai-kvisor-agent", &touch, NAMESPACE]).unwrap()
    };
    // Admission does not run for a patch without changes, so each attempt changes something.
    let mut tries = 0;
    eventually("the policy is active", || {
        tries += 1;
        touch(&tries.to_string()).code != Some(0)
    });
    let before_run = workload_specs(&lab);
    let output = sync(&lab, 1, &[]);
    assert_stderr_contains(
        &output,
        &["error: daemonset.apps/castai-kvisor-agent in namespace castai-agent:", "changes need a ticket"],
    );
    let line =
        output.stdout.lines().find(|line| line.contains("daemonset.apps/castai-kvisor-agent")).unwrap();
    assert!(line.ends_with("failed"), "{line}");
    assert_rewritten(&before_run, &lab, &[AGENT, CONTROLLER, PAUSE, RESUME]);
    kubectl(&lab, &["delete", "-f", &file]);
    eventually("the policy is gone", || {
        tries += 1;
        touch(&tries.to_string()).code == Some(0)
    });
    sync(&lab, 0, &[]);
    assert_eq!(before.len(), workload_specs(&lab).len());
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn a_paused_deployment_is_rewritten_without_waiting() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    kubectl(&lab, &["rollout", "pause", "deployment/castai-agent", NAMESPACE]);
    let output = sync(&lab, 0, &["--only=us-docker.pkg.dev/*"]);
    assert_stderr_contains(
        &output,
        &["deployment.apps/castai-agent: paused", "kubectl rollout resume deployment/castai-agent"],
    );
    assert!(workload_specs(&lab)[AGENT]["spec"].to_string().contains(&format!("\"image\":\"{MIRROR}/")));

    // A Deployment that is paused during its rollout is not waited for any longer.
    lab.control().post("/kubelet/pulls/pause", &json!({})).unwrap();
    let arguments =
        ["sync-images", "--yes", "--timeout=5m", "--only=*kvisor-controller*", "--only=*scanners*"];
    let run = lab.spawn_plugin(&arguments).unwrap();
    eventually("it is rewritten", || {
        workload_specs(&lab)[CONTROLLER]["annotations"]["privatelink.cast.ai/images"].is_string()
    });
    kubectl(&lab, &["rollout", "pause", "deployment/castai-kvisor-controller", NAMESPACE]);
    let output = run.wait().unwrap();
    assert_stderr_contains(&output, &["castai-kvisor-controller", "paused: run", "kubectl rollout resume"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);

    lab.control().post("/kubelet/pulls/resume", &json!({})).unwrap();
    for deployment in ["deployment/castai-agent", "deployment/castai-kvisor-controller"] {
        kubectl(&lab, &["rollout", "resume", deployment, NAMESPACE]);
    }
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}
