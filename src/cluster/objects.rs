//! Lists objects of any kind and parses each one separately, so that a malformed object does not fail the others.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::Resource as _;
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectList, Request, TypeMeta};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::connect::Connection;
use super::error::Error;
use super::pages;

/// Raw values are skipped without recursion, whatever their depth.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

/// An object whose fields are not parsed yet.
pub(super) struct Object<'a> {
    pub(super) name: String,
    /// Empty if the kind is not namespaced.
    pub(super) namespace: String,
    /// Everything except metadata, `apiVersion` and `kind`.
    pub(super) fields: BTreeMap<String, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// Malformed fields are treated as absent: the API server has validated the object.
    fn new(raw: &'a RawValue) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Metadata {
            name: String,
            namespace: String,
        }
        let mut fields: BTreeMap<String, &'a RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        fields.remove("apiVersion");
        fields.remove("kind");
        let metadata = fields.remove("metadata").and_then(|raw| serde_json::from_str(raw.get()).ok());
        let Metadata { name, namespace } = metadata.unwrap_or_default();
        Self { name, namespace, fields }
    }
}

/// The result of `read` for each object in `namespace`, or in all namespaces.
pub(super) async fn list<T: Clone>(
    connection: &Connection,
    resource: &ApiResource,
    namespace: Option<&str>,
    read: impl Fn(Object<'_>) -> T,
) -> Result<Vec<T>, Error> {
    let request = Request::new(DynamicObject::url_path(resource, namespace));
    let (request, read) = (&request, &read);
    let page = |parameters| async move {
        let request = request.list(&parameters).map_err(kube::Error::BuildRequest)?;
        let text = connection.client.request_text(request).await?;
        let page: Page = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
        let items = page.items.unwrap_or_default().into_iter().map(|item| read(Object::new(item))).collect();
        Ok(ObjectList { types: TypeMeta::default(), metadata: page.metadata, items })
    };
    let take = |all: &mut Vec<T>, mut items: Vec<T>| all.append(&mut items);
    pages::collect(connection, ListParams::default(), page, take).await
}
