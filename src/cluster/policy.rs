//! Admission policies: the kinds that the API server serves, and applying them.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{self, DynamicObject, PatchParams, PostParams};
use kube::core::GroupVersion;
use kube::discovery::{self, ApiResource};
use serde_json::{Value, json};

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::patch::PatchMode;
use crate::model::admission_policy::{AdmissionPolicy, NAME};
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

/// Whether the cluster has an admission policy of ours, with all its objects.
///
/// # Errors
/// The server cannot be reached, or reading policies is forbidden.
pub async fn is_installed(connection: &Connection, policy: &AdmissionPolicy) -> Result<bool, Error> {
    for kind in policy.kinds {
        let Some(version) = served_version(connection, policy.group, kind, policy.versions).await? else {
            return Ok(false);
        };
        let Some(resource) = resource(connection, policy.group, version, kind).await? else {
            return Ok(false);
        };
        let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
        match connection.read(|| api.get_metadata(NAME)).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The images that a new pod in `namespace` with `images` would get from admission, in the same order. The API server
/// creates the pod in a dry run only.
///
/// # Errors
/// Creating pods is forbidden, the pod is refused, or the server cannot be reached.
pub async fn admitted_images(
    connection: &Connection,
    namespace: &str,
    images: &[&str],
) -> Result<Vec<String>, Error> {
    let containers = images.iter().enumerate().map(|(index, image)| {
        // PodSecurity accepts this in its strictest level, and a quota may require requests and limits.
        let amounts = json!({"cpu": "1m", "memory": "1Mi"});
        json!({
            "name": format!("c{index}"), "image": image,
            "resources": {"requests": amounts, "limits": amounts},
            "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        })
    });
    let pod = json!({
        "metadata": {"generateName": format!("{NAME}-"), "namespace": namespace},
        "spec": {"containers": containers.collect::<Vec<_>>()},
    });
    let pod: Pod = serde_json::from_value(pod).map_err(|error| Error::other(error.to_string()))?;
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), namespace);
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let admitted = connection.once(api.create(&parameters, &pod)).await?;
    let containers = admitted.spec.map(|spec| spec.containers).unwrap_or_default();
    let image = |index: usize| {
        let name = format!("c{index}");
        containers.iter().find(|container| container.name == name)?.image.clone()
    };
    Ok((0..images.len()).map(|index| image(index).unwrap_or_default()).collect())
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
