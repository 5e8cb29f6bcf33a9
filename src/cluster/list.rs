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

/// How often a list is begun anew whose middle the server has forgotten. It forgets after about five minutes
/// (kube-apiserver, `--etcd-compaction-interval`).
pub(super) const RESTARTS: u32 = 3;

/// What was seen of the cluster's workloads.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// In order.
    pub workloads: Vec<Workload>,
    /// What could not be read, one sentence each.
    pub notes: Vec<String>,
    /// Kinds that may not be listed, as kubectl names lists of them: nobody knows what is there.
    pub unlisted: Vec<String>,
}

/// All workloads of `namespace`, or of all, whose labels match `selector`; without those that a workload of ours
/// carries anyway, since fifty thousand pods need not be held in memory.
///
/// # Errors
/// The server cannot be reached, or no kind at all may be listed.
pub async fn list_workloads(
    connection: &Connection,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Listed, Error> {
    let lists = WorkloadKind::ALL.map(|kind| list(connection, kind, namespace, selector));
    let (mut all, mut refused) = (Listed::default(), None);
    for (kind, listed) in WorkloadKind::ALL.into_iter().zip(join_all(lists).await) {
        match listed {
            Ok((mut found, mut unread)) => {
                all.workloads.append(&mut found);
                all.notes.append(&mut unread);
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                let kind = plural(kind);
                all.notes.push(format!("cannot list {kind}: {error}; images there are not seen"));
                all.unlisted.push(kind);
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if all.unlisted.len() == WorkloadKind::ALL.len() => Err(error),
        _ => {
            all.workloads.sort_by(|left, right| left.name.cmp(&right.name));
            Ok(all)
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
    let mut restarts = 0;
    loop {
        let page = match connection.read(|| api.list(&parameters)).await {
            Err(error) if error.kind() == ErrorKind::Expired && restarts < RESTARTS => {
                restarts += 1;
                (workloads, notes) = (Vec::new(), Vec::new());
                parameters.continue_token = None;
                continue;
            }
            page => page?,
        };
        for object in page.items {
            let name = object.metadata.name.clone().unwrap_or_default();
            match Workload::from_object(kind, &connection.name, object) {
                Ok(workload) if workload.is_carried_by_its_owner() => {}
                Ok(workload) => workloads.push(workload),
                Err(error) => notes.push(format!("{}/{name} cannot be understood: {error}", kind.resource())),
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use axum::extract::{Query, State};
    use axum::http::{StatusCode, Uri};
    use axum::response::{IntoResponse as _, Response};
    use axum::{Json, Router};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::super::connect::{ConnectionFlags, connect};
    use super::*;

    /// What the server forgets, and what it was asked.
    #[derive(Default)]
    struct Server {
        forgets: AtomicU32,
        asked: Mutex<Vec<String>>,
    }

    #[derive(serde::Deserialize)]
    struct Asked {
        r#continue: Option<String>,
    }

    /// Two pages of deployments, and nothing of all else.
    async fn answer(State(server): State<Arc<Server>>, uri: Uri, Query(asked): Query<Asked>) -> Response {
        let items = |names: &[&str]| -> Vec<Value> {
            let spec = json!({"selector": {}, "template": {"spec": {"containers": []}}});
            let object = |name| json!({"metadata": {"name": name, "namespace": "x"}, "spec": spec});
            names.iter().map(object).collect()
        };
        if !uri.path().ends_with("/deployments") {
            return Json(json!({"metadata": {}, "items": []})).into_response();
        }
        server.asked.lock().unwrap().push(asked.r#continue.clone().unwrap_or_default());
        match asked.r#continue.as_deref() {
            None => Json(json!({"metadata": {"continue": "x"}, "items": items(&["a"])})).into_response(),
            Some(_) if server.forgets.load(Ordering::Relaxed) > 0 => {
                server.forgets.fetch_sub(1, Ordering::Relaxed);
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410,
                    "reason": "Expired", "message": "The provided continue parameter is too old",
                });
                (StatusCode::GONE, Json(status)).into_response()
            }
            Some(_) => Json(json!({"metadata": {}, "items": items(&["b"])})).into_response(),
        }
    }

    #[tokio::test]
    async fn a_list_whose_middle_is_forgotten_is_begun_anew_a_few_times() {
        let server = Arc::new(Server::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&server));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        let flags = ConnectionFlags { server: Some(url), ..ConnectionFlags::default() };
        let connection = connect(&flags).await.unwrap();

        server.forgets.store(RESTARTS, Ordering::Relaxed);
        let listed = list_workloads(&connection, None, None).await.unwrap();
        let names: Vec<_> = listed.workloads.iter().map(|workload| workload.name.name.as_str()).collect();
        assert_eq!(names, ["a", "b"], "nothing is there twice");
        assert_eq!(*server.asked.lock().unwrap(), ["", "x", "", "x", "", "x", "", "x"]);

        server.forgets.store(RESTARTS + 1, Ordering::Relaxed);
        let error = list_workloads(&connection, None, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Expired);
        assert!(error.to_string().contains("continue parameter is too old"), "{error}");
    }
}
