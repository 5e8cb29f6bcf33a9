//! Whatever ends a run, its objects do not stay.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{from_pods, left, nodes, pause_pulls, wait_for_pods};
use crate::harness::{assert_stderr_contains, complete_lab, eventually, plugin};

#[test]
fn an_interrupted_run_removes_its_pods() {
    let lab = complete_lab();
    pause_pulls(&lab);
    let running = lab.spawn_plugin(&from_pods(&["--nodes=all"])).unwrap();
    wait_for_pods(&lab, 2 * nodes(&lab));
    let start = Instant::now();
    let sent = Command::new("kill").args(["-INT", &running.process().to_string()]).output().unwrap();
    assert!(sent.status.success());
    let output = running.wait().unwrap();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    assert_stderr_contains(&output, &["Interrupted. The probe pods were removed."]);
    eventually("the pods are gone", || left(&lab).is_empty());
}

#[test]
fn cleanup_removes_what_a_killed_run_left() {
    let lab = complete_lab();
    pause_pulls(&lab);
    let running = lab.spawn_plugin(&from_pods(&["--nodes=all"])).unwrap();
    let pods = 2 * nodes(&lab);
    wait_for_pods(&lab, pods);
    running.kill().unwrap();
    assert_eq!(left(&lab).len(), pods + 1);

    let output = plugin(&lab, 0, &["preflight", "cleanup", "--dry-run"]);
    assert_eq!(output.stdout.lines().count(), pods + 1, "{}", output.stdout);
    assert!(output.stdout.lines().all(|line| line.ends_with(" (server dry run)")), "{}", output.stdout);
    assert_eq!(plugin(&lab, 0, &["preflight", "cleanup", "-n", "default"]).stdout, "");
    assert_eq!(left(&lab).len(), pods + 1);

    let output = plugin(&lab, 0, &["preflight", "cleanup"]);
    let first = output.stdout.lines().next().unwrap();
    assert!(first.starts_with("configmap/castai-privatelink-probe-"), "{first}");
    assert!(first.ends_with(" deleted from castai-agent namespace"), "{first}");
    eventually("the pods are gone", || left(&lab).is_empty());
    assert_stderr_contains(&plugin(&lab, 0, &["preflight", "cleanup"]), &["No probe pods found"]);
}
