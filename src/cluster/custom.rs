//! Custom resources of Cast AI's operators, whose fields carry images too.

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersion;
use kube::discovery::{self, ApiResource, Scope};
use serde_json::Value;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::pages;
use crate::castai::resources::CustomResource;

/// A custom resource as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub cluster: String,
    /// Empty where its kind has none.
    pub namespace: String,
    pub definition: CustomResource,
    pub name: String,
    /// Everything but the metadata.
    pub content: Value,
}

/// All custom resources of `definitions` in `namespace`, or in all. What may not be read becomes a note.
///
/// # Errors
/// The server cannot be reached.
pub async fn list_custom_resources(
    connection: &Connection,
    definitions: &[CustomResource],
    namespace: Option<&str>,
) -> Result<(Vec<Resource>, Vec<String>), Error> {
    let (mut resources, mut notes) = (Vec::new(), Vec::new());
    for definition in definitions {
        match list(connection, definition, namespace).await {
            Ok(found) => resources.extend(found),
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Unauthorized) => {
                return Err(error);
            }
            Err(error) => {
                notes
                    .push(format!("cannot list {}: {error}; images there are not seen", definition.plural()));
            }
        }
    }
    Ok((resources, notes))
}

async fn list(
    connection: &Connection,
    definition: &CustomResource,
    namespace: Option<&str>,
) -> Result<Vec<Resource>, Error> {
    let groups = connection.read(|| connection.client.list_api_groups()).await?.groups;
    let group = groups.into_iter().find(|group| group.name == definition.group);
    let Some(version) = group.and_then(|mut group| group.preferred_version.or_else(|| group.versions.pop()))
    else {
        return Ok(Vec::new());
    };
    let version = GroupVersion::gv(&definition.group, &version.version);
    let known = connection.read(|| discovery::pinned_group(&connection.client, &version)).await?;
    // The group may be served without this kind.
    let Some((resource, capabilities)) = known.recommended_kind(&definition.kind) else {
        return Ok(Vec::new());
    };
    let Some(api) = api(connection, &resource, &capabilities.scope, namespace) else {
        return Ok(Vec::new());
    };
    let list = |parameters| async { api.list(&{ parameters }).await };
    let resource = |object: DynamicObject| Resource {
        cluster: connection.name.clone(),
        namespace: object.metadata.namespace.unwrap_or_default(),
        definition: definition.clone(),
        name: object.metadata.name.unwrap_or_default(),
        content: object.data,
    };
    let take = |found: &mut Vec<_>, page: Vec<_>| found.extend(page.into_iter().map(resource));
    pages::collect(connection, ListParams::default(), list, take).await
}

/// Where to list; nowhere if a namespace is asked for and the kind has none.
fn api(
    connection: &Connection,
    resource: &ApiResource,
    scope: &Scope,
    namespace: Option<&str>,
) -> Option<Api<DynamicObject>> {
    let client = connection.client.clone();
    match (namespace, scope) {
        (None, _) => Some(Api::all_with(client, resource)),
        (Some(namespace), Scope::Namespaced) => Some(Api::namespaced_with(client, namespace, resource)),
        (Some(_), Scope::Cluster) => None,
    }
}
