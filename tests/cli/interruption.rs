//! kill -9 and Ctrl-C in the middle: nothing is half done, and the next run goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::address::API_SERVER_HOST;
use lab::dns::Behaviour;
use lab::host::{Lab, RunningPlugin};
use lab::registry::traffic::Record;
use serde_json::{Value, json};

use crate::support::{ecr_tags, eventually, fault, heal, kubectl, own_lab, says, sync, workloads};

const OURS: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/";
const ANNOTATION: &str = "privatelink.cast.ai/images";
/// So slow that a run is under way for as long as it is watched: all blobs together take seconds.
const SLOW: u64 = 8_000_000;

#[test]
fn a_run_that_is_killed_while_it_copies_is_finished_by_the_next_one() {
    let mut dice = Dice::from_environment();
    let whole = uploads_of_a_whole_run();
    for _ in 0..Dice::rounds(3) {
        let point = dice.below(whole.len());
        let lab = own_lab();
        let before = workloads(&lab);
        slow_down(&lab);
        let run = lab.spawn_plugin(&["sync-images", "--yes"]).unwrap();
        eventually("enough blobs have arrived", || uploaded(&lab).len() >= point);
        run.kill().unwrap();
        heal(&lab);
        eventually("requests that were under way have ended", || is_quiet(&lab));
        assert_no_half(&before, &lab);
        let first = uploaded(&lab);
        lab.control().delete("/ecr/traffic").unwrap();
        finish(&lab);
        let second = uploaded(&lab);
        let again: Vec<_> = first.iter().filter(|upload| second.contains(upload)).collect();
        assert!(again.is_empty(), "seed {}, point {point}: uploaded again: {again:?}", dice.seed);
        let together: BTreeSet<_> = first.iter().chain(&second).cloned().collect();
        assert_eq!(together, whole, "seed {}, point {point}", dice.seed);
    }
}

#[test]
fn a_run_that_is_killed_while_it_rewrites_is_finished_by_the_next_one() {
    let mut dice = Dice::from_environment();
    for _ in 0..Dice::rounds(2) {
        let point = 1 + dice.below(5);
        let lab = own_lab();
        let before = workloads(&lab);
        sync(&lab, 0, &["--no-rewrite"]);
        // No rollout ends, so that the run still waits when it is killed.
        lab.control().post("/kubelet/pulls/pause", &json!({})).unwrap();
        let run = lab.spawn_plugin(&["sync-images", "--yes", "--timeout=5m"]).unwrap();
        eventually("enough workloads are rewritten", || rewritten(&lab).len() >= point.min(3));
        run.kill().unwrap();
        lab.control().post("/kubelet/pulls/resume", &json!({})).unwrap();
        assert_no_half(&before, &lab);
        lab.control().delete("/ecr/traffic").unwrap();
        finish(&lab);
        assert!(uploaded(&lab).is_empty(), "seed {}, point {point}: rewriting uploads nothing", dice.seed);
    }
}

#[test]
fn ctrl_c_ends_at_once_with_130_and_the_next_run_completes() {
    let lab = own_lab();
    let (before, tags) = (workloads(&lab), ecr_tags(&lab));
    let held = "/ecr/traffic";

    // While the cluster is looked for.
    let record = format!("/dns/records/{API_SERVER_HOST}");
    lab.control().put(&record, &Behaviour::Silent).unwrap();
    lab.control().delete("/dns/queries").unwrap();
    let run = lab.spawn_plugin(&["sync-images", "--yes", "--request-timeout=5m"]).unwrap();
    eventually("the API server's name is asked for", || {
        let asked: Vec<Value> = lab.control().get("/dns/queries").unwrap();
        asked.iter().any(|query| query["name"].as_str().unwrap().to_lowercase().contains("eks.amazonaws.com"))
    });
    interrupt(run);
    lab.control().delete(&record).unwrap();
    assert_eq!((&workloads(&lab), &ecr_tags(&lab)), (&before, &tags));

    // While images are copied.
    slow_down(&lab);
    let run = lab.spawn_plugin(&["sync-images", "--yes"]).unwrap();
    eventually("a blob has arrived", || !uploaded(&lab).is_empty());
    interrupt(run);
    heal(&lab);
    eventually("requests that were under way have ended", || is_quiet(&lab));
    assert_eq!(workloads(&lab), before);
    lab.control().delete(held).unwrap();

    // While a rollout is waited for.
    sync(&lab, 0, &["--no-rewrite"]);
    lab.control().post("/kubelet/pulls/pause", &json!({})).unwrap();
    let run = lab.spawn_plugin(&["sync-images", "--yes", "--timeout=5m"]).unwrap();
    eventually("a workload is rewritten", || !rewritten(&lab).is_empty());
    interrupt(run);
    lab.control().post("/kubelet/pulls/resume", &json!({})).unwrap();
    assert_no_half(&before, &lab);
    finish(&lab);
}

/// Sends what Ctrl-C sends, and asserts what a user sees then.
#[track_caller]
fn interrupt(run: RunningPlugin) {
    let killed = Command::new("kill").args(["-INT", &run.process().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = run.wait().unwrap();
    assert_eq!(output.code, Some(130), "{}", output.stderr);
    says(&output, &["interrupted:", "run again"]);
    assert_eq!(output.stdout, "");
}

fn slow_down(lab: &Lab) {
    fault(
        lab,
        "ecr",
        &json!({
            "method": "PUT", "path": "/blobs/uploads/",
            "action": {"kind": "throttle", "bytes_per_second": SLOW, "of": "request"},
        }),
    );
}

/// Runs to the end: everything is rewritten, and every pod of Cast AI is ready.
#[track_caller]
fn finish(lab: &Lab) {
    sync(lab, 0, &[]);
    assert_eq!(rewritten(lab).len(), 5, "{:?}", rewritten(lab));
    kubectl(lab, &["delete", "pods", "--all", "--namespace=castai-agent", "--wait=false"]);
    lab.wait_for(&["deployments,daemonsets", "--namespace=castai-agent"], Duration::from_mins(1), |list| {
        list["items"].as_array().unwrap().iter().all(|item| {
            let status = &item["status"];
            let (wanted, ready) = if item["kind"] == "DaemonSet" {
                (&status["desiredNumberScheduled"], &status["numberReady"])
            } else {
                (&item["spec"]["replicas"], &status["readyReplicas"])
            };
            wanted == ready && status["observedGeneration"] == item["metadata"]["generation"]
        })
    })
    .unwrap();
}

/// Names of the workloads that carry our record.
fn rewritten(lab: &Lab) -> Vec<String> {
    let all = workloads(lab).into_iter();
    all.filter(|(_, workload)| workload["annotations"][ANNOTATION].is_string())
        .map(|(name, _)| name)
        .collect()
}

/// Every workload is as it was, or has all its images from the registry and a record of each.
#[track_caller]
fn assert_no_half(before: &BTreeMap<String, Value>, lab: &Lab) {
    for (name, workload) in workloads(lab) {
        if Some(&workload) == before.get(&name) {
            continue;
        }
        let images = images(&workload["spec"]);
        assert!(images.iter().all(|image| image.starts_with(OURS)), "{name} is half rewritten: {images:?}");
        let record: BTreeMap<String, Value> =
            serde_json::from_str(workload["annotations"][ANNOTATION].as_str().unwrap()).unwrap();
        let recorded: BTreeSet<_> =
            record.values().map(|entry| entry["to"].as_str().unwrap().to_owned()).collect();
        assert!(images.iter().all(|image| recorded.contains(image)), "{name}: {images:?} {recorded:?}");
    }
}

fn images(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("image").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(images)).collect()
        }
        Value::Array(items) => items.iter().flat_map(images).collect(),
        _ => Vec::new(),
    }
}

/// Repository and digest of each blob that ECR has taken since the traffic was last reset.
fn uploaded(lab: &Lab) -> BTreeSet<(String, String)> {
    let records: Vec<Record> = lab.control().get("/ecr/traffic").unwrap();
    let taken = records.iter().filter(|record| is_upload(record) && record.status == 201);
    taken
        .map(|record| {
            let (repository, rest) = record.path.split_once("/blobs/uploads/").unwrap();
            let digest = rest.split_once("digest=").unwrap().1;
            (repository.to_owned(), digest.split('&').next().unwrap().replace("%3A", ":"))
        })
        .collect()
}

fn is_upload(record: &Record) -> bool {
    record.method == "PUT" && record.path.contains("/blobs/uploads/")
}

/// Whether two looks at the traffic find the same uploads: those without an answer will not get one any more.
#[expect(clippy::disallowed_methods, reason = "what has to be seen is that nothing happens for a while")]
fn is_quiet(lab: &Lab) -> bool {
    let first = uploaded(lab);
    std::thread::sleep(Duration::from_millis(200));
    first == uploaded(lab)
}

fn uploads_of_a_whole_run() -> BTreeSet<(String, String)> {
    let lab = own_lab();
    sync(&lab, 0, &["--no-rewrite"]);
    uploaded(&lab)
}

/// Chance that can be repeated: `TEST_SEED` sets the seed, and `TEST_LONG` the number of rounds.
struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    #[expect(clippy::print_stdout, reason = "a test that fails has to tell its seed")]
    fn from_environment() -> Self {
        let given = std::env::var("TEST_SEED").ok().and_then(|text| text.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed = given.unwrap_or_else(now);
        println!("TEST_SEED={seed}");
        Self { seed, state: seed }
    }

    /// `usual` kills, or ten times as many: fifty over both tests.
    fn rounds(usual: usize) -> usize {
        if std::env::var_os("TEST_LONG").is_some() { usual * 10 } else { usual }
    }

    /// `SplitMix64` (Steele, Lea and Flood 2014), which needs one word of state.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}
