//! All components of Cast AI: found with their reasons, mirrored from five registries, rewritten and running.

use std::collections::{BTreeMap, BTreeSet};

use lab::address;
use lab::host::Lab;
use lab::registry::fixture;
use lab::registry::image::generate;
use lab::settings::Fixture;
use serde_json::{Value, json};

use crate::harness::{
    MIRROR, PATH, Workloads, add_fault, assert_stderr_contains, castai_workloads, clear_faults,
    clear_traffic, complete_vpc, ecr_state, ecr_writes, eventually, kubectl, kubectl_json, other_workloads,
    parse_json, plugin, sync, traffic, wait_for_failed_pull, whole_cluster_lab,
};

const LOGS: &str = "castai-logs";

/// Every image field, in the order of the images: image, workload, image field.
const IMAGE_FIELDS: &[(&str, &str, &str)] = &[
    ("castai/hibernate:v0.14", "CronJob/hibernate-pause", "container/pauser"),
    ("castai/hibernate:v0.14", "CronJob/hibernate-resume", "container/pauser"),
    (
        "ghcr.io/castai/egressd/egressd-exporter:v0.9.4",
        "Deployment/castai-egressd-exporter",
        "container/exporter",
    ),
    ("ghcr.io/castai/egressd/egressd:v0.9.4", "DaemonSet/castai-egressd", "container/egressd"),
    ("ghcr.io/castai/egressd/egressd:v0.9.4", "DaemonSet/castai-egressd", "init/egressd-init"),
    (
        "ghcr.io/castai/gpu-metrics-exporter/gpu-metrics-exporter:0.1.29",
        "DaemonSet/castai-gpu-metrics-exporter",
        "container/castai-gpu-metrics-exporter",
    ),
    ("ghcr.io/castai/kvisor/kvisor-agent:v1.164.8", "DaemonSet/castai-kvisor-agent", "container/kvisor"),
    (
        "ghcr.io/castai/kvisor/kvisor-agent:v1.164.8",
        "DaemonSet/castai-kvisor-agent",
        "init/gpu-feature-discovery",
    ),
    (KVISOR_CONTROLLER, "Deployment/castai-kvisor-controller", "container/controller"),
    (
        "ghcr.io/castai/kvisor/kvisor-scanners:v1.164.8",
        "Deployment/castai-kvisor-controller",
        "derived/controller/kvisor-scanners",
    ),
    (
        "nvcr.io/nvidia/k8s/dcgm-exporter:3.3.7-3.5.0-ubuntu22.04",
        "DaemonSet/castai-gpu-metrics-exporter",
        "container/dcgm-exporter",
    ),
    (
        "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.2-4.8.1-ubuntu22.04",
        "DaemonSet/castai-kvisor-agent",
        "container/dcgm-exporter",
    ),
    ("rancher/kubectl:v1.35.6", "Job/castai-evictor-crd-upgrade-1", "container/crd-upgrade"),
    ("registry.k8s.io/cpa/cpvpa:v0.8.4", "Deployment/castai-agent-cpvpa", "container/autoscaler"),
    ("us-docker.pkg.dev/castai-hub/library/agent:v0.161.1", "Deployment/castai-agent", "container/agent"),
    ("us-docker.pkg.dev/castai-hub/library/agent:v0.161.1", "Deployment/castai-agent", "container/monitor"),
    (
        "us-docker.pkg.dev/castai-hub/library/audit-logs-receiver:v0.9.0",
        AUDIT_LOGS,
        "container/castai-audit-logs-receiver",
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/cluster-controller:v0.62.2",
        "Deployment/castai-cluster-controller",
        "container/cluster-controller",
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/cluster-controller:v0.62.2",
        "Deployment/castai-cluster-controller",
        "container/monitor",
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/db-agent:v0.21.0",
        "Deployment/castai-db-agent",
        "container/db-agent",
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/evictor:e757d8f90c1b2a3d4e5f60718293a4b5c6d7e8f9",
        "Deployment/castai-evictor",
        "container/castai-evictor",
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/jmx-exporter-init:v1.5.0",
        "Deployment/castai-workload-autoscaler",
        JMX_VARIABLE,
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/pod-pinner:v1.13.0",
        "Deployment/castai-pod-pinner",
        "container/castai-pod-pinner",
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/spot-handler:v0.30.1",
        "DaemonSet/castai-spot-handler",
        "container/spot-handler",
    ),
    (
        "us-docker.pkg.dev/castai-hub/library/workload-autoscaler:v1.9.3",
        "Deployment/castai-workload-autoscaler",
        "container/castai-workload-autoscaler",
    ),
];
const KVISOR_CONTROLLER: &str = "ghcr.io/castai/kvisor/kvisor-controller:v1.164.8";
const AUDIT_LOGS: &str = "StatefulSet/castai-audit-logs-receiver";
const JMX_VARIABLE: &str = "env/castai-workload-autoscaler/JMX_EXPORTER_INIT_IMAGE";

/// The reason why an entry of [`IMAGE_FIELDS`] is included, as in the inventory's JSON.
fn reason(workload: &str, image_field: &str) -> Value {
    if image_field == JMX_VARIABLE {
        return json!({"rule": "variable", "variable": "JMX_EXPORTER_INIT_IMAGE"});
    }
    if image_field.starts_with("derived/") {
        return json!({"rule": "derived", "from": KVISOR_CONTROLLER});
    }
    if workload == AUDIT_LOGS {
        return json!({"rule": "chart", "chart": "castai-audit-logs-receiver-0.11.0"});
    }
    json!({"rule": "namespace", "namespace": "castai-agent"})
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Workloads of Cast AI, and all others.
fn both(lab: &Lab) -> (Workloads, Workloads) {
    let is_audit_logs = |name: &String| name.starts_with(LOGS);
    let (logs, others): (Workloads, Workloads) =
        other_workloads(lab).into_iter().partition(|(name, _)| is_audit_logs(name));
    (castai_workloads(lab).into_iter().chain(logs).collect(), others)
}

/// The value of every image field that exists in the object, by workload and image field.
fn fields(workloads: &Workloads) -> BTreeMap<(String, String), String> {
    let mut fields = BTreeMap::new();
    let kinds = ["Deployment", "DaemonSet", "StatefulSet", "CronJob", "Job"];
    for (name, workload) in workloads {
        let name = name.split_once(' ').expect("a namespace").1.to_owned();
        if !kinds.iter().any(|kind| name.starts_with(&format!("{kind}/"))) {
            continue;
        }
        let spec = workload.pointer("/spec/jobTemplate/spec/template/spec");
        let spec = spec.unwrap_or(&workload["spec"]["template"]["spec"]);
        for (list, word) in [("initContainers", "init"), ("containers", "container")] {
            for container in spec[list].as_array().into_iter().flatten() {
                let own = text(&container["name"]);
                fields.insert((name.clone(), format!("{word}/{own}")), text(&container["image"]).to_owned());
                for variable in container["env"].as_array().into_iter().flatten() {
                    let image_field = format!("env/{own}/{}", text(&variable["name"]));
                    if image_field == JMX_VARIABLE {
                        fields.insert((name.clone(), image_field), text(&variable["value"]).to_owned());
                    }
                }
            }
        }
    }
    fields
}

#[test]
fn every_image_is_found_with_its_reason_and_every_endpoint_with_its_component() {
    let lab = whole_cluster_lab();
    complete_vpc(&lab);
    let found = parse_json(&plugin(&lab, 0, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json"]));
    let mut seen = Vec::new();
    for wanted in found["images"].as_array().unwrap() {
        for used in wanted["usedBy"].as_array().unwrap() {
            let place = &used["place"];
            let workload = format!("{}/{}", text(&place["kind"]), text(&place["name"]));
            let image_field = text(&used["imageField"]);
            assert_eq!(used["reason"], reason(&workload, image_field), "{workload} {image_field}");
            seen.push(format!("{} {workload} {image_field}", text(&wanted["image"])));
        }
    }
    let expected: Vec<_> = IMAGE_FIELDS
        .iter()
        .map(|(image, workload, image_field)| format!("{image} {workload} {image_field}"))
        .collect();
    let set = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&seen), set(&expected), "exactly these");
    assert_eq!(seen.len(), expected.len(), "each once");

    // A namespace with a single component.
    let output = plugin(&lab, 1, &["status", "-n", LOGS]);
    assert_stderr_contains(&output, &["; the rest of the cluster was not checked (-n)"]);
    let report = parse_json(&plugin(&lab, 1, &["status", "-n", LOGS, "-o", "json"]));
    let [only] = &report["images"].as_array().unwrap()[..] else { panic!("{report:#}") };
    assert_eq!((&only["place"]["namespace"], &only["state"]["type"]), (&json!(LOGS), &json!("notRewritten")));

    let report = parse_json(&plugin(&lab, 0, &["preflight", "-o", "json"]));
    let findings = report["findings"].as_array().unwrap();
    let needed_by = |host: &str| -> Vec<&str> {
        let subject =
            findings.iter().map(|finding| &finding["subject"]).find(|subject| subject["name"] == host);
        subject.unwrap()["neededBy"].as_array().unwrap().iter().map(text).collect()
    };
    let of_kvisor = ["castai-kvisor-agent", "castai-kvisor-controller"];
    assert_eq!(
        needed_by("api.cast.ai"),
        [
            "castai-agent",
            "castai-audit-logs-receiver",
            "castai-cluster-controller",
            "castai-egressd-exporter",
            "castai-evictor",
            "castai-gpu-metrics-exporter",
            "castai-kvisor-agent",
            "castai-kvisor-controller",
            "castai-pod-pinner",
            "castai-spot-handler",
            "castai-workload-autoscaler",
            "hibernate-pause",
            "hibernate-resume",
        ]
    );
    assert_eq!(needed_by("grpc.cast.ai"), ["castai-kvisor-agent", "castai-pod-pinner"]);
    assert_eq!(needed_by("api-grpc.cast.ai"), ["castai-db-agent"]);
    assert_eq!(needed_by("kvisor.prod-master.cast.ai"), of_kvisor);
    assert_eq!(
        needed_by("telemetry.prod-master.cast.ai"),
        [&["castai-gpu-metrics-exporter"], &of_kvisor[..], &["castai-workload-autoscaler"]].concat()
    );
    let unread = findings.iter().filter(|finding| finding["code"] == "CPL103" && finding["result"] != "Pass");
    assert_eq!(unread.count(), 0, "{report:#}");
}

#[test]
fn every_component_is_mirrored_rewritten_and_rolled_out_and_nothing_else_changes() {
    let lab = whole_cluster_lab();
    let (castai, others) = both(&lab);
    let before = fields(&castai);

    // The pod of a Job cannot pull its public image, and never will.
    wait_for_failed_pull(&lab, "castai-agent", "castai-evictor-crd-upgrade-1");
    let output = sync(&lab, 1, &[]);
    let job = "error: job.batch/castai-evictor-crd-upgrade-1 in namespace castai-agent not rewritable";
    assert_stderr_contains(&output, &[job, "Jobs are immutable: delete and recreate"]);
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(all.contains("incomplete: 1 workload not rewritable, whose pods cannot pull"), "{all}");

    let state = ecr_state(&lab);
    for source in fixture::sources(Fixture::WholeCluster) {
        let name = format!("{}/{}", source.host, source.repository);
        let image = generate(&name, source.tag, &source.recipe).unwrap();
        let existing = &state.repositories[&format!("{PATH}/{}", name.trim_start_matches("docker.io/"))];
        assert_eq!(existing.tags.get(source.tag), Some(&image.top().unwrap().digest), "{name}");
        for manifest in &image.manifests {
            assert_eq!(existing.images[&manifest.digest].media_type, manifest.media_type, "{name}");
        }
    }

    let (castai, others_after) = both(&lab);
    let after = fields(&castai);
    let in_objects: Vec<_> =
        IMAGE_FIELDS.iter().filter(|(.., image_field)| !image_field.starts_with("derived/")).collect();
    assert_eq!(after.len(), in_objects.len(), "{after:#?}");
    for (image, workload, image_field) in in_objects {
        let key = ((*workload).to_owned(), (*image_field).to_owned());
        assert_eq!(before[&key], *image, "{key:?}");
        let is_job = workload.starts_with("Job/");
        let expected = if is_job { (*image).to_owned() } else { format!("{MIRROR}/{image}") };
        assert_eq!(after[&key], expected, "{key:?}");
    }
    assert_eq!(others_after, others, "the customer's and EKS' own workloads");
    assert_every_pod_runs_from_ecr(&lab);

    kubectl(&lab, &["delete", "job", "castai-evictor-crd-upgrade-1", "-n", "castai-agent"]);
    clear_traffic(&lab);
    let again = sync(&lab, 0, &[]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
    assert!(ecr_writes(&lab).is_empty());
    assert_eq!(traffic(&lab, "source").iter().filter(|record| record.path.contains("/blobs/")).count(), 0);

    // kustomize leaves the image of a variable public.
    let output = plugin(&lab, 1, &["values", "kustomize"]);
    assert_stderr_contains(&output, &["warning: kustomize renames no image in a variable: ", JMX_VARIABLE]);

    // A workload of Cast AI in another namespace counts as well.
    kubectl(&lab, &["create", "quota", "full", "--hard=pods=0", "-n", LOGS]);
    kubectl(&lab, &["delete", "pods", "--all", "-n", LOGS, "--force", "--grace-period=0"]);
    let named = "statefulset.apps/castai-audit-logs-receiver";
    let mut output = lab.plugin(&["status", "-n", LOGS]).unwrap();
    eventually("the pod is refused", || {
        output = lab.plugin(&["status", "-n", LOGS]).unwrap();
        output.code == Some(1) && output.stderr.contains("FailedCreate")
    });
    assert_stderr_contains(&output, &[&format!("1 workload is not ready: {named} (FailedCreate)")]);
    let output = sync(&lab, 1, &["-n", LOGS]);
    let error = format!("error: {named} in namespace {LOGS}: none of its pods runs: new pods are refused: ");
    assert_stderr_contains(&output, &[&error, "exceeded quota: full"]);
}

/// Every pod of Cast AI except the Job's is ready, and its containers' images were pulled from ECR.
#[track_caller]
fn assert_every_pod_runs_from_ecr(lab: &Lab) {
    let mut count = BTreeMap::<String, usize>::new();
    for namespace in ["castai-agent", LOGS] {
        let pods = kubectl_json(lab, &["get", "pods", "-n", namespace]);
        for pod in pods["items"].as_array().unwrap() {
            let owner = &pod["metadata"]["ownerReferences"][0];
            if owner["kind"] == "Job" || !pod["metadata"]["deletionTimestamp"].is_null() {
                continue;
            }
            *count.entry(text(&owner["kind"]).to_owned()).or_default() += 1;
            let name = text(&pod["metadata"]["name"]);
            let ready = |condition: &&Value| condition["type"] == "Ready";
            let condition = pod["status"]["conditions"].as_array().unwrap().iter().find(ready).unwrap();
            assert_eq!(condition["status"], "True", "{name}");
            for list in ["initContainerStatuses", "containerStatuses"] {
                for status in pod["status"][list].as_array().into_iter().flatten() {
                    assert!(text(&status["imageID"]).starts_with(MIRROR), "{name}: {status}");
                }
            }
        }
    }
    let expected = [("DaemonSet", 9), ("ReplicaSet", 11), ("StatefulSet", 1)];
    assert_eq!(count, expected.map(|(kind, pods)| (kind.to_owned(), pods)).into());
}

#[test]
fn tokens_that_expire_during_a_run_are_renewed_at_every_source() {
    let lab = whole_cluster_lab();
    let sources = [address::GAR.0, address::GHCR.0, address::DOCKER_HUB.0, address::NVCR.0];
    for host in sources {
        let hold = json!({"kind": "hold"});
        add_fault(&lab, "source", &json!({"host": host, "path": "/blobs/", "times": 1, "action": hold}));
    }
    clear_traffic(&lab);
    let running = lab.spawn_plugin(&["sync-images", "--yes", "--no-rewrite"]).unwrap();
    // The first blob request of each registry is held until its token has expired.
    let mut to_come = BTreeSet::from(sources);
    eventually("every source gets a blob request", || {
        let seen = traffic(&lab, "source");
        let waiting = seen.iter().filter(|record| record.status == 0 && record.path.contains("/blobs/"));
        for record in waiting {
            if to_come.remove(record.host.as_str()) {
                let name = if record.host == address::DOCKER_HUB.0 { "docker.io" } else { &record.host };
                lab.control().delete(&format!("/source/tokens?host={name}")).unwrap();
            }
        }
        to_come.is_empty()
    });
    clear_faults(&lab);
    let output = running.wait().unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);

    let seen = traffic(&lab, "source");
    for host in sources {
        let refused =
            seen.iter().any(|one| one.host == host && one.status == 401 && one.path.contains("/blobs/"));
        assert!(refused, "{host} got an expired token");
    }
    let logins: Vec<_> = seen.iter().filter(|record| record.host == address::NVCR_LOGIN.0).collect();
    assert!(logins.is_empty(), "the token service for accounts gets no requests: {logins:?}");
    let state = ecr_state(&lab);
    for source in fixture::sources(Fixture::WholeCluster) {
        let name = format!("{}/{}", source.host, source.repository);
        let existing = &state.repositories[&format!("{PATH}/{}", name.trim_start_matches("docker.io/"))];
        assert!(existing.tags.contains_key(source.tag), "{name}:{}", source.tag);
    }
}
