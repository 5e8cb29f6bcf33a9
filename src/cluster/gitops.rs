//! Argo CD's applications and Flux's Helm releases: whether each one reverts changes by others.

use std::collections::BTreeMap;

use kube::api::ApiResource;
use serde_json::Value;

use super::connect::Connection;
use super::objects::{self, Object};
use crate::parse;

/// Whether each application has selfHeal, by name, and by namespace and name as in Argo CD's tracking ids
/// (`argocd_castai`) (argo-cd `docs/user-guide/auto_sync.md`). Empty if listing is forbidden.
pub async fn self_healing_applications(connection: &Connection) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let read = |application: &Object<'_>| {
        let flag = |field| spec(application, &["syncPolicy", "automated", field])?.as_bool();
        flag("selfHeal") == Some(true) && flag("enabled") != Some(false)
    };
    for (namespace, name, self_heals) in
        list(connection, "argoproj.io", "v1alpha1", "Application", read).await
    {
        found.insert(format!("{namespace}_{name}"), self_heals);
        // If two have the same name, assume the one with selfHeal.
        *found.entry(name).or_insert(self_heals) |= self_heals;
    }
    found
}

/// Whether Flux corrects drift of each `HelmRelease`, by namespace and name (`castai-agent/agent`) (helm-controller
/// `docs/spec/v2/helmreleases.md`, drift detection). Empty if listing is forbidden.
pub async fn drift_correcting_releases(connection: &Connection) -> BTreeMap<String, bool> {
    let read =
        |release: &Object<'_>| Some(spec(release, &["driftDetection", "mode"])?.as_str()? == "enabled");
    let releases = list(connection, "helm.toolkit.fluxcd.io", "v2", "HelmRelease", |release| {
        read(release).unwrap_or_default()
    });
    let name = |(namespace, name, corrects)| (format!("{namespace}/{name}"), corrects);
    releases.await.into_iter().map(name).collect()
}

/// One field of an object's `spec`. Other fields are not parsed, because chart values there may contain anything.
fn spec(object: &Object<'_>, path: &[&str]) -> Option<Value> {
    let spec = object.fields.get("spec")?.get();
    let path: Vec<_> = path.iter().map(|member| (*member).to_owned()).collect();
    serde_json::from_str(&spec[parse::json::span(spec, &path)?]).ok()
}

/// Namespace and name of each object, with the result of `read`.
async fn list(
    connection: &Connection,
    group: &str,
    version: &str,
    kind: &str,
    read: impl Fn(&Object<'_>) -> bool,
) -> Vec<(String, String, bool)> {
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    let read = |object: Object<'_>| {
        let value = read(&object);
        (object.namespace, object.name, value)
    };
    objects::list(connection, &resource, None, read).await.unwrap_or_default()
}
