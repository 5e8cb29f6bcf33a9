//! kill -9 and Ctrl-C at any point of a run: nothing is half done, and the next run completes the work.
//!
//! A point is a request to one of the lab's front servers that gets no response, like all later requests to it. So the
//! run stops at a place that a seed reproduces. `TEST_SEED=N` sets the seed, `TEST_SEED=random` takes it from the clock;
//! `TEST_LONG` tests fifty points instead of five.

mod patches;
mod setup;

use std::collections::BTreeSet;
use std::process::Command;

use lab::address;
use lab::host::RunningPlugin;
use lab::registry::image::{Behaviour, Recipe};
use serde_json::{Value, json};

pub(crate) use self::setup::Random;
use self::setup::{RUN, RepeatableLab};

/// The last line of an interrupted command that may have changed something.
const CHANGING: &str = "Interrupted. ";
use crate::harness::{
    MIRROR, add_fault, apply, assert_stderr_contains, clear_faults, clear_traffic, container_image,
    eventually, kubectl, own_lab, plugin, publish_to, recorded_images, traffic,
};

#[test]
fn a_run_killed_at_any_point_is_completed_by_the_next_one() {
    interrupt_everywhere(|_, run| run.kill().unwrap());
}

#[test]
fn a_run_interrupted_at_any_point_reports_it_and_is_completed_by_the_next_one() {
    interrupt_everywhere(|random, run| match random.below(4) {
        0 => end(run, &["-TERM"], CHANGING),
        1 => end(run, &["-INT", "-INT"], CHANGING),
        _ => end(run, &["-INT"], CHANGING),
    });
}

/// If nothing reads the plugin's output, Ctrl-C still ends it.
#[test]
fn ctrl_c_works_while_output_is_blocked() {
    let lab = own_lab();
    let pipe = lab.folder().home().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run = lab.spawn_plugin(&["sync-images", "--dry-run=client", "--plan=pipe"]).unwrap();
    let read = || traffic(&lab, "source").iter().filter(|record| record.status == 200).count();
    eventually("sources are read", || read() > 0);
    // The plan is written after everything is read.
    setup::settle(read);
    end(run, &["-INT"], "Interrupted. Nothing was changed.");
}

/// A healthy workload that the change breaks is restored, either by the same run or by the next one.
#[test]
#[expect(clippy::print_stdout, reason = "a failed test prints its position")]
fn a_run_killed_while_it_restores_is_completed_by_the_next_one() {
    let mut random = Random::from_environment();
    let lab = own_lab();
    let former = format!("{}/old/ghcr.io/castai/first:v1", address::OCI_REGISTRY.0);
    let ours = format!("{MIRROR}/{former}");
    let publish = |name: &str, behaviour| {
        let recipe = Recipe { behaviour, ..Recipe::default() };
        publish_to(&lab, "oci", &format!("old/ghcr.io/castai/{name}:v1"), &recipe);
    };
    let deploy = |name: &str| {
        let image = format!("{}/old/ghcr.io/castai/{name}:v1", address::OCI_REGISTRY.0);
        let container = json!({
            "name": "main", "image": image, "imagePullPolicy": "IfNotPresent",
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
        });
        let labels = json!({"app": name});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "castai-agent", "labels": {"app": "first"}},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        });
        apply(&lab, &deployment);
        let deployment = format!("deployment/{name}");
        kubectl(&lab, &["rollout", "status", "-n", "castai-agent", &deployment, "--timeout=300s"]);
    };
    publish("second", Behaviour::Run);
    for round in 0..Random::rounds(1) {
        publish("first", Behaviour::Run);
        deploy("first");
        // The nodes have the image that runs, and pull the one that crashes.
        publish("first", Behaviour::Crash);
        // The first patch is the dry run, the second the change.
        let lost = LOST[random.below(LOST.len())];
        let action: Value = serde_json::from_str(lost).unwrap();
        println!("TEST_SEED={} round {round}: restoring, {lost}", random.seed);
        let rule = json!({"method": "PATCH", "path": "/deployments/first", "skip": 2, "action": action});
        add_fault(&lab, "kubernetes", &rule);
        clear_traffic(&lab);
        let arguments = ["sync-images", "--yes", "-l", "app=first", setup::BY_FRONT];
        let run = lab.spawn_plugin(&arguments).unwrap();
        eventually("it restores", || {
            let seen = traffic(&lab, "kubernetes");
            let patches = seen.iter().filter(|record| record.method == "PATCH");
            // The patch is applied although its response is lost.
            patches.skip(2).any(|patch| lost.contains("silence") || patch.status == 200)
        });
        match random.below(2) {
            0 => run.kill().unwrap(),
            _ => end(run, &["-INT"], CHANGING),
        }
        clear_faults(&lab);
        let is_restored = !lost.contains("silence");
        let left = if is_restored { (former.as_str(), false) } else { (ours.as_str(), true) };
        let now = || {
            let has_record = recorded_images(&lab, "deployment/first") != Value::Null;
            (container_image(&lab, "first", "main"), has_record)
        };
        assert_eq!(now(), (left.0.to_owned(), left.1));
        // An old pod still runs, which shows that the workload was healthy: the next run restores it.
        // No other healthy workload is changed then.
        deploy("second");
        let output = plugin(&lab, 1, &arguments);
        let failure = "error: deployment.apps/first in namespace castai-agent was restored to its original \
                       images";
        assert_stderr_contains(
            &output,
            &[failure, "deployment.apps/second in namespace castai-agent not updated"],
        );
        assert_eq!(now(), (former.clone(), false));
        kubectl(&lab, &["delete", "-n", "castai-agent", "deployment/first", "deployment/second"]);
    }
}

/// A part of a run in which it stops.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Discovery,
    Planning,
    /// From the first request of planning to the last of verification.
    Mirroring,
    /// In the middle of blobs.
    Blobs,
    /// From the first dry run to waiting for rollouts.
    Rewriting,
}

/// Whether the request is not executed, or is executed and its response is lost.
const LOST: [&str; 2] =
    [r#"{"kind":"silence"}"#, r#"{"kind":"throttle","bytes_per_second":1,"of":"response"}"#];

const STAGES: [Stage; 5] =
    [Stage::Discovery, Stage::Planning, Stage::Mirroring, Stage::Blobs, Stage::Rewriting];

/// A run that has stopped, and the request at which it stopped.
struct Point {
    front: &'static str,
    arguments: &'static [&'static str],
    rule: Value,
    /// Number of requests that pass before the rule starts: a random number from this range.
    skip: (usize, usize),
}

impl Stage {
    fn point(self, random: &mut Random, repeatable: &RepeatableLab) -> Point {
        let counts = &repeatable.counts;
        let registry = ["source", "ecr"][random.below(2)];
        let lost: Value = serde_json::from_str(LOST[random.below(LOST.len())]).unwrap();
        let mirror: &[&str] = &["--no-rewrite"];
        let point = |front, arguments, rule, skip| Point { front, arguments, rule, skip };
        match self {
            Self::Discovery => point("kubernetes", &[], json!({"action": lost}), (0, counts.discovery)),
            Self::Planning => {
                let planning = if registry == "ecr" { counts.planning.1 } else { counts.planning.0 };
                point(registry, mirror, json!({"action": lost}), (0, planning))
            }
            Self::Mirroring => {
                let all = if registry == "ecr" { counts.mirroring.1 } else { counts.mirroring.0 };
                point(registry, mirror, json!({"action": lost}), (0, all))
            }
            Self::Blobs => {
                let (method, path, of) = if registry == "ecr" {
                    ("PUT", "/blobs/uploads/", "request")
                } else {
                    // Only the URLs of blob hosts are signed.
                    ("GET", "/ghcr1/blobs/", "response")
                };
                let slow = json!({"kind": "throttle", "bytes_per_second": 1000, "of": of});
                let rule = json!({"method": method, "path": path, "action": slow});
                point(registry, mirror, rule, (0, counts.uploads.len() / 2))
            }
            Self::Rewriting => {
                point("kubernetes", &[], json!({"action": lost}), (counts.discovery, counts.kubernetes))
            }
        }
    }
}

/// Ends a run at every random point, and asserts the invariants each time.
#[expect(clippy::print_stdout, reason = "a failed test prints its position")]
fn interrupt_everywhere(end: impl Fn(&mut Random, RunningPlugin)) {
    let mut random = Random::from_environment();
    let repeatable = RepeatableLab::measure(own_lab());
    for round in 0..Random::rounds(5) {
        let stage = STAGES[round % STAGES.len()];
        let point = stage.point(&mut random, &repeatable);
        let (from, mut below) = point.skip;
        let run = loop {
            repeatable.reset();
            let skip = from + random.below((below - from).max(1));
            println!(
                "TEST_SEED={} round {round}: {stage:?}, {} {skip}: {}",
                random.seed, point.front, point.rule
            );
            match stop_at(&repeatable, &point, skip) {
                Some(run) => break run,
                // The number of requests differs between runs, because nodes differ in speed.
                None => below = skip,
            }
        };
        end(&mut random, run);
        clear_faults(&repeatable.lab);
        repeatable.assert_consistent();
        let first = repeatable.uploaded();
        clear_traffic(&repeatable.lab);
        repeatable.finish();
        let second = repeatable.uploaded();
        let again: Vec<_> = first.intersection(&second).collect();
        assert!(again.is_empty(), "uploaded again: {again:?}");
        let together: BTreeSet<_> = first.union(&second).cloned().collect();
        assert_eq!(together, repeatable.counts.uploads);
    }
}

/// Starts a run that stops after `skip` requests to the point's front server; returns nothing if it ends before that.
fn stop_at(repeatable: &RepeatableLab, point: &Point, skip: usize) -> Option<RunningPlugin> {
    let mut rule = point.rule.clone();
    rule["skip"] = json!(skip);
    let part = rule["path"].as_str().unwrap_or_default().to_owned();
    let method = rule["method"].as_str().unwrap_or_default().to_owned();
    add_fault(&repeatable.lab, point.front, &rule);
    let mut run = repeatable.lab.spawn_plugin(&[RUN, point.arguments].concat()).unwrap();
    let mut ended = false;
    eventually("the run stops or exits", || {
        let seen = traffic(&repeatable.lab, point.front);
        let matching =
            seen.iter().filter(|record| record.path.contains(&part) && record.method.contains(&method));
        ended = run.try_wait().unwrap().is_some();
        // A blob upload that has started has transferred bytes.
        let disturbed = matching.skip(skip);
        ended || disturbed.into_iter().any(|record| part.is_empty() || record.received + record.sent > 1000)
    });
    if !ended {
        return Some(run);
    }
    let output = run.wait().unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    None
}

/// Sends signals immediately, and asserts the output.
#[track_caller]
fn end(mut run: RunningPlugin, signals: &[&str], last_line: &str) {
    for signal in signals {
        let sent = Command::new("kill").args([*signal, &run.process().to_string()]).output().unwrap();
        assert!(sent.status.success() || *signal == signals[signals.len() - 1]);
    }
    eventually("it exits", || run.try_wait().unwrap().is_some());
    let output = run.wait().unwrap();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    assert_stderr_contains(&output, &[last_line]);
    assert_eq!(output.stdout, "");
}
