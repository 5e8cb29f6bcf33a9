//! Admission policies: the kinds that the API server serves, and applying them.

use kube::Api;
use kube::api::{self, DynamicObject, PatchParams};
use kube::core::GroupVersion;
use kube::discovery::{self, ApiResource};
use serde_json::Value;

use super::connect::Connection;
use super::error::Error;
use super::patch::PatchMode;
use crate::model::field_manager::FIELD_MANAGER;

/// The first of `versions` in which the API server serves `kind` of `group`.
///
/// # Errors
/// The server cannot be reached, or forbids API discovery.
pub async fn served_version<'v>(
    connection: &Connection,
    group: &str,
    kind: &str,
    versions: &[&'v str],
) -> Result<Option<&'v str>, Error> {
    for version in versions {
        if resource(connection, group, version, kind).await?.is_some() {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

async fn resource(
    connection: &Connection,
    group: &str,
    version: &str,
    kind: &str,
) -> Result<Option<ApiResource>, Error> {
    let groups = connection.read(|| connection.client.list_api_groups()).await?.groups;
    let is_served = groups
        .iter()
        .filter(|served| served.name == group)
        .any(|served| served.versions.iter().any(|served| served.version == version));
    if !is_served {
        return Ok(None);
    }
    let version = GroupVersion::gv(group, version);
    let known = connection.read(|| discovery::pinned_group(&connection.client, &version)).await?;
    Ok(known.recommended_kind(kind).map(|(resource, _)| resource))
}

/// Applies a cluster-scoped object by server-side apply, as our field manager.
///
/// # Errors
/// It is forbidden, another field manager owns a field (`Conflict`), or its kind is not served.
pub async fn apply(connection: &Connection, manifest: &Value, mode: PatchMode) -> Result<(), Error> {
    let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or_default();
    let Some(resource) = resource(connection, group, version, kind).await? else {
        return Err(Error::other(format!(
            "the server does not serve {kind} in version \"{group}/{version}\""
        )));
    };
    let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
    let parameters = PatchParams {
        dry_run: mode == PatchMode::DryRun,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    connection.once(api.patch(name, &parameters, &api::Patch::Apply(manifest))).await?;
    Ok(())
}
