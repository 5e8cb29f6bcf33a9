//! Argo CD's applications: whether each puts back by itself what others change.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};

use super::connect::Connection;
use super::pages;

/// By name, and by namespace and name as Argo CD's tracking ids have it, whether an application heals itself
/// (argo-cd `docs/user-guide/auto_sync.md`). Where they may not be listed, nothing is known.
pub async fn self_healing_applications(connection: &Connection) -> BTreeMap<String, bool> {
    let resource = ApiResource {
        group: "argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Application".to_owned(),
        plural: "applications".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
    let list = |parameters| async { api.list(&{ parameters }).await };
    let take = |found: &mut BTreeMap<String, bool>, page: Vec<DynamicObject>| {
        for application in page {
            let automated = application.data.pointer("/spec/syncPolicy/automated");
            let says = |field: &str| automated.and_then(|automated| automated.get(field)?.as_bool());
            let heals = says("selfHeal") == Some(true) && says("enabled") != Some(false);
            let name = application.metadata.name.unwrap_or_default();
            let namespace = application.metadata.namespace.unwrap_or_default();
            found.insert(format!("{namespace}_{name}"), heals);
            // Of two with one name the one that heals is feared.
            *found.entry(name).or_insert(heals) |= heals;
        }
    };
    pages::collect(connection, ListParams::default(), list, take).await.unwrap_or_default()
}
