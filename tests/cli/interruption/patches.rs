//! kill -9 between any two patches, of a rewrite or of its way back: both `rollback` and a second run converge.

use std::collections::BTreeMap;

use lab::host::Lab;
use serde_json::{Value, json};

use super::setup::{BY_FRONT, Dice};
use crate::harness::{
    add_fault, clear_faults, clear_traffic, eventually, other_workloads, own_lab, plugin, sync, traffic,
    workload_specs,
};

/// Each of the five workloads is patched twice: tried on the server, then changed.
const PATCHES: usize = 10;
const SYNC: &[&str] = &["sync-images", "--yes", "--wait=false", BY_FRONT];
/// Nodes that cannot reach the internet would not get the former images again.
const ROLLBACK: &[&str] = &["rollback", "--yes", "--wait=false", BY_FRONT];

#[test]
#[expect(clippy::print_stdout, reason = "a test that fails has to tell where")]
fn a_run_that_is_killed_between_two_patches_is_finished_or_rolled_back() {
    let mut dice = Dice::from_environment();
    let lab = own_lab();
    let (public, others) = (workload_specs(&lab), other_workloads(&lab));
    sync(&lab, 0, &["--no-rewrite"]);
    kill_at(&lab, SYNC, PATCHES);
    let private = images(&workload_specs(&lab));
    assert!(private != images(&public));
    for round in 0..Dice::rounds(5) {
        let is_private = images(&workload_specs(&lab)) == private;
        let (begun, patch) = (if is_private { ROLLBACK } else { SYNC }, dice.below(PATCHES));
        let finished = [SYNC, ROLLBACK][dice.below(2)];
        println!(
            "TEST_SEED={} round {round}: {} ends at patch {patch}, then {}",
            dice.seed, begun[0], finished[0]
        );
        kill_at(&lab, begun, patch);
        plugin(&lab, 0, finished);
        let now = workload_specs(&lab);
        if finished == SYNC {
            assert!(images(&now) == private, "not everything is rewritten");
            let records =
                now.values().filter(|one| one["annotations"]["privatelink.cast.ai/images"].is_string());
            assert_eq!(records.count(), PATCHES / 2);
        } else {
            assert!(now == public, "images and annotations are not what they were");
        }
        assert_eq!(other_workloads(&lab), others);
    }
    sync(&lab, 0, &[]);
    assert!(images(&workload_specs(&lab)) == private);
}

/// Ends a run in which so many patches were made and the next gets no answer; without a next one, it ends by itself.
fn kill_at(lab: &Lab, arguments: &[&str], patch: usize) {
    add_fault(lab, "kubernetes", &json!({"method": "PATCH", "skip": patch, "action": {"kind": "silence"}}));
    clear_traffic(lab);
    let mut run = lab.spawn_plugin(arguments).unwrap();
    let mut ended = false;
    eventually("the run stands still or ends", || {
        ended = run.try_wait().unwrap().is_some();
        let patches = traffic(lab, "kubernetes").iter().filter(|record| record.method == "PATCH").count();
        ended || patches > patch
    });
    if ended {
        let output = run.wait().unwrap();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(patch, PATCHES, "it ended before: {}", output.stderr);
    } else {
        run.kill().unwrap();
    }
    clear_faults(lab);
}

/// What each workload runs, wherever its image stands.
fn images(workloads: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    workloads.iter().map(|(name, workload)| (name.clone(), workload["spec"].clone())).collect()
}
