//! Reading workloads of every kind, in pages, all kinds at a time.

use futures::future::join_all;
use kube::Api;
use kube::api::{DynamicObject, ListParams};

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::workload::Workload;
use crate::sync::inventory::{WorkloadKind, WorkloadName};

/// Objects in one answer, as kubectl asks for.
pub(super) const PAGE: u32 = 500;

/// All workloads of `namespace`, or of all, whose labels match `selector`, in order; without those that a workload
/// of ours carries anyway, since fifty thousand pods need not be held in memory. A kind that may not be listed
/// becomes a note.
///
/// # Errors
/// The server cannot be reached, or no kind at all may be listed.
pub async fn list_workloads(
    connection: &Connection,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<(Vec<Workload>, Vec<String>), Error> {
    let lists = WorkloadKind::ALL.map(|kind| list(connection, kind, namespace, selector));
    let (mut workloads, mut notes, mut refused) = (Vec::new(), Vec::new(), None);
    for (kind, listed) in WorkloadKind::ALL.into_iter().zip(join_all(lists).await) {
        match listed {
            Ok((mut found, mut unread)) => {
                workloads.append(&mut found);
                notes.append(&mut unread);
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                notes.push(format!("cannot list {}: {error}; images there are not seen", plural(kind)));
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if notes.len() == WorkloadKind::ALL.len() && workloads.is_empty() => Err(error),
        _ => {
            workloads.sort_by(|left, right| left.name.cmp(&right.name));
            Ok((workloads, notes))
        }
    }
}

/// One workload as it is now.
///
/// # Errors
/// It is gone, may not be read, or the server cannot be reached.
pub async fn read_workload(connection: &Connection, name: &WorkloadName) -> Result<Workload, Error> {
    let api = api(connection, name.kind, Some(&name.namespace));
    let object = connection.read(|| api.get(&name.name)).await?;
    Workload::from_object(name.kind, &name.cluster, object)
        .map_err(|error| Error::other(format!("{name} cannot be understood: {error}")))
}

pub(super) fn api(
    connection: &Connection,
    kind: WorkloadKind,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = kind.api_resource();
    match namespace {
        Some(namespace) => Api::namespaced_with(connection.client.clone(), namespace, &resource),
        None => Api::all_with(connection.client.clone(), &resource),
    }
}

async fn list(
    connection: &Connection,
    kind: WorkloadKind,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<(Vec<Workload>, Vec<String>), Error> {
    let api = api(connection, kind, namespace);
    let (mut workloads, mut notes) = (Vec::new(), Vec::new());
    let mut parameters = ListParams::default().limit(PAGE);
    parameters.label_selector = selector.map(str::to_owned);
    loop {
        let page = connection.read(|| api.list(&parameters)).await?;
        for object in page.items {
            let name = object.metadata.name.clone().unwrap_or_default();
            match Workload::from_object(kind, &connection.name, object) {
                Ok(workload) if workload.is_carried_by_its_owner() => {}
                Ok(workload) => workloads.push(workload),
                Err(error) => notes.push(format!("{}/{name} cannot be understood: {error}", kind.resource())),
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok((workloads, notes)),
        }
    }
}

/// The resource as kubectl names lists of it: `cronjobs.batch`.
fn plural(kind: WorkloadKind) -> String {
    match kind.resource().split_once('.') {
        Some((resource, group)) => format!("{resource}s.{group}"),
        None => format!("{}s", kind.resource()),
    }
}
