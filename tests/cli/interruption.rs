//! kill -9 and Ctrl-C at any point of a run: nothing is half done, and the next run goes on from there.
//!
//! A point is a request at one of the lab's fronts that never gets an answer, nor does any later one there: the run
//! stands still at a place that a seed repeats. `TEST_SEED=N` sets the seed, `TEST_SEED=random` has the clock do so;
//! `TEST_LONG` takes fifty points instead of five.

mod patches;
mod setup;

use std::collections::BTreeSet;
use std::process::Command;

use lab::address;
use lab::host::RunningPlugin;
use lab::registry::image::{Behaviour, Recipe};
use serde_json::{Value, json};

pub(crate) use self::setup::Dice;
use self::setup::{RUN, Scene};
use crate::harness::{
    MIRROR, add_fault, apply, assert_stderr_contains, clear_faults, clear_traffic, container_image,
    eventually, kubectl, own_lab, plugin, publish_to, recorded_images, traffic,
};

#[test]
fn a_run_that_is_killed_anywhere_is_finished_by_the_next_one() {
    interrupt_everywhere(|_, run| run.kill().unwrap());
}

#[test]
fn a_run_that_ctrl_c_ends_anywhere_says_so_and_is_finished_by_the_next_one() {
    interrupt_everywhere(|dice, run| match dice.below(4) {
        0 => end(run, &["-TERM"]),
        1 => end(run, &["-INT", "-INT"]),
        _ => end(run, &["-INT"]),
    });
}

/// Where nobody reads what the plugin writes, its own end is not waited for.
#[test]
fn ctrl_c_is_heard_where_output_is_stuck() {
    let lab = own_lab();
    let pipe = lab.folder().home().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run = lab.spawn_plugin(&["sync-images", "--dry-run=client", "--plan=pipe"]).unwrap();
    let read = || traffic(&lab, "source").iter().filter(|record| record.status == 200).count();
    eventually("sources are read", || read() > 0);
    // The plan is written when everything is read.
    setup::settle(read);
    end(run, &["-INT"]);
}

/// What ran well and breaks by our change has its former image again in the end, whichever run sees to it.
#[test]
#[expect(clippy::print_stdout, reason = "a test that fails has to tell where")]
fn a_run_that_ends_while_it_restores_leaves_that_to_the_next_one() {
    let mut dice = Dice::from_environment();
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
    for round in 0..Dice::rounds(1) {
        publish("first", Behaviour::Run);
        deploy("first");
        // The nodes hold what ran, and will pull what crashes.
        publish("first", Behaviour::Crash);
        // The first patch is the dry run, the second our change.
        let lost = LOST[dice.below(LOST.len())];
        let action: Value = serde_json::from_str(lost).unwrap();
        println!("TEST_SEED={} round {round}: restoring, {lost}", dice.seed);
        let rule = json!({"method": "PATCH", "path": "/deployments/first", "skip": 2, "action": action});
        add_fault(&lab, "kubernetes", &rule);
        clear_traffic(&lab);
        let arguments = ["sync-images", "--yes", "-l", "app=first", setup::BY_FRONT];
        let run = lab.spawn_plugin(&arguments).unwrap();
        eventually("it restores", || {
            let seen = traffic(&lab, "kubernetes");
            let patches = seen.iter().filter(|record| record.method == "PATCH");
            // A patch whose answer gets lost has been made.
            patches.skip(2).any(|patch| lost.contains("silence") || patch.status == 200)
        });
        match dice.below(2) {
            0 => run.kill().unwrap(),
            _ => end(run, &["-INT"]),
        }
        clear_faults(&lab);
        let is_restored = !lost.contains("silence");
        let left = if is_restored { (former.as_str(), false) } else { (ours.as_str(), true) };
        let now = || {
            let has_record = recorded_images(&lab, "deployment/first") != Value::Null;
            (container_image(&lab, "first", "main"), has_record)
        };
        assert_eq!(now(), (left.0.to_owned(), left.1));
        // A pod from before still runs, which shows that it ran well: it is restored by whichever run comes next.
        // No other component that runs well is touched then.
        deploy("second");
        let output = plugin(&lab, 1, &arguments);
        let failure = "error: deployment.apps/first in namespace castai-agent was restored to its original \
                       images";
        assert_stderr_contains(
            &output,
            &[failure, "deployment.apps/second in namespace castai-agent not started"],
        );
        assert_eq!(now(), (former.clone(), false));
        kubectl(&lab, &["delete", "-n", "castai-agent", "deployment/first", "deployment/second"]);
    }
}

/// A part of a run, by where it stands still.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Discovery,
    Planning,
    /// From the first request of planning to the last of verification.
    Mirroring,
    /// In the middle of blobs.
    Blobs,
    /// From the first dry run to rollouts that are waited for.
    Rewriting,
}

/// What is asked for is not done, or it is done and the answer gets lost.
const LOST: [&str; 2] =
    [r#"{"kind":"silence"}"#, r#"{"kind":"throttle","bytes_per_second":1,"of":"response"}"#];

const STAGES: [Stage; 5] =
    [Stage::Discovery, Stage::Planning, Stage::Mirroring, Stage::Blobs, Stage::Rewriting];

/// A run that stands still, and at which request.
struct Point {
    front: &'static str,
    arguments: &'static [&'static str],
    rule: Value,
    /// Requests that pass before the rule starts: from this number on, and below that.
    skip: (usize, usize),
}

impl Stage {
    fn point(self, dice: &mut Dice, scene: &Scene) -> Point {
        let whole = &scene.whole;
        let registry = ["source", "ecr"][dice.below(2)];
        let lost: Value = serde_json::from_str(LOST[dice.below(LOST.len())]).unwrap();
        let mirror: &[&str] = &["--no-rewrite"];
        let point = |front, arguments, rule, skip| Point { front, arguments, rule, skip };
        match self {
            Self::Discovery => point("kubernetes", &[], json!({"action": lost}), (0, whole.discovery)),
            Self::Planning => {
                let planning = if registry == "ecr" { whole.planning.1 } else { whole.planning.0 };
                point(registry, mirror, json!({"action": lost}), (0, planning))
            }
            Self::Mirroring => {
                let all = if registry == "ecr" { whole.mirroring.1 } else { whole.mirroring.0 };
                point(registry, mirror, json!({"action": lost}), (0, all))
            }
            Self::Blobs => {
                let (method, path, of) = if registry == "ecr" {
                    ("PUT", "/blobs/uploads/", "request")
                } else {
                    // The addresses of blob hosts are the only signed ones.
                    ("GET", "/ghcr1/blobs/", "response")
                };
                let slow = json!({"kind": "throttle", "bytes_per_second": 1000, "of": of});
                let rule = json!({"method": method, "path": path, "action": slow});
                point(registry, mirror, rule, (0, whole.uploads.len() / 2))
            }
            Self::Rewriting => {
                point("kubernetes", &[], json!({"action": lost}), (whole.discovery, whole.kubernetes))
            }
        }
    }
}

/// Ends a run at every point that the dice say, and asserts all that has to hold then.
#[expect(clippy::print_stdout, reason = "a test that fails has to tell where")]
fn interrupt_everywhere(end: impl Fn(&mut Dice, RunningPlugin)) {
    let mut dice = Dice::from_environment();
    let scene = Scene::measure(own_lab());
    for round in 0..Dice::rounds(5) {
        let stage = STAGES[round % STAGES.len()];
        let point = stage.point(&mut dice, &scene);
        let (from, mut below) = point.skip;
        let run = loop {
            scene.reset();
            let skip = from + dice.below((below - from).max(1));
            println!(
                "TEST_SEED={} round {round}: {stage:?}, {} {skip}: {}",
                dice.seed, point.front, point.rule
            );
            match stand_still(&scene, &point, skip) {
                Some(run) => break run,
                // A run may need fewer requests than another: nodes are quicker or slower.
                None => below = skip,
            }
        };
        end(&mut dice, run);
        clear_faults(&scene.lab);
        scene.assert_whole();
        let first = scene.uploaded();
        clear_traffic(&scene.lab);
        scene.finish();
        let second = scene.uploaded();
        let again: Vec<_> = first.intersection(&second).collect();
        assert!(again.is_empty(), "uploaded again: {again:?}");
        let together: BTreeSet<_> = first.union(&second).cloned().collect();
        assert_eq!(together, scene.whole.uploads);
    }
}

/// Starts a run that gets no further than `skip` requests at the point's front; nothing where it ends before.
fn stand_still(scene: &Scene, point: &Point, skip: usize) -> Option<RunningPlugin> {
    let mut rule = point.rule.clone();
    rule["skip"] = json!(skip);
    let part = rule["path"].as_str().unwrap_or_default().to_owned();
    let method = rule["method"].as_str().unwrap_or_default().to_owned();
    add_fault(&scene.lab, point.front, &rule);
    let mut run = scene.lab.spawn_plugin(&[RUN, point.arguments].concat()).unwrap();
    let mut ended = false;
    eventually("the run stands still or ends", || {
        let seen = traffic(&scene.lab, point.front);
        let matching =
            seen.iter().filter(|record| record.path.contains(&part) && record.method.contains(&method));
        ended = run.try_wait().unwrap().is_some();
        // A blob that is under way has begun to move.
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

/// Sends signals at once, and asserts what a user sees then.
#[track_caller]
fn end(mut run: RunningPlugin, signals: &[&str]) {
    for signal in signals {
        let sent = Command::new("kill").args([*signal, &run.process().to_string()]).output().unwrap();
        assert!(sent.status.success() || *signal == signals[signals.len() - 1]);
    }
    eventually("it ends by itself", || run.try_wait().unwrap().is_some());
    let output = run.wait().unwrap();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    assert_stderr_contains(&output, &["interrupted:", "run again"]);
    assert_eq!(output.stdout, "");
}
