//! Custom resources of Cast AI's operators, whose fields carry images too.

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersion;
use kube::discovery::{self, ApiResource, Scope};
use serde_json::Value;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::list::PAGE;
use crate::castai::resources::{CUSTOM_RESOURCES, CustomResource};

/// A custom resource as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub cluster: String,
    /// Empty where its kind has none.
    pub namespace: String,
    pub definition: &'static CustomResource,
    pub name: String,
    /// Everything but the metadata.
    pub content: Value,
}

/// All custom resources of Cast AI in `namespace`, or in all. What may not be read becomes a note.
///
/// # Errors
/// The server cannot be reached.
pub async fn list_custom_resources(
    connection: &Connection,
    namespace: Option<&str>,
) -> Result<(Vec<Resource>, Vec<String>), Error> {
    let (mut resources, mut notes) = (Vec::new(), Vec::new());
    let groups = connection.read(|| connection.client.list_api_groups()).await?.groups;
    for definition in CUSTOM_RESOURCES {
        let group = groups.iter().find(|group| group.name == definition.group);
        let version = group.and_then(|group| group.preferred_version.as_ref().or(group.versions.first()));
        let Some(version) = version else { continue };
        match list(connection, definition, &version.version, namespace).await {
            Ok(found) => resources.extend(found),
            Err(error) if error.kind() == ErrorKind::Forbidden => notes.push(format!(
                "cannot list {}.{}: {error}; images there are not seen",
                definition.plural, definition.group
            )),
            Err(error) => return Err(error),
        }
    }
    Ok((resources, notes))
}

async fn list(
    connection: &Connection,
    definition: &'static CustomResource,
    version: &str,
    namespace: Option<&str>,
) -> Result<Vec<Resource>, Error> {
    let group = GroupVersion::gv(definition.group, version);
    let known = connection.read(|| discovery::pinned_group(&connection.client, &group)).await?;
    // The group may be served without this kind.
    let Some((resource, capabilities)) = known.recommended_kind(definition.kind) else {
        return Ok(Vec::new());
    };
    let Some(api) = api(connection, &resource, &capabilities.scope, namespace) else {
        return Ok(Vec::new());
    };
    let mut parameters = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = connection.read(|| api.list(&parameters)).await?;
        found.extend(page.items.into_iter().map(|object| Resource {
            cluster: connection.name.clone(),
            namespace: object.metadata.namespace.unwrap_or_default(),
            definition,
            name: object.metadata.name.unwrap_or_default(),
            content: object.data,
        }));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(found),
        }
    }
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
