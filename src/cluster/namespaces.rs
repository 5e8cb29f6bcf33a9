//! The names of namespaces, and whether one exists.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::pages::PAGE;

/// The names of the first 500 namespaces, without retries: it runs during shell completion.
///
/// # Errors
/// Listing is forbidden, or the server cannot be reached.
pub async fn namespaces(connection: &Connection) -> Result<Vec<String>, Error> {
    let api: Api<Namespace> = Api::all(connection.client.clone());
    let parameters = ListParams::default().limit(PAGE);
    let page = connection.once(api.list_metadata(&parameters)).await?;
    Ok(page.items.into_iter().filter_map(|namespace| namespace.metadata.name).collect())
}

/// Fails if `namespace` does not exist: a list in it is empty, without an error. If reading it is forbidden, that is no error.
///
/// # Errors
/// The namespace does not exist, or the server cannot be reached.
pub(super) async fn check(connection: &Connection, namespace: &str) -> Result<(), Error> {
    let api: Api<Namespace> = Api::all(connection.client.clone());
    match connection.read(|| api.get_metadata(namespace)).await {
        Err(error) if error.kind() != ErrorKind::Forbidden => Err(error),
        _ => Ok(()),
    }
}
