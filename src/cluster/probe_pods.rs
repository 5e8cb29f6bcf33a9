//! The requests for probe pods: what is permitted, creating, watching, reading logs and removing.

use std::ops::ControlFlow;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams, WatchEvent, WatchParams};

use super::connect::Connection;
use super::error::{Error, ErrorKind};
use super::pages;
use crate::model::field_manager::FIELD_MANAGER;

/// Concurrent requests of one kind.
const CONCURRENCY: usize = 8;

/// The pause before a watch that ended is started again.
const RESTART: Duration = Duration::from_millis(500);

/// A permission in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    pub verb: &'static str,
    pub resource: &'static str,
    pub subresource: Option<&'static str>,
}

impl Permission {
    pub const fn new(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, resource, subresource: None }
    }

    /// As in `kubectl auth can-i`: `get pods/log`.
    pub fn to_text(self) -> String {
        match self.subresource {
            Some(subresource) => format!("{} {}/{subresource}", self.verb, self.resource),
            None => format!("{} {}", self.verb, self.resource),
        }
    }
}

/// Those of `permissions` that we do not have in `namespace`, in their order.
///
/// # Errors
/// The server cannot be reached.
pub async fn denied(
    connection: &Connection,
    namespace: &str,
    permissions: &[Permission],
) -> Result<Vec<Permission>, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(connection.client.clone());
    let reviews = stream::iter(permissions.iter().copied()).map(|permission| {
        let api = api.clone();
        async move {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        namespace: Some(namespace.to_owned()),
                        verb: Some(permission.verb.to_owned()),
                        resource: Some(permission.resource.to_owned()),
                        subresource: permission.subresource.map(str::to_owned),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let parameters = PostParams::default();
            let review = connection.read(|| api.create(&parameters, &review)).await?;
            let is_allowed = review.status.is_some_and(|status| status.allowed);
            Ok((permission, is_allowed))
        }
    });
    let reviews: Vec<(Permission, bool)> = reviews.buffered(CONCURRENCY).try_collect().await?;
    Ok(reviews.into_iter().filter(|(_, is_allowed)| !is_allowed).map(|(permission, _)| permission).collect())
}

fn creation() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Creates a `ConfigMap`, and returns its uid.
///
/// # Errors
/// The server refuses it, or cannot be reached.
pub async fn create_config_map(
    connection: &Connection,
    namespace: &str,
    object: &ConfigMap,
) -> Result<String, Error> {
    let api: Api<ConfigMap> = Api::namespaced(connection.client.clone(), namespace);
    let created = connection.once(api.create(&creation(), object)).await?;
    Ok(created.metadata.uid.unwrap_or_default())
}

/// Creates pods, a few concurrently. The results have the order of the pods.
pub async fn create_pods(connection: &Connection, namespace: &str, pods: &[Pod]) -> Vec<Result<(), Error>> {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), namespace);
    let created = stream::iter(pods).map(|pod| {
        let api = api.clone();
        async move { connection.once(api.create(&creation(), pod)).await.map(|_| ()) }
    });
    created.buffered(CONCURRENCY).collect().await
}

/// Watches pods with these labels from their creation on, until `seen` breaks. A watch that ends is started again; the
/// caller sets the deadline.
///
/// # Errors
/// Watching is forbidden.
pub async fn watch_pods(
    connection: &Connection,
    namespace: &str,
    selector: &str,
    mut seen: impl FnMut(Pod) -> ControlFlow<()>,
) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), namespace);
    let parameters = WatchParams::default().labels(selector).timeout(290);
    loop {
        // From this version on, the server first sends all pods that exist.
        match connection.once(api.watch(&parameters, "0")).await {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Unauthorized) => {
                return Err(error);
            }
            Err(_) => {}
            Ok(events) => {
                let mut events = std::pin::pin!(events);
                while let Some(Ok(event)) = events.next().await {
                    let pod = match event {
                        WatchEvent::Added(pod) | WatchEvent::Modified(pod) | WatchEvent::Deleted(pod) => pod,
                        WatchEvent::Bookmark(_) => continue,
                        WatchEvent::Error(_) => break,
                    };
                    if seen(pod).is_break() {
                        return Ok(());
                    }
                }
            }
        }
        tokio::time::sleep(RESTART).await;
    }
}

/// The warning events of pods in a namespace, at most one page.
///
/// # Errors
/// Listing events is forbidden, or the server cannot be reached.
pub async fn pod_warnings(connection: &Connection, namespace: &str) -> Result<Vec<Event>, Error> {
    let api: Api<Event> = Api::namespaced(connection.client.clone(), namespace);
    let parameters = ListParams::default().fields("involvedObject.kind=Pod,type=Warning").limit(pages::PAGE);
    Ok(connection.once(api.list(&parameters)).await?.items)
}

/// The log of a pod's only container, at most `limit` bytes.
///
/// # Errors
/// Reading logs is forbidden, or the kubelet cannot be reached.
pub async fn pod_log(
    connection: &Connection,
    namespace: &str,
    pod: &str,
    limit: i64,
) -> Result<String, Error> {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), namespace);
    let parameters = LogParams { limit_bytes: Some(limit), ..LogParams::default() };
    connection.once(api.logs(pod, &parameters)).await
}

/// An object that a run created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Created {
    pub namespace: String,
    pub kind: CreatedKind,
    pub name: String,
}

/// In the order in which they are deleted: without its `ConfigMap`, the cluster removes a pod by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CreatedKind {
    ConfigMap,
    Pod,
}

impl Created {
    /// As kubectl names it: `pod/x`.
    pub fn to_text(&self) -> String {
        match self.kind {
            CreatedKind::ConfigMap => format!("configmap/{}", self.name),
            CreatedKind::Pod => format!("pod/{}", self.name),
        }
    }
}

/// The objects with these labels in a namespace, or in all.
///
/// # Errors
/// Listing them is forbidden, or the server cannot be reached.
pub async fn list_created(
    connection: &Connection,
    namespace: Option<&str>,
    selector: &str,
) -> Result<Vec<Created>, Error> {
    let client = || connection.client.clone();
    let (config_maps, pods): (Api<ConfigMap>, Api<Pod>) = match namespace {
        Some(namespace) => (Api::namespaced(client(), namespace), Api::namespaced(client(), namespace)),
        None => (Api::all(client()), Api::all(client())),
    };
    let parameters = || ListParams::default().labels(selector);
    let created = |kind, metadata: kube::api::ObjectMeta| Created {
        namespace: metadata.namespace.unwrap_or_default(),
        kind,
        name: metadata.name.unwrap_or_default(),
    };
    let list = |parameters| async { config_maps.list_metadata(&{ parameters }).await };
    let take = |all: &mut Vec<Created>, page: Vec<kube::api::PartialObjectMeta<ConfigMap>>| {
        all.extend(page.into_iter().map(|object| created(CreatedKind::ConfigMap, object.metadata)));
    };
    let mut found = pages::collect(connection, parameters(), list, take).await?;
    let list = |parameters| async { pods.list_metadata(&{ parameters }).await };
    let take = |all: &mut Vec<Created>, page: Vec<kube::api::PartialObjectMeta<Pod>>| {
        all.extend(page.into_iter().map(|object| created(CreatedKind::Pod, object.metadata)));
    };
    found.extend(pages::collect(connection, parameters(), list, take).await?);
    found.sort();
    Ok(found)
}

/// What deleting does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMode {
    Delete,
    /// The server validates the requests, and deletes nothing.
    DryRun,
    /// No request is sent.
    None,
}

/// Deletes objects, and returns the failures. What does not exist any more is no failure.
pub async fn delete_created(
    connection: &Connection,
    objects: &[Created],
    mode: DeleteMode,
) -> Vec<(Created, Error)> {
    if mode == DeleteMode::None {
        return Vec::new();
    }
    let parameters = DeleteParams { dry_run: mode == DeleteMode::DryRun, ..DeleteParams::background() };
    let parameters = &parameters;
    let results = stream::iter(objects)
        .map(|object| async move { (object, delete(connection, object, parameters).await) });
    let results: Vec<_> = results.buffered(CONCURRENCY).collect().await;
    let failed = results.into_iter().filter_map(|(object, result)| Some((object.clone(), result.err()?)));
    failed.filter(|(_, error)| error.kind() != ErrorKind::NotFound).collect()
}

async fn delete(connection: &Connection, object: &Created, parameters: &DeleteParams) -> Result<(), Error> {
    let client = connection.client.clone();
    match object.kind {
        CreatedKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client, &object.namespace);
            connection.once(api.delete(&object.name, parameters)).await.map(|_| ())
        }
        CreatedKind::Pod => {
            let api: Api<Pod> = Api::namespaced(client, &object.namespace);
            connection.once(api.delete(&object.name, parameters)).await.map(|_| ())
        }
    }
}
