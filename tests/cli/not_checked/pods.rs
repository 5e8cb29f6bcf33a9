//! Pods of Cast AI that cannot pull, and pods that cannot be listed.

use lab::host::Lab;
use lab::kubelet::FailingPull;
use serde_json::{Value, json};

use super::{GOOD, settle, state, status, wait_for_pull_failures};
use crate::harness::{
    AGENT, CONTROLLER, ECR, HIBERNATE, MIRROR, apply, container_image, grant_access, kubectl, kubectl_json,
    own_lab, plugin, sync,
};

/// Makes nodes fail to pull images that match `image`.
fn break_pulls(lab: &Lab, image: &str) {
    let message =
        "failed to pull and unpack image: unexpected status from HEAD request: 403 Forbidden".to_owned();
    let rule = FailingPull { node: None, image: image.to_owned(), message };
    lab.control().post("/kubelet/failures", &rule).unwrap();
}

/// Deletes pods, so that new ones have to pull, and waits until `number` of those with the prefix `prefix` cannot.
#[track_caller]
fn restart_until_pulls_fail(lab: &Lab, selector: &str, prefix: &str, number: usize) {
    lab.control().delete("/kubelet/images").unwrap();
    kubectl(lab, &["delete", "pods", "-n", "castai-agent", "-l", selector, "--wait=true"]);
    wait_for_pull_failures(lab, "castai-agent", prefix, number);
}

/// Each failure as `controller image_field`, with the number of its pods.
fn pull_failures(document: &Value) -> Vec<(String, usize)> {
    let failures = document["pullFailures"].as_array().cloned().unwrap_or_default();
    let text = |failure: &Value| {
        let place = &failure["place"];
        let name = format!("{} {}", place["name"].as_str().unwrap(), failure["imageField"].as_str().unwrap());
        (name, failure["pods"].as_array().unwrap().len())
    };
    failures.iter().map(text).collect()
}

#[test]
fn status_fails_if_pods_cannot_pull_mirrored_images() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    settle(lab);
    kubectl(lab, &["scale", "-n", "castai-agent", "deployment/castai-kvisor-controller", "--replicas=3"]);
    settle(lab);
    status(lab, 0, &[], &[GOOD]);

    // The nodes have no permission to pull an image that is in the registry.
    break_pulls(lab, &format!("*{CONTROLLER}*"));
    restart_until_pulls_fail(
        lab,
        "app.kubernetes.io/name=castai-kvisor-controller",
        "castai-kvisor-controller",
        3,
    );
    let last = "3 pods cannot pull their images: deployment.apps/castai-kvisor-controller (";
    let (table, document) = status(lab, 1, &[], &[last]);
    assert!(!table.stderr.contains("up to date"), "{}", table.stderr);
    let role = "hint: ECR denies the pull: the node's IAM role needs AmazonEC2ContainerRegistryPullOnly";
    for words in [role, "ecr.api, ecr.dkr and S3 (gateway) of us-east-1"] {
        assert!(table.stderr.contains(words), "`{words}`:\n{}", table.stderr);
    }
    for words in ["CANNOT PULL", "container/controller", "v1.164.8", " 3 "] {
        assert!(table.stdout.contains(words), "`{words}`:\n{}", table.stdout);
    }
    assert_eq!(pull_failures(&document), [("castai-kvisor-controller container/controller".to_owned(), 3)]);
    assert_eq!(state(&document, "castai-kvisor-controller", "container/controller")["type"], "mirrored");
    let names = plugin(lab, 1, &["status", "-o", "name"]).stdout;
    assert_eq!(names, "deployment.apps/castai-kvisor-controller\n");
    for flags in [&["--upstream"][..], &["--cluster-only"], &["-n", "castai-agent"]] {
        status(lab, 1, flags, &[last]);
    }

    // A selector selects workloads and their pods.
    status(lab, 1, &["-l", "app.kubernetes.io/name=castai-kvisor-controller"], &[last]);
    status(lab, 0, &["-l", "app.kubernetes.io/name=castai-agent"], &["up to date"]);

    // Without permission to list pods, the pods are not checked.
    let kinds = "deployments.apps,daemonsets.apps,statefulsets.apps,replicasets.apps,cronjobs.batch,\
                 jobs.batch,replicationcontrollers,nodes";
    let blind = grant_access(lab, "blind", "get,list", kinds);
    let (_, document) = status(lab, 1, &[&blind], &["incomplete: cannot list pods"]);
    assert_eq!(document["unlisted"], json!(["pods"]));

    lab.control().delete("/kubelet/failures").unwrap();
    settle(lab);
    status(lab, 0, &[], &[GOOD]);

    // Helm releases could not be read: this is neither a failure nor a success.
    grant_access(lab, "blind", "get,list", "pods");
    status(lab, 0, &[&blind], &["up to date in the readable part of the cluster; public tags"]);
}

#[test]
fn cast_ais_pods_of_every_phase_and_owner_are_reported() {
    let lab = &own_lab();
    sync(lab, 0, &[]);
    settle(lab);
    let private = container_image(lab, "castai-agent", "agent");

    // A pod that ran before still has the phase Running.
    let run = |namespace: &str, name: &str, image: &str| {
        let spec = json!({"containers": [{"name": "main", "image": image, "imagePullPolicy": "Always"}]});
        let metadata = json!({"name": name, "namespace": namespace});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
        apply(lab, &pod);
    };
    run("castai-agent", "side", &private);
    kubectl(lab, &["wait", "-n", "castai-agent", "pod/side", "--for=condition=Ready", "--timeout=300s"]);
    kubectl(lab, &["set", "image", "-n", "castai-agent", "pod/side", &format!("main={MIRROR}/{AGENT}:v9")]);
    wait_for_pull_failures(lab, "castai-agent", "side", 1);
    let side = kubectl_json(lab, &["get", "pod", "side", "-n", "castai-agent"]);
    assert_eq!(side["status"]["phase"], "Running", "{side:#}");
    let (_, document) = status(lab, 1, &[], &["1 pod cannot pull its image: pod/side ("]);
    assert_eq!(pull_failures(&document), [("side container/main".to_owned(), 1)]);
    kubectl(lab, &["delete", "pod", "side", "-n", "castai-agent", "--wait=true"]);
    status(lab, 0, &[], &[GOOD]);

    // A value that is not a valid image.
    run("castai-agent", "odd", "Not/A:Name");
    wait_for_pull_failures(lab, "castai-agent", "odd", 1);
    status(lab, 1, &[], &["1 pod cannot pull its image: pod/odd (InvalidImageName)"]);
    status(lab, 0, &["-l", "app.kubernetes.io/name=castai-agent"], &["up to date"]);
    kubectl(lab, &["delete", "pod", "odd", "-n", "castai-agent", "--wait=true"]);

    // A customer's pod is not reported.
    run("shop", "broken", "registry.corp.example/shop/none:1");
    wait_for_pull_failures(lab, "shop", "broken", 1);
    status(lab, 0, &[], &[GOOD]);

    // A Job from before the rewrite keeps its public image, and its pod stays pending.
    let hibernate = format!("{HIBERNATE}:v0.14");
    let job = json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "before", "namespace": "castai-agent"},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "pauser", "image": hibernate}]}}}});
    apply(lab, &job);
    wait_for_pull_failures(lab, "castai-agent", "before", 1);
    status(lab, 1, &[], &["1 pod cannot pull its image: job.batch/before ("]);

    // The tag was removed from the registry by another client.
    kubectl(lab, &["delete", "job", "before", "-n", "castai-agent", "--cascade=foreground"]);
    let repository = &image_repository(&container_image(lab, "castai-kvisor-agent", "kvisor"));
    lab.control().delete(&format!("/ecr/images?repository={repository}&tag=v1.164.8")).unwrap();
    let nodes = kubectl_json(
        lab,
        &["get", "pods", "-n", "castai-agent", "-l", "app.kubernetes.io/name=castai-kvisor-agent"],
    );
    let number = nodes["items"].as_array().unwrap().len();
    restart_until_pulls_fail(
        lab,
        "app.kubernetes.io/name=castai-kvisor-agent",
        "castai-kvisor-agent",
        number,
    );
    status(
        lab,
        1,
        &[],
        &["missing in the registry: run kubectl", "cannot pull", "daemonset.apps/castai-kvisor-agent ("],
    );
}

/// The repository in ECR of a private name.
fn image_repository(image: &str) -> String {
    let path = image.strip_prefix(ECR).unwrap().trim_start_matches('/');
    path.rsplit_once(':').unwrap().0.to_owned()
}
