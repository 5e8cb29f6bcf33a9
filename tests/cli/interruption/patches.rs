//! kill -9 between any two patches, of a rewrite or of its rollback: both `rollback` and a second run complete the work.

use std::collections::BTreeMap;

use lab::host::Lab;
use serde_json::{Value, json};

use super::setup::{BY_FRONT, Random};
use crate::harness::{
    add_fault, clear_faults, clear_traffic, eventually, other_workloads, own_lab, plugin, sync, traffic,
    workload_specs,
};

/// Each of the five workloads is patched twice: as a server dry run, then for real.
const PATCHES: usize = 10;
const SYNC: &[&str] = &["sync-images", "--yes", "--wait=false", BY_FRONT];
/// Nodes that cannot reach the internet could not pull the original images again.
const ROLLBACK: &[&str] = &["rollback", "--yes", "--wait=false", BY_FRONT];

#[test]
#[expect(clippy::print_stdout, reason = "a failed test prints its position")]
fn a_run_killed_between_two_patches_is_completed_or_rolled_back() {
    let mut random = Random::from_environment();
    let lab = own_lab();
    let (public, others) = (workload_specs(&lab), other_workloads(&lab));
    sync(&lab, 0, &["--no-rewrite"]);
    kill_at(&lab, SYNC, PATCHES);
    let private = images(&workload_specs(&lab));
    assert!(private != images(&public));
    for round in 0..Random::rounds(5) {
        let is_private = images(&workload_specs(&lab)) == private;
        let (begun, patch) = (if is_private { ROLLBACK } else { SYNC }, random.below(PATCHES));
        let finished = [SYNC, ROLLBACK][random.below(2)];
        println!(
            "TEST_SEED={} round {round}: {} ends at patch {patch}, then {}",
            random.seed, begun[0], finished[0]
        );
        kill_at(&lab, begun, patch);
        plugin(&lab, 0, finished);
        let now = workload_specs(&lab);
        if finished == SYNC {
            assert!(images(&now) == private, "some workloads are not rewritten");
            let records =
                now.values().filter(|one| one["annotations"]["privatelink.cast.ai/images"].is_string());
            assert_eq!(records.count(), PATCHES / 2);
        } else {
            assert!(now == public, "images and annotations differ from the original ones");
        }
        assert_eq!(other_workloads(&lab), others);
    }
    sync(&lab, 0, &[]);
    assert!(images(&workload_specs(&lab)) == private);
}

/// Ends a run after this number of patches; the next patch gets no response. If there is none, the run completes.
fn kill_at(lab: &Lab, arguments: &[&str], patch: usize) {
    add_fault(lab, "kubernetes", &json!({"method": "PATCH", "skip": patch, "action": {"kind": "silence"}}));
    clear_traffic(lab);
    let mut run = lab.spawn_plugin(arguments).unwrap();
    let mut ended = false;
    eventually("the run stops or exits", || {
        ended = run.try_wait().unwrap().is_some();
        let patches = traffic(lab, "kubernetes").iter().filter(|record| record.method == "PATCH").count();
        ended || patches > patch
    });
    if ended {
        let output = run.wait().unwrap();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(patch, PATCHES, "it exited before: {}", output.stderr);
    } else {
        run.kill().unwrap();
    }
    clear_faults(lab);
}

/// The specification of each workload.
fn images(workloads: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    workloads.iter().map(|(name, workload)| (name.clone(), workload["spec"].clone())).collect()
}
