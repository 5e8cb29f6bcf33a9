//! Pods as vantage points: what is created and removed, and how each failure is reported.

mod failures;
mod removal;
mod views;

use std::time::{Duration, Instant};

use lab::host::{Lab, Output};
use serde_json::{Value, json};

use crate::harness::{
    apply, complete_lab, kubectl, kubectl_json, parse_json, plugin, shared_lab, snapshot_on_terminals,
};

const NAMESPACE: &str = "castai-agent";
/// The lab has no such image, and its nodes reach the registry.
const IMAGE: &str =
    "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink/castai-privatelink-probe:v1";

/// Preflight from pods only, with an image that the user names.
fn from_pods<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let flags =
        ["preflight", "-o", "json", "--in-cluster=only", "--pod-start-timeout=60s", "--probe-image", IMAGE];
    [&flags, arguments].concat()
}

/// The findings about pods: code, result, and what was observed or why there is no observation.
fn about_pods(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["category"] == "Pods")
        .map(|finding| {
            let seen = if finding["reason"].is_string() { &finding["reason"] } else { &finding["observed"] };
            (text(&finding["code"]), text(&finding["result"]), text(seen))
        })
        .collect()
}

/// The objects of runs that exist, as kubectl names them.
fn left(lab: &Lab) -> Vec<String> {
    let output = lab
        .kubectl(&["get", "pods,configmaps", "-A", "-l", "privatelink.cast.ai/probe", "-o", "name"])
        .unwrap();
    output.stdout.lines().map(str::to_owned).collect()
}

/// Waits until `number` probe pods exist, and returns them.
fn wait_for_pods(lab: &Lab, number: usize) -> Vec<Value> {
    let selector = ["pods", "-n", NAMESPACE, "-l", "privatelink.cast.ai/probe"];
    let pods = lab.wait_for(&selector, Duration::from_mins(1), |pods| {
        pods["items"].as_array().is_some_and(|pods| pods.len() == number)
    });
    pods.unwrap()["items"].as_array().unwrap().clone()
}

/// The nodes of the lab.
fn nodes(lab: &Lab) -> usize {
    kubectl_json(lab, &["get", "nodes"])["items"].as_array().unwrap().len()
}

/// No node pulls an image, so that pods wait.
fn pause_pulls(lab: &Lab) {
    lab.control().post("/kubelet/pulls/pause", &json!({})).unwrap();
}

#[test]
fn without_a_terminal_pods_are_skipped_and_nothing_is_created() {
    let lab = shared_lab();
    let report = parse_json(&plugin(lab, 0, &["preflight", "-o", "json"]));
    let about = about_pods(&report);
    assert_eq!(about.len(), 3, "{about:?}");
    assert!(about.iter().all(|(_, result, _)| result == "Skipped"), "{about:?}");
    let findings = report["findings"].as_array().unwrap();
    let created = findings.iter().find(|finding| finding["code"] == "CPL501").unwrap();
    assert_eq!(created["fixes"][0]["command"], "kubectl castai-privatelink preflight --yes");
    assert!(report["notCovered"].as_array().unwrap().contains(&json!("pods")));
    assert_eq!(left(lab), Vec::<String>::new());
    // Without pods, nothing is said about them.
    let report = parse_json(&plugin(lab, 0, &["preflight", "-o", "json", "--in-cluster=off"]));
    assert_eq!(about_pods(&report), []);
}

#[test]
fn on_a_terminal_a_prompt_lists_what_is_created() {
    let lab = shared_lab();
    let arguments = ["preflight", "--only=CPL501,CPL502,CPL503", "--probe-image", IMAGE];
    snapshot_on_terminals(lab, "preflight-pods-question", &arguments, "n\n");
    assert_eq!(left(lab), Vec::<String>::new());
}

#[test]
fn pods_are_restricted_pinned_and_look_like_the_component() {
    let lab = complete_lab();
    let label = ["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"];
    kubectl(&lab, &label);
    apply(
        &lab,
        &json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "agent", "namespace": NAMESPACE},
            "spec": {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "castai-agent"}}},
        }),
    );
    apply(
        &lab,
        &json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "agent", "namespace": NAMESPACE},
            "spec": {
                "selector": {"app.kubernetes.io/name": "castai-agent", "app.kubernetes.io/instance": "castai-agent"},
                "ports": [{"port": 80}],
            },
        }),
    );
    pause_pulls(&lab);
    let running = lab.spawn_plugin(&from_pods(&["--nodes=all"])).unwrap();
    let pods = wait_for_pods(&lab, 2 * nodes(&lab));
    let endpoints = kubectl_json(&lab, &["get", "endpoints", "agent", "-n", NAMESPACE]);
    assert!(!endpoints.to_string().contains("castai-privatelink-probe"), "{endpoints:#}");
    let agent = kubectl_json(&lab, &["get", "deployment", "castai-agent", "-n", NAMESPACE]);
    for pod in &pods {
        let labels = &pod["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "castai-agent", "{pod:#}");
        assert_eq!(labels["app.kubernetes.io/instance"], Value::Null, "{pod:#}");
        let (spec, template) = (&pod["spec"], &agent["spec"]["template"]["spec"]);
        assert_eq!(spec["serviceAccountName"], template["serviceAccountName"]);
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ConfigMap");
    }
    let policies: Vec<_> = pods.iter().map(|pod| pod["spec"]["dnsPolicy"].as_str().unwrap()).collect();
    assert_eq!(policies.iter().filter(|policy| **policy == "Default").count(), nodes(&lab));
    // Other commands do not take a probe pod for a component.
    let images = plugin(&lab, 0, &["images", "-o", "name"]);
    assert!(!images.stdout.contains("castai-privatelink-probe"), "{}", images.stdout);
    running.kill().unwrap();
}

#[test]
fn what_a_pod_reports_counts_and_its_objects_are_removed() {
    let lab = complete_lab();
    pause_pulls(&lab);
    let running = lab.spawn_plugin(&from_pods(&["--nodes=all", "--skip=CPL302,CPL303"])).unwrap();
    let number = 2 * nodes(&lab);
    for pod in wait_for_pods(&lab, number) {
        report_as(&lab, pod["metadata"]["name"].as_str().unwrap());
    }
    let output = running.wait().unwrap();
    let report = parse_json(&output);
    // They ran, but looked at no host.
    assert!(report["notCovered"].as_array().unwrap().contains(&json!("pods")));
    let about = about_pods(&report);
    assert!(about.iter().all(|(_, result, _)| result == "Pass"), "{about:?}");
    let findings = report["findings"].as_array().unwrap();
    let of_pods: Vec<_> = findings.iter().filter(|finding| finding["code"] == "CPL503").collect();
    assert_eq!(of_pods.len(), number);
    let vantage_point = &of_pods[0]["vantagePoint"];
    assert_eq!(
        (&vantage_point["type"], &vantage_point["dnsPolicy"]),
        (&json!("pod"), &json!("ClusterFirst"))
    );
    assert_eq!(of_pods[0]["subject"]["kind"], "Node");
    assert_eq!(left(&lab), Vec::<String>::new());
}

/// Ends a pod with a report about no host, as a kubelet does.
fn report_as(lab: &Lab, pod: &str) {
    let report = probe::pod::PodReport {
        version: probe::pod::VERSION,
        probe: "v0".to_owned(),
        name_servers: vec![lab::address::DNS.into()],
        hosts: Vec::new(),
        omitted: 0,
    };
    let message = probe::pod::encode_message(&report, probe::pod::MESSAGE_BYTES);
    let terminated = json!({
        "exitCode": 0, "reason": "Completed", "message": message,
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z", "containerID": "containerd://0",
    });
    let container = json!({
        "name": "probe", "image": IMAGE, "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": terminated},
    });
    let patch = json!({"status": {"phase": "Succeeded", "containerStatuses": [container]}}).to_string();
    let arguments =
        ["patch", "pod", pod, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", &patch];
    kubectl(lab, &arguments);
}

/// Runs preflight from pods, and measures the time.
fn timed(lab: &Lab, arguments: &[&str]) -> (Output, Duration) {
    let start = Instant::now();
    let output = lab.plugin(&from_pods(arguments)).unwrap();
    (output, start.elapsed())
}
