//! New pods that the API server refuses: shown at once, and restored only if the image may be the cause.

use lab::address;
use lab::host::{Lab, Output};
use lab::registry::image::Recipe;
use serde_json::json;

use crate::harness::{
    MIRROR, QUICK, apply, assert_stderr_contains, eventually, kubectl, kubectl_json, own_lab, plugin,
    publish_to,
};

/// Runs a workload with an image that the nodes can pull without the mirror.
fn run_healthy(lab: &Lab, kind: &str, name: &str) {
    let path = format!("old/ghcr.io/castai/{name}:v1");
    publish_to(lab, "oci", &path, &Recipe::default());
    let labels = json!({"app": name});
    let container = json!({"name": "main", "image": format!("{}/{path}", address::OCI_REGISTRY.0)});
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "castai-agent", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    });
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = json!(name);
    }
    apply(lab, &object);
    let workload = format!("{}/{name}", kind.to_lowercase());
    kubectl(lab, &["rollout", "status", "-n", "castai-agent", &workload, "--timeout=300s"]);
}

/// Rewrites one workload. The timeout is long, so that the test only ends in time if the refusal is reported.
#[track_caller]
fn rewrite(lab: &Lab, name: &str, flags: &[&str]) -> Output {
    let selector = format!("app={name}");
    let arguments = [&["sync-images", "--yes", "-l", &selector, "--settle-time=4s"], QUICK, flags];
    plugin(lab, 1, &arguments.concat())
}

fn image(lab: &Lab, kind: &str, name: &str) -> String {
    let object = kubectl_json(lab, &["get", kind, name, "-n", "castai-agent"]);
    object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[test]
fn refused_pods_are_reported_with_the_cause() {
    let lab = &own_lab();
    for name in ["quota", "security", "policy"] {
        run_healthy(lab, "Deployment", name);
    }
    run_healthy(lab, "DaemonSet", "each");
    run_healthy(lab, "StatefulSet", "ordered");

    // A quota may be raised or become free, so the run waits, and says for what.
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "full", "namespace": "castai-agent"}, "spec": {"hard": {"pods": "0"}},
    });
    apply(lab, &quota);
    eventually("the quota is active", || {
        let quota = kubectl_json(lab, &["get", "resourcequota", "full", "-n", "castai-agent"]);
        quota["status"]["hard"]["pods"] == "0"
    });
    let output = rewrite(lab, "quota", &["--timeout=3s"]);
    assert_stderr_contains(
        &output,
        &[
            "deployment.apps/quota: new pods are refused: pods \"quota-",
            "error: deployment.apps/quota in namespace castai-agent: timed out after 3s without progress: new \
             pods are refused: pods \"quota-",
            "exceeded quota: full",
            "(raise the quota or free capacity in it); not restored, because its images are not the cause",
        ],
    );
    assert!(image(lab, "deployment", "quota").starts_with(MIRROR), "it is not restored");
    kubectl(lab, &["delete", "resourcequota", "full", "-n", "castai-agent"]);

    // PodSecurity does not judge images.
    let level = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(lab, &["label", "namespace", "castai-agent", level]);
    for (kind, name) in [("deployment", "security"), ("daemonset", "each"), ("statefulset", "ordered")] {
        let output = rewrite(lab, name, &[]);
        let error = format!("error: {kind}.apps/{name} in namespace castai-agent: new pods are refused: ");
        assert_stderr_contains(
            &output,
            &[
                &error,
                "violates PodSecurity \"restricted:latest\"",
                "not restored, because its images are not the cause",
            ],
        );
        assert!(image(lab, kind, name).starts_with(MIRROR), "it is not restored");
    }
    kubectl(lab, &["label", "namespace", "castai-agent", "pod-security.kubernetes.io/enforce-"]);

    // A policy may judge the image, so the former one is restored.
    deny_mirrored_images(lab);
    let output = rewrite(lab, "policy", &[]);
    assert_stderr_contains(
        &output,
        &[
            "error: deployment.apps/policy in namespace castai-agent was restored to its original images: new \
             pods are refused: ",
            "denied request: only known registries",
            "(allow the new images in that policy)",
        ],
    );
    let former = format!("{}/old/ghcr.io/castai/policy:v1", address::OCI_REGISTRY.0);
    assert_eq!(image(lab, "deployment", "policy"), former);
}

/// A policy for pods that denies images of the mirror, and waits until it is active.
fn deny_mirrored_images(lab: &Lab) {
    let expression = format!("object.spec.containers.all(c, !c.image.startsWith('{MIRROR}'))");
    let metadata = json!({"name": "registries"});
    let policy = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
                }]},
                "validations": [{"expression": expression, "message": "only known registries"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": "registries", "validationActions": ["Deny"]},
        },
    ]});
    apply(lab, &policy);
    eventually("the policy is active", || {
        let image = format!("--image={MIRROR}/x:v1");
        let run = ["run", "x", &image, "-n", "castai-agent", "--dry-run=server"];
        lab.kubectl(&run).unwrap().code != Some(0)
    });
}
