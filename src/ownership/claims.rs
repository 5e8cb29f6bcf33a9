//! Whose claim keeps a rewritten image in its field: pure, from what the API server says of field managers.
//!
//! Who applies on the server's side (Helm 4, Flux) and brings another value than one that somebody else claims is refused
//! (Kubernetes' `docs/reference/using-api/server-side-apply`). So our claim is a guard: an upgrade that would bring back
//! an image that nodes cannot pull fails loudly. Once the owner applies the same image, that guard is its own, and ours
//! would only refuse the next tag.

use serde::Serialize;

use crate::model::cluster_plan::Change;
use crate::model::field_manager::{FIELD_MANAGER, FieldManager};
use crate::model::image_field::fields_of;
use crate::model::inventory::Carrier;
use crate::model::record::Records;
use crate::model::workload::Workload;

/// Who is in the way of another image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Keeper {
    /// This plugin alone: an owner that applies another image is refused.
    Plugin,
    /// Both, with the same image: an owner that applies a new tag is refused until our claim is released.
    Both,
    /// The owner alone: it may bring a new tag, and the public image just as well.
    Owner,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    pub keeper: Keeper,
    /// The field manager of who applies the workload.
    pub owner: String,
}

/// Whose claim is on what stands at `carrier`; none where nobody applies the workload, so that nobody is refused.
///
/// The API server takes a field from those who claim it when somebody else sets another value: two who claim it mean
/// the same value.
pub fn claim(workload: &Workload, carrier: &Carrier) -> Option<Claim> {
    let claims = |manager: &&FieldManager| manager.carriers.contains(carrier);
    let owner = appliers(workload).find(claims);
    let is_ours = workload.managers.iter().filter(|manager| is_ours(manager)).any(|manager| claims(&manager));
    let (keeper, owner) = match (is_ours, owner) {
        (true, Some(owner)) => (Keeper::Both, owner),
        (true, None) => (Keeper::Plugin, appliers(workload).next()?),
        (false, Some(owner)) => (Keeper::Owner, owner),
        (false, None) => return None,
    };
    Some(Claim { keeper, owner: owner.name.clone() })
}

/// Who keeps the private images of a workload once `changes` are made and our claim on `released` is given up: ours
/// before all others where images differ. None where it has no private image.
pub fn of_workload(workload: &Workload, changes: &[Change], released: &[Carrier]) -> Option<Claim> {
    let records = Records::read(&workload.annotations);
    let named = changes.iter().map(|change| &change.carrier).chain(released);
    let recorded: Vec<_> = records.all().map(|(carrier, _)| carrier).collect();
    let fields = fields_of(&workload.pod, named.chain(&recorded));
    let claims = fields.into_iter().filter_map(|field| {
        let claim = claim(workload, &field.carrier)?;
        let keeper = if changes.iter().any(|change| change.carrier == field.carrier) {
            Keeper::Plugin
        } else if released.contains(&field.carrier) {
            Keeper::Owner
        } else {
            records.source(&field.carrier, &field.value)?;
            claim.keeper
        };
        Some(Claim { keeper, ..claim })
    });
    claims.min_by_key(|claim| claim.keeper)
}

/// Images that we claim and have no record of any more, because they were put back; none where nobody is refused.
pub fn left_over(workload: &Workload, records: &Records) -> Vec<Carrier> {
    if appliers(workload).next().is_none() {
        return Vec::new();
    }
    let ours = workload.managers.iter().filter(|manager| is_ours(manager));
    let claimed = ours.flat_map(|manager| &manager.carriers);
    claimed.filter(|carrier| records.get(carrier).is_none()).cloned().collect()
}

/// Who takes a field from whoever claims it, and is never refused (argoproj/argo-cd `docs/user-guide/sync-options.md`,
/// fluxcd/pkg `ssa`).
const FORCING: [&str; 2] = ["argocd-controller", "kustomize-controller"];

/// Those whose next upgrade would be refused. What a person applies by hand is no upgrade.
pub fn appliers(workload: &Workload) -> impl Iterator<Item = &FieldManager> {
    let is_refused = |name: &str| !name.starts_with("kubectl") && !FORCING.contains(&name);
    workload.managers.iter().filter(move |manager| manager.applies && is_refused(&manager.name))
}

/// Our claims come from patches, which the API server calls updates.
pub fn is_ours(manager: &FieldManager) -> bool {
    manager.name == FIELD_MANAGER && !manager.applies
}

#[cfg(test)]
mod tests;
