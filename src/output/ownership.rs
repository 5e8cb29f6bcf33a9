//! Messages about field ownership.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::owner::Owner;
use crate::output::{say, table};
use crate::ownership::fields::{FieldOwnership, OwnedBy};
use crate::ownership::owners::{kind_and_name, known_manager};
use crate::sync::rollout::{Outcome, WorkloadReport};

/// What happens to a private image at its owner's next upgrade.
pub(super) fn describe_ownership(ownership: &FieldOwnership) -> String {
    let owner = owner(&ownership.owner);
    match ownership.owned_by {
        OwnedBy::Plugin => format!("owned by this plugin: another image from {owner} conflicts"),
        OwnedBy::Both => format!(
            "owned by this plugin and {owner}: another tag from {owner} conflicts \
                                  until sync-images runs"
        ),
        OwnedBy::Owner => format!("owned by {owner}"),
    }
}

/// Notes on who owns the images of each workload after a run.
pub(super) fn ownership_notes(workloads: &[WorkloadReport]) {
    notes(workloads, false);
}

/// Notes on the ownership that a run would relinquish; conflicts are reported with the owners.
pub(super) fn relinquish_notes(workloads: &[WorkloadReport]) {
    notes(workloads, true);
}

/// The owners that will revert images: one note for all owners of a kind that do the same.
///
/// `is_read`: whether all Helm releases could be read, from which `values helm` makes values.
pub(super) fn revert_notes<'o>(owners: impl Iterator<Item = &'o Owner>, is_read: bool) -> Vec<String> {
    let owners: BTreeSet<&Owner> = owners.collect();
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for owner in &owners {
        let (kind, name) = kind_and_name(owner).unwrap_or((&owner.name, ""));
        groups.entry((kind, &owner.reverts)).or_default().push(name);
    }
    let note = |((kind, reverts), names): ((&str, &str), Vec<&str>)| {
        if let [name] = names[..] {
            return format!("note: {} {reverts}", format!("{kind} {name}").trim_end());
        }
        format!("note: {} {kind}s ({}) {}", names.len(), names.join(", "), plural(reverts))
    };
    let is_release = |owner: &&Owner| owner.name.starts_with("Helm release ");
    let mut notes: Vec<String> = groups.into_iter().map(note).collect();
    if owners.iter().any(is_release) {
        let next = if is_read { "" } else { "; it prints how to get the releases that cannot be read here" };
        notes.push(format!(
            "hint: to persist across Helm upgrades, run: kubectl castai-privatelink values helm{next}"
        ));
    }
    if owners.iter().any(|owner| !owner.name.starts_with("Helm release ")) {
        notes.push(
            "hint: `kubectl castai-privatelink values --help` shows how to persist the private images with Argo CD, Flux or another owner".to_owned(),
        );
    }
    notes
}

/// What several owners do, by what one of them does.
fn plural(reverts: &str) -> String {
    let several = [
        ("reverts the image", "will revert these images"),
        ("fails at", "will fail at"),
        (" its ", " their "),
        ("the same image", "the same images"),
    ];
    several.iter().fold(reverts.to_owned(), |text, (one, several)| text.replace(one, several))
}

/// One note for all workloads with the same state.
fn notes(workloads: &[WorkloadReport], relinquished_only: bool) {
    let mut workloads_by_owner: BTreeMap<(OwnedBy, &str), Vec<String>> = BTreeMap::new();
    for workload in workloads {
        let Some(ownership) = &workload.ownership else { continue };
        let is_reported = match ownership.owned_by {
            OwnedBy::Owner => !workload.relinquished.is_empty(),
            OwnedBy::Plugin | OwnedBy::Both => !relinquished_only,
        };
        if is_reported {
            workloads_by_owner
                .entry((ownership.owned_by, &ownership.owner))
                .or_default()
                .push(workload.workload.to_string());
        }
    }
    for ((owned_by, manager), workloads) in workloads_by_owner {
        let (owner, workloads) = (owner(manager), workloads.join(", "));
        say(&match owned_by {
            OwnedBy::Plugin => format!(
                "note: upgrades by {owner} that set another image of {workloads} will fail with a \
                 conflict; use the values of `values helm`, and run sync-images again afterwards"
            ),
            OwnedBy::Both => format!(
                "note: upgrades by {owner} that set another tag for {workloads} will fail with a conflict; \
                 run sync-images again to relinquish ownership"
            ),
            OwnedBy::Owner => format!(
                "note: {owner} sets the private images of {workloads}; this plugin relinquishes ownership, \
                 so that upgrades can change the tag"
            ),
        });
    }
}

fn owner(manager: &str) -> &str {
    known_manager(manager).unwrap_or(manager)
}

/// Whether a run only relinquishes ownership of a workload's images.
pub(super) const fn is_relinquishment(workload: &WorkloadReport) -> bool {
    workload.changes.is_empty() && !workload.relinquished.is_empty()
}

pub(super) const fn relinquish_status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::DryRunOk => "ownership relinquished (server dry run)",
        Outcome::Planned => "ownership to relinquish",
        _ => "ownership relinquished",
    }
}

/// The changed image fields; if none changed, those whose ownership was relinquished.
pub(super) fn image_fields(workload: &WorkloadReport) -> String {
    let changed = workload.changes.iter().map(|change| &change.image_field);
    let relinquished = workload.relinquished.iter().filter(|_| is_relinquishment(workload));
    changed.chain(relinquished).map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Namespace, workload, its owner, and what that does.
pub(super) fn owner_table(rows: &[[String; 4]]) -> String {
    table::render(["NAMESPACE", "WORKLOAD", "OWNER", "EFFECT ON IMAGES"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_that_do_the_same_are_one_note() {
        let helm = "reverts the image at its next upgrade, unless its values set the same image";
        let owner = |name: &str, reverts: &str| Owner {
            name: name.to_owned(),
            reverts: reverts.to_owned(),
            self_heals: false,
        };
        let releases: Vec<_> =
            ["a", "b", "c"].map(|name| owner(&format!("Helm release {name}"), helm)).into();
        let hint = "hint: to persist across Helm upgrades, run: kubectl castai-privatelink values helm";
        let note = "note: 3 Helm releases (a, b, c) will revert these images at their next upgrade, unless their \
                    values set the same images";
        assert_eq!(revert_notes(releases.iter().chain(&releases), true), [note, hint]);
        assert_eq!(
            revert_notes(releases[..1].iter(), true),
            [format!("note: Helm release a {helm}"), hint.to_owned()]
        );
        let others = [
            owner("Argo CD application x", "reverts the image at its next sync"),
            owner("Terraform", "reverts the image when it is applied"),
        ];
        assert_eq!(
            revert_notes(others.iter(), true),
            [
                "note: Argo CD application x reverts the image at its next sync",
                "note: Terraform reverts the image when it is applied",
                "hint: `kubectl castai-privatelink values --help` shows how to persist the private images with Argo CD, Flux or another owner",
            ]
        );
        assert!(revert_notes([].into_iter(), false).is_empty());
        let unread = revert_notes(releases[..1].iter(), false);
        assert_eq!(unread[1], format!("{hint}; it prints how to get the releases that cannot be read here"));
    }
}
