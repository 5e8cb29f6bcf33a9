//! Whose claim keeps an image, in words.

use std::collections::BTreeMap;

use crate::output::say;
use crate::ownership::claims::{Claim, Keeper};
use crate::ownership::owners::known_manager;
use crate::sync::rollout::{Outcome, WorkloadReport};

/// What becomes of a private image at its owner's next upgrade.
pub(super) fn kept(claim: &Claim) -> String {
    let owner = owner(&claim.owner);
    match claim.keeper {
        Keeper::Plugin => format!("{owner} is refused another image: this plugin claims it"),
        Keeper::Both => format!("{owner} names it too, and is refused another tag until sync-images runs"),
        Keeper::Owner => format!("{owner} names it, and may change it"),
    }
}

/// Whose claim keeps the images of each workload after a run.
pub(super) fn keepers(workloads: &[WorkloadReport]) {
    notes(workloads, false);
}

/// The claims that a run would release; who is refused otherwise is said of the owners.
pub(super) fn releases(workloads: &[WorkloadReport]) {
    notes(workloads, true);
}

/// One note for all workloads of which the same is true.
fn notes(workloads: &[WorkloadReport], releases_alone: bool) {
    let mut kept: BTreeMap<(Keeper, &str), Vec<String>> = BTreeMap::new();
    for workload in workloads {
        let Some(claim) = &workload.claim else { continue };
        let is_told = match claim.keeper {
            Keeper::Owner => !workload.released.is_empty(),
            Keeper::Plugin | Keeper::Both => !releases_alone,
        };
        if is_told {
            kept.entry((claim.keeper, &claim.owner)).or_default().push(workload.workload.to_string());
        }
    }
    for ((keeper, manager), workloads) in kept {
        let (owner, workloads) = (owner(manager), workloads.join(", "));
        say(&match keeper {
            Keeper::Plugin => format!(
                "note: {owner} is refused another image for {workloads}, which this plugin claims: give its next \
                 upgrade the values of `values helm`, and run sync-images again after it"
            ),
            Keeper::Both => format!(
                "note: {owner} names the images of {workloads} too, and is refused another tag until this plugin \
                 releases its claim: run sync-images again"
            ),
            Keeper::Owner => format!(
                "note: {owner} names the private images of {workloads} by itself: this plugin releases its claim, so \
                 that an upgrade may bring a new tag"
            ),
        });
    }
}

fn owner(manager: &str) -> &str {
    known_manager(manager).unwrap_or(manager)
}

/// Whether no image of a workload was or would be changed, and our claim on some released.
pub(super) const fn is_release(workload: &WorkloadReport) -> bool {
    workload.changes.is_empty() && !workload.released.is_empty()
}

pub(super) const fn release(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::DryRunOk => "claim released (server dry run)",
        Outcome::Planned => "claim to release",
        _ => "claim released",
    }
}

/// The images that were or would be changed; where there are none, those that our claim is released on.
pub(super) fn carriers(workload: &WorkloadReport) -> String {
    let changed = workload.changes.iter().map(|change| &change.carrier);
    let released = workload.released.iter().filter(|_| is_release(workload));
    changed.chain(released).map(ToString::to_string).collect::<Vec<_>>().join(",")
}
