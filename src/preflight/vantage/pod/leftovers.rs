//! Removes what runs left in the cluster because they were killed.

use super::manifest::selector;
use crate::cluster::probe_pods::{Created, DeleteMode, delete_created, list_created};
use crate::cluster::{self, Connection};

/// An object of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    pub namespace: String,
    /// As kubectl names it: `pod/x`.
    pub object: String,
    /// Why it could not be deleted.
    pub failure: Option<String>,
}

/// Deletes the objects of all runs in a namespace, or in all. Only objects with our labels are listed.
///
/// # Errors
/// Listing them is forbidden, or the server cannot be reached.
pub async fn remove(
    connection: &Connection,
    namespace: Option<&str>,
    mode: DeleteMode,
) -> Result<Vec<Leftover>, cluster::Error> {
    let found = list_created(connection, namespace, &selector()).await?;
    let failed = delete_created(connection, &found, mode).await;
    let failure = |object: &Created| {
        failed.iter().find(|(failed, _)| failed == object).map(|(_, error)| error.to_string())
    };
    let leftovers = found.iter().map(|object| Leftover {
        namespace: object.namespace.clone(),
        object: object.to_text(),
        failure: failure(object),
    });
    Ok(leftovers.collect())
}
