//! Who owns the field of a rewritten image: pure, from the field managers that the API server lists.
//!
//! Server-side apply (Helm 4, Flux) of a value that differs from another field manager's value fails with a conflict
//! (Kubernetes' `docs/reference/using-api/server-side-apply`). So our field ownership is a safeguard: an upgrade that
//! would restore an image that nodes cannot pull fails with an error. Once the owner applies the same private image,
//! our ownership is no longer needed and would only block the next tag.

use serde::Serialize;

use crate::model::cluster_plan::Change;
use crate::model::field_manager::{FIELD_MANAGER, FieldManager};
use crate::model::image_field::locate_fields;
use crate::model::inventory::ImageField;
use crate::model::record::Records;
use crate::model::workload::Workload;

/// Who owns an image field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OwnedBy {
    /// Only this plugin: an owner that applies another image gets a conflict.
    Plugin,
    /// Both, with the same image: an owner that applies a new tag gets a conflict until we relinquish ownership.
    Both,
    /// Only the owner: it may apply a new tag or the public image.
    Owner,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FieldOwnership {
    pub owned_by: OwnedBy,
    /// The field manager that applies the workload.
    pub owner: String,
}

/// Who owns the field at `image_field`. `None` if no field manager applies the workload, because then no conflict is
/// possible.
///
/// The API server removes ownership when another field manager sets another value: two owners mean the same value.
pub fn field_ownership(workload: &Workload, image_field: &ImageField) -> Option<FieldOwnership> {
    let owns = |manager: &&FieldManager| manager.image_fields.contains(image_field);
    let owner = appliers(workload).find(owns);
    let is_ours = workload.managers.iter().filter(|manager| is_ours(manager)).any(|manager| owns(&manager));
    let (owned_by, owner) = match (is_ours, owner) {
        (true, Some(owner)) => (OwnedBy::Both, owner),
        (true, None) => (OwnedBy::Plugin, appliers(workload).next()?),
        (false, Some(owner)) => (OwnedBy::Owner, owner),
        (false, None) => return None,
    };
    Some(FieldOwnership { owned_by, owner: owner.name.clone() })
}

/// Who owns the private images of a workload after `changes` are made and `relinquished` is relinquished. If that
/// differs between images, [`OwnedBy::Plugin`] takes precedence. `None` if it has no private image.
pub fn workload_ownership(
    workload: &Workload,
    changes: &[Change],
    relinquished: &[ImageField],
) -> Option<FieldOwnership> {
    let records = Records::read(&workload.annotations);
    let named = changes.iter().map(|change| &change.image_field).chain(relinquished);
    let recorded: Vec<_> = records.all().map(|(image_field, _)| image_field).collect();
    let fields = locate_fields(&workload.pod, named.chain(&recorded));
    let owns = fields.into_iter().filter_map(|field| {
        let ownership = field_ownership(workload, &field.image_field)?;
        let owned_by = if changes.iter().any(|change| change.image_field == field.image_field) {
            OwnedBy::Plugin
        } else if relinquished.contains(&field.image_field) {
            OwnedBy::Owner
        } else {
            records.source(&field.image_field, &field.value)?;
            ownership.owned_by
        };
        Some(FieldOwnership { owned_by, ..ownership })
    });
    owns.min_by_key(|ownership| ownership.owned_by)
}

/// Image fields that we own without a record, because their images were restored. Empty if no conflict is possible.
pub fn stale_fields(workload: &Workload, records: &Records) -> Vec<ImageField> {
    if appliers(workload).next().is_none() {
        return Vec::new();
    }
    let ours = workload.managers.iter().filter(|manager| is_ours(manager));
    let claimed = ours.flat_map(|manager| &manager.image_fields);
    claimed.filter(|image_field| records.get(image_field).is_none()).cloned().collect()
}

/// Field managers that force ownership and never get a conflict (argoproj/argo-cd `docs/user-guide/sync-options.md`,
/// fluxcd/pkg `ssa`).
const FORCING: [&str; 2] = ["argocd-controller", "kustomize-controller"];

/// Field managers whose next upgrade would fail with a conflict. Manual `kubectl apply` does not count.
pub fn appliers(workload: &Workload) -> impl Iterator<Item = &FieldManager> {
    let is_refused = |name: &str| !name.starts_with("kubectl") && !FORCING.contains(&name);
    workload.managers.iter().filter(move |manager| manager.applies && is_refused(&manager.name))
}

/// We own fields through patches, which the API server records as updates.
pub fn is_ours(manager: &FieldManager) -> bool {
    manager.name == FIELD_MANAGER && !manager.applies
}

#[cfg(test)]
mod tests;
