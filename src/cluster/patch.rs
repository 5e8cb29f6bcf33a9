//! The only calls that change workloads.

use json_patch::Patch;
use kube::api::{self, PatchParams};

use super::connect::Connection;
use super::error::Error;
use super::list::api;
use crate::model::field_manager::FIELD_MANAGER;
use crate::model::inventory::WorkloadName;
use crate::model::workload::Workload;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchMode {
    /// The server validates the request, including admission, and stores nothing.
    DryRun,
    Apply,
}

/// Patches one workload atomically, and returns the result.
///
/// # Errors
/// The workload changed (`Conflict`, or `Invalid` for a failed `test`), does not exist (`NotFound`), or the change is
/// rejected (`Denied`, `Forbidden`, `Invalid`).
pub async fn patch(
    connection: &Connection,
    name: &WorkloadName,
    patch: &Patch,
    mode: PatchMode,
) -> Result<Workload, Error> {
    let api = api(connection, name.kind, Some(&name.namespace));
    let parameters = PatchParams {
        dry_run: mode == PatchMode::DryRun,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let body = api::Patch::Json::<()>(patch.clone());
    let object = connection.once(api.patch(&name.name, &parameters, &body)).await?;
    Workload::from_object(name.kind, &name.cluster, &object, &connection.image_variables)
        .map_err(|error| Error::malformed(name, &error))
}
