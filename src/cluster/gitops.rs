//! Argo CD's applications and Flux's Helm releases: whether each puts back by itself what others change.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};

use super::connect::Connection;
use super::pages;

/// By name, and by namespace and name as Argo CD's tracking ids have it (`argocd_castai`), whether an application heals
/// itself (argo-cd `docs/user-guide/auto_sync.md`). Where they may not be listed, nothing is known.
pub async fn self_healing_applications(connection: &Connection) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for application in list(connection, "argoproj.io", "v1alpha1", "Application").await {
        let automated = application.data.pointer("/spec/syncPolicy/automated");
        let says = |field: &str| automated.and_then(|automated| automated.get(field)?.as_bool());
        let heals = says("selfHeal") == Some(true) && says("enabled") != Some(false);
        let name = application.metadata.name.unwrap_or_default();
        let namespace = application.metadata.namespace.unwrap_or_default();
        found.insert(format!("{namespace}_{name}"), heals);
        // Of two with one name the one that heals is feared.
        *found.entry(name).or_insert(heals) |= heals;
    }
    found
}

/// By namespace and name (`castai-agent/agent`), whether Flux corrects what others change in a `HelmRelease`
/// (helm-controller `docs/spec/v2/helmreleases.md`, drift detection). Where they may not be listed, nothing is known.
pub async fn drift_correcting_releases(connection: &Connection) -> BTreeMap<String, bool> {
    let releases = list(connection, "helm.toolkit.fluxcd.io", "v2", "HelmRelease").await;
    let corrects = |release: DynamicObject| {
        let mode = release.data.pointer("/spec/driftDetection/mode").and_then(serde_json::Value::as_str);
        let (name, namespace) = (release.metadata.name, release.metadata.namespace);
        let name = format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default());
        (name, mode == Some("enabled"))
    };
    releases.into_iter().map(corrects).collect()
}

async fn list(connection: &Connection, group: &str, version: &str, kind: &str) -> Vec<DynamicObject> {
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
    let list = |parameters| async { api.list(&{ parameters }).await };
    let take = |found: &mut Vec<_>, mut page: Vec<_>| found.append(&mut page);
    pages::collect(connection, ListParams::default(), list, take).await.unwrap_or_default()
}
