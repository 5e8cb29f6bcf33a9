//! The number of requests of each command, by host and operation, as a snapshot. `budget.rs` calculates the numbers for
//! copying from the content of registries; this overview shows a command that starts to send more requests.
//!
//! Requests whose number depends on the speed of the machine are omitted: those that read rollouts, and pulls of nodes.
//! So the rewrite itself is not in the table, and requests are counted before and after it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lab::host::Lab;
use lab::registry::traffic::Record;
use serde_json::Value;

use crate::harness::{
    MIRROR, clear_traffic, eventually, kubectl_json, own_lab, plugin, snapshot_text, sync, traffic,
    wait_until_ready,
};

/// Requests to the API server are counted at this address.
const API_SERVER: &str = "--server=http://127.0.0.1:8001";

#[test]
fn each_command_sends_the_expected_requests() {
    let lab = &own_lab();
    let mut table = String::new();
    let mut count = |title: &str, arguments: &[&str]| {
        clear_traffic(lab);
        lab.control().delete("/aws/requests").unwrap();
        plugin(lab, 0, &[arguments, &[API_SERVER]].concat());
        writeln!(table, "{title}: {}", arguments.join(" ")).unwrap();
        for ((host, operation), number) in requests(lab) {
            writeln!(table, "  {number:>4} × {host} {operation}").unwrap();
        }
    };
    count("images", &["images"]);
    count("dry run", &["sync-images", "--dry-run=client"]);
    count("cold run", &["sync-images", "--yes", "--no-rewrite"]);
    rewrite(lab);
    count("up to date", &["sync-images"]);
    count("status", &["status"]);
    count("status of public tags", &["status", "--upstream"]);
    count("status of the cluster", &["status", "--cluster-only"]);
    snapshot_text("requests", &table);
}

/// Rewrites Cast AI to the mirror, and waits until no old pod is left.
fn rewrite(lab: &Lab) {
    sync(lab, 0, &["--no-mirror"]);
    wait_until_ready(lab);
    eventually("all pods run from the mirror", || {
        let pods = kubectl_json(lab, &["get", "pods", "--namespace=castai-agent"]);
        let images = |pod: &Value| pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
        let mut images = pods["items"].as_array().unwrap().iter().flat_map(images);
        images.all(|container| container["image"].as_str().unwrap().starts_with(MIRROR))
    });
}

/// Requests by host and operation.
fn requests(lab: &Lab) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    let mut add =
        |host: &str, operation: String| *counts.entry((host.to_owned(), operation)).or_default() += 1;
    for record in ["source", "ecr"].into_iter().flat_map(|front| traffic(lab, front)) {
        add(&record.host, registry_operation(&record));
    }
    for request in lab.control().get::<Vec<Value>>("/aws/requests").unwrap() {
        add("AWS", request["action"].as_str().unwrap_or_default().to_owned());
    }
    for record in traffic(lab, "kubernetes") {
        let path = record.path.split('?').next().unwrap_or_default();
        add("API server", format!("{} {path}", record.method));
    }
    counts
}

/// The ECR action, or the method and the kind of content. Hosts of blobs serve nothing else. The first response of a
/// registry is a challenge that names its token service.
fn registry_operation(record: &Record) -> String {
    if let Some(operation) = &record.operation {
        return operation.clone();
    }
    let kinds = ["/token", "/manifests/", "/blobs/uploads/", "/blobs/"];
    let kind = kinds.into_iter().find(|kind| record.path.contains(kind)).unwrap_or("blobs");
    let challenge = if record.status == 401 { " (challenge)" } else { "" };
    format!("{} {}{challenge}", record.method, kind.trim_matches('/'))
}
