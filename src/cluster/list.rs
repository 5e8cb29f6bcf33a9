//! Lists workloads of every kind, in pages, a few kinds concurrently.

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::{ApiResource, DynamicObject, GetParams, ListParams, ObjectList, Request, TypeMeta};
use kube::{Api, Resource as _};

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::listed::{Object, Page};
use super::refused::refusals;
use super::{namespaces, pages};
use crate::model::inventory::{WorkloadKind, WorkloadName};
use crate::model::workload::Workload;
use crate::parse::cause;

/// Number of concurrent lists: each page takes several megabytes of memory.
const CONCURRENCY: usize = 2;

/// The workloads found in the cluster.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Sorted.
    pub workloads: Vec<Workload>,
    /// Why kinds could not be listed, one sentence for each cause.
    pub notes: Vec<String>,
    /// Kinds that cannot be listed (forbidden), as kubectl names them.
    pub unlisted: Vec<String>,
    pub malformed: Vec<Malformed>,
}

/// An object that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub namespace: String,
    /// The object and the error, in one sentence.
    pub why: String,
}

/// All workloads of `namespace`, or of all namespaces, whose labels match `selector`. Pods and other workloads with a
/// listed owner are omitted, so that tens of thousands of pods need not be held in memory.
///
/// # Errors
/// The server cannot be reached, listing is forbidden for every kind, or the namespace does not exist.
pub async fn list_workloads(
    connection: &Connection,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Listed, Error> {
    // Pods take longest, so they are listed first.
    let kinds = WorkloadKind::ALL.into_iter().enumerate().rev();
    let lists = stream::iter(kinds)
        .map(async |(index, kind)| (index, kind, list(connection, kind, namespace, selector).await));
    let mut lists: Vec<_> = lists.buffer_unordered(CONCURRENCY).collect().await;
    lists.sort_by_key(|(index, ..)| *index);
    let (mut all, mut refused) = (Listed::default(), Vec::new());
    for (_, kind, listed) in lists {
        match listed {
            Ok((mut found, mut malformed)) => {
                all.workloads.append(&mut found);
                all.malformed.append(&mut malformed);
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                refused.push((plural(kind), error));
            }
            Err(error) => return Err(error),
        }
    }
    if refused.len() == WorkloadKind::ALL.len() {
        return Err(refused.swap_remove(0).1);
    }
    all.notes = refusals(&refused);
    all.unlisted = refused.into_iter().map(|(kind, _)| kind).collect();
    if let (Some(namespace), true) = (namespace, all.workloads.is_empty()) {
        namespaces::check(connection, namespace).await?;
    }
    all.workloads.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(all)
}

/// Reads the current state of one workload.
///
/// # Errors
/// It does not exist, reading it is forbidden, or the server cannot be reached.
pub async fn read_workload(connection: &Connection, name: &WorkloadName) -> Result<Workload, Error> {
    let api = api(connection, name.kind, Some(&name.namespace));
    let object = connection.read(|| api.get(&name.name)).await?;
    Workload::from_object(name.kind, &name.cluster, &object, &connection.image_variables)
        .map_err(|error| Error::malformed(name, &error))
}

/// The API of a workload kind.
fn api_resource(kind: WorkloadKind) -> ApiResource {
    let group = kind.group();
    ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") },
        kind: kind.as_str().to_owned(),
        plural: format!("{}s", kind.as_str().to_lowercase()),
    }
}

pub(super) fn api(
    connection: &Connection,
    kind: WorkloadKind,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = api_resource(kind);
    match namespace {
        Some(namespace) => Api::namespaced_with(connection.client.clone(), namespace, &resource),
        None => Api::all_with(connection.client.clone(), &resource),
    }
}

/// If at most this many pods of a page are needed, they are read individually instead of as a page.
const FEW: usize = 20;

async fn list(
    connection: &Connection,
    kind: WorkloadKind,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<(Vec<Workload>, Vec<Malformed>), Error> {
    let parameters = ListParams { label_selector: selector.map(str::to_owned), ..ListParams::default() };
    let lists = Lists {
        connection,
        kind,
        request: Request::new(DynamicObject::url_path(&api_resource(kind), namespace)),
    };
    let lists = &lists;
    let page = |parameters| async move { lists.page(&parameters).await };
    pages::collect(connection, parameters, page, |(workloads, unread): &mut (Vec<_>, Vec<_>), found| {
        for found in found {
            match found {
                Ok(workload) => workloads.push(workload),
                Err(malformed) => unread.push(malformed),
            }
        }
    })
    .await
}

/// A relevant workload, or why it cannot be parsed.
type Found = Result<Workload, Malformed>;

/// Lists of one kind.
struct Lists<'a> {
    connection: &'a Connection,
    kind: WorkloadKind,
    request: Request,
}

impl Lists<'_> {
    /// The relevant objects of a page. Most pods have an owner, as their metadata shows: from the second page on, only
    /// the metadata is listed, and pods without an owner are read individually.
    async fn page(&self, parameters: &ListParams) -> kube::Result<ObjectList<Found>> {
        if self.kind == WorkloadKind::Pod
            && parameters.continue_token.is_some()
            && let Some(page) = self.sparse_page(parameters).await?
        {
            return Ok(page);
        }
        let text = self.fetch(self.request.list(parameters)).await?;
        let page: Page = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
        let (objects, metadata) = page.into_parts();
        let found = objects.into_iter().filter_map(|object| self.read(object));
        Ok(of_page(metadata, found.collect()))
    }

    /// A page by its metadata, and its few objects without an owner; `None` if there are too many, or one cannot be
    /// read individually.
    async fn sparse_page(&self, parameters: &ListParams) -> kube::Result<Option<ObjectList<Found>>> {
        let text = self.fetch(self.request.list_metadata(parameters)).await?;
        let page: Page = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
        let (objects, metadata) = page.into_parts();
        let outlines = objects.into_iter().map(|mut object| object.outline(self.kind, &self.connection.name));
        let lone: Vec<_> = outlines.filter(|outline| !outline.is_covered_by_its_controller()).collect();
        if lone.len() > FEW {
            return Ok(None);
        }
        let read = lone.into_iter().map(async |outline| {
            let path = DynamicObject::url_path(&api_resource(self.kind), Some(&outline.name.namespace));
            let text = self.fetch(Request::new(path).get(&outline.name.name, &GetParams::default())).await?;
            let object = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
            kube::Result::Ok(self.read(object))
        });
        let read: kube::Result<Vec<_>> = join_all(read).await.into_iter().collect();
        Ok(read.ok().map(|found| of_page(metadata, found.into_iter().flatten().collect())))
    }

    async fn fetch(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> kube::Result<String> {
        self.connection.client.request_text(request.map_err(kube::Error::BuildRequest)?).await
    }

    /// `None` if the object's owner has its images.
    fn read(&self, mut object: Object) -> Option<Found> {
        let outline = object.outline(self.kind, &self.connection.name);
        if outline.is_covered_by_its_controller() {
            return None;
        }
        let (namespace, name) = (outline.name.namespace.clone(), outline.name.name.clone());
        let describe = |error| {
            let cause = cause::json(&error);
            let object = format!("{}/{name} in namespace {namespace}", self.kind.resource());
            Malformed { namespace, why: format!("{object} cannot be parsed: {cause}") }
        };
        Some(object.fill(outline, &self.connection.image_variables).map_err(describe))
    }
}

fn of_page(metadata: ListMeta, items: Vec<Found>) -> ObjectList<Found> {
    ObjectList { types: TypeMeta::default(), metadata, items }
}

/// kubectl's name for lists of the resource: `cronjobs.batch`.
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
    use axum::http::{HeaderMap, StatusCode, Uri};
    use axum::response::{IntoResponse as _, Response};
    use axum::{Json, Router};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::super::connect::connect;
    use super::super::connection_flags::ConnectionFlags;
    use super::*;

    /// When continue tokens expire, and the received requests.
    #[derive(Default)]
    struct Server {
        forgets: AtomicU32,
        requests: Mutex<Vec<String>>,
    }

    #[derive(serde::Deserialize)]
    struct ListQuery {
        r#continue: Option<String>,
    }

    /// Two pages of deployments, and empty lists for all other kinds.
    async fn answer(State(server): State<Arc<Server>>, uri: Uri, Query(query): Query<ListQuery>) -> Response {
        let items = |names: &[&str]| -> Vec<Value> {
            let spec = json!({"selector": {}, "template": {"spec": {"containers": []}}});
            let object = |name| json!({"metadata": {"name": name, "namespace": "x"}, "spec": spec});
            names.iter().map(object).collect()
        };
        if !uri.path().ends_with("/deployments") {
            return Json(json!({"metadata": {}, "items": []})).into_response();
        }
        server.requests.lock().unwrap().push(query.r#continue.clone().unwrap_or_default());
        match query.r#continue.as_deref() {
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
    async fn an_expired_list_is_restarted_a_few_times() {
        let server = Arc::new(Server::default());
        let (connection, _tasks) =
            serve(Router::new().fallback(answer).with_state(Arc::clone(&server))).await;

        server.forgets.store(pages::RESTARTS, Ordering::Relaxed);
        let listed = list_workloads(&connection, None, None).await.unwrap();
        let names: Vec<_> = listed.workloads.iter().map(|workload| workload.name.name.as_str()).collect();
        assert_eq!(names, ["a", "b"], "nothing is there twice");
        assert_eq!(*server.requests.lock().unwrap(), ["", "x", "", "x", "", "x", "", "x"]);

        server.forgets.store(pages::RESTARTS + 1, Ordering::Relaxed);
        let error = list_workloads(&connection, None, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Expired);
        assert!(error.to_string().contains("continue parameter is too old"), "{error}");
    }

    /// A cluster with two pages of pods, some of which, on the second page, have no owner.
    struct Pods {
        lone: usize,
        may_get: bool,
        requests: Mutex<Vec<String>>,
    }

    async fn answer_with_pods(
        State(server): State<Arc<Pods>>,
        uri: Uri,
        Query(query): Query<ListQuery>,
        headers: HeaderMap,
    ) -> Response {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true}]);
        let carried = json!({"metadata": {"name": "of-r", "namespace": "x", "ownerReferences": owner}});
        let metadata = |name: String| json!({"name": name, "namespace": "x", "managedFields": []});
        let pod = |name: &str| {
            let spec =
                json!({"containers": [{"name": "c", "image": name, "resources": {"limits": {"cpu": "1"}}}]});
            json!({"metadata": metadata(name.to_owned()), "spec": spec, "status": {"phase": "Running"}})
        };
        let with_image = |mut items: Vec<Value>| {
            items.push(carried.clone());
            Json(json!({"metadata": {}, "items": items})).into_response()
        };
        let names = || (0..server.lone).map(|number| format!("lone-{number:02}"));
        let note = |what: &str| server.requests.lock().unwrap().push(what.to_owned());
        if let Some((_, name)) = uri.path().split_once("/pods/") {
            note(name);
            return if server.may_get {
                Json(pod(name)).into_response()
            } else {
                StatusCode::FORBIDDEN.into_response()
            };
        }
        if !uri.path().ends_with("/pods") {
            return Json(json!({"metadata": {}, "items": null})).into_response();
        }
        if query.r#continue.is_none() {
            return Json(json!({"metadata": {"continue": "x"}, "items": [carried]})).into_response();
        }
        let accepted = headers.get("accept").map(|value| value.to_str().unwrap()).unwrap_or_default();
        if accepted.contains("as=PartialObjectMetadataList") {
            note("metadata");
            return with_image(names().map(|name| json!({"metadata": metadata(name)})).collect());
        }
        note("pods");
        with_image(names().map(|name| pod(&name)).collect())
    }

    #[tokio::test]
    async fn only_pods_without_a_controller_are_read() {
        for (lone, may_get, expected) in [
            (0, true, vec!["metadata"]),
            (2, true, vec!["lone-00", "lone-01", "metadata"]),
            (1, false, vec!["lone-00", "metadata", "pods"]),
            (FEW + 1, true, vec!["metadata", "pods"]),
        ] {
            let server = Arc::new(Pods { lone, may_get, requests: Mutex::default() });
            let router = Router::new().fallback(answer_with_pods).with_state(Arc::clone(&server));
            let (connection, _tasks) = serve(router).await;
            let listed = list_workloads(&connection, None, None).await.unwrap();
            let images = listed
                .workloads
                .iter()
                .map(|workload| workload.pod.spec.containers[0].image.clone().unwrap());
            let names: Vec<_> = (0..lone).map(|number| format!("lone-{number:02}")).collect();
            assert_eq!(images.collect::<Vec<_>>(), names);
            let mut requests = server.requests.lock().unwrap().clone();
            requests.sort();
            assert_eq!(requests, expected);
        }
    }

    async fn serve(router: Router) -> (Connection, JoinSet<std::io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        let flags = ConnectionFlags { server: Some(url), ..ConnectionFlags::default() };
        (connect(&flags).await.unwrap(), tasks)
    }
}
