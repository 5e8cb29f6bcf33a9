//! Custom resources of Cast AI's operators, whose fields may hold images.

use kube::core::GroupVersion;
use kube::discovery::{self, Scope};
use serde_json::{Map, Value};

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::list::Malformed;
use super::objects::{self, Object};
use super::refused::refusals;
use crate::model::knowledge::CustomResource;
use crate::parse;

/// A custom resource as read from the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub cluster: String,
    /// Empty if its kind is not namespaced.
    pub namespace: String,
    pub definition: CustomResource,
    pub name: String,
    /// Everything but the metadata.
    pub content: Value,
}

/// The custom resources found in the cluster.
#[derive(Clone, Debug, Default)]
pub struct ListedResources {
    pub resources: Vec<Resource>,
    /// Why kinds could not be listed, one sentence for each cause.
    pub notes: Vec<String>,
    /// Kinds that cannot be listed, as kubectl names them.
    pub unlisted: Vec<String>,
    pub malformed: Vec<Malformed>,
}

/// All custom resources of `definitions` in `namespace`, or in all namespaces.
///
/// # Errors
/// The server cannot be reached.
pub async fn list_custom_resources(
    connection: &Connection,
    definitions: &[&CustomResource],
    namespace: Option<&str>,
) -> Result<ListedResources, Error> {
    let (mut all, mut refused) = (ListedResources::default(), Vec::new());
    for definition in definitions {
        match list(connection, definition, namespace).await {
            Ok(found) => {
                for resource in found {
                    match resource {
                        Ok(resource) => all.resources.push(resource),
                        Err(malformed) => all.malformed.push(malformed),
                    }
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Unauthorized) => {
                return Err(error);
            }
            Err(error) => refused.push((definition.plural(), error)),
        }
    }
    all.notes = refusals(&refused);
    all.unlisted = refused.into_iter().map(|(kind, _)| kind).collect();
    Ok(all)
}

/// A resource, or why it cannot be parsed.
async fn list(
    connection: &Connection,
    definition: &CustomResource,
    namespace: Option<&str>,
) -> Result<Vec<Result<Resource, Malformed>>, Error> {
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
    // A kind that is not namespaced has no objects in a namespace.
    if namespace.is_some() && capabilities.scope == Scope::Cluster {
        return Ok(Vec::new());
    }
    objects::list(connection, &resource, namespace, |object| read(connection, definition, object)).await
}

fn read(
    connection: &Connection,
    definition: &CustomResource,
    object: Object<'_>,
) -> Result<Resource, Malformed> {
    let Object { name, namespace, fields } = object;
    let fields = fields.into_iter().map(|(field, raw)| Ok((field, parse::json::from_str(raw.get())?)));
    let content = fields.collect::<Result<Map<String, Value>, parse::json::Error>>().map_err(|error| {
        let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
        let kind = definition.singular();
        let why = format!("{kind}/{name}{place} cannot be parsed: {error}; its images are not found");
        Malformed { namespace: namespace.clone(), why }
    })?;
    Ok(Resource {
        cluster: connection.name.clone(),
        namespace,
        definition: definition.clone(),
        name,
        content: content.into(),
    })
}
