//! Chooses the destination registry.

use std::collections::BTreeSet;

use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::model::inventory::Cluster;
use crate::model::plan::RegistryKind;
use crate::store::capabilities;
use crate::store::choose::{self, Unidentified};
use crate::sync::discover::snapshot::ClusterSnapshot;
use crate::sync::plan::assignment::NameMap;
use crate::sync::plan::decide::MovableTags;
use crate::sync::settings::Settings;
use crate::transport;

/// The destination as far as the user specifies it.
#[derive(Clone, Debug, Default)]
pub struct MirrorSettings {
    /// Default: our path in the ECR of the cluster's account and region.
    pub registry: Option<Mirror>,
    /// The cluster's region, if the user specifies it.
    pub region: Option<String>,
    pub maps: Vec<NameMap>,
}

impl MirrorSettings {
    /// The cluster's region, from the user or from the cluster. Its default is the mirror's region, because nodes have
    /// to reach the mirror in any case.
    pub fn region_of(&self, cluster: Option<&Cluster>, mirror: &Mirror) -> Option<String> {
        self.region
            .clone()
            .or_else(|| cluster?.region.clone())
            .or_else(|| Some(EcrRegistry::of_host(&mirror.registry)?.region))
    }
}

/// The user's registry, or our path in the ECR of the cluster's account and region.
///
/// # Errors
/// STS does not identify the caller, or the accounts of cluster and credentials differ.
pub async fn chosen(
    network: &transport::Settings,
    settings: &MirrorSettings,
    cluster: Option<&Cluster>,
) -> Result<Mirror, CommandError> {
    identified(network, settings, cluster).await?.map_err(Unidentified::into_error)
}

/// As [`chosen`]; the inner error means that STS did not identify the caller.
///
/// # Errors
/// The region is unknown, or the accounts of cluster and credentials differ.
pub async fn identified(
    network: &transport::Settings,
    settings: &MirrorSettings,
    cluster: Option<&Cluster>,
) -> Result<Result<Mirror, Unidentified>, CommandError> {
    match &settings.registry {
        Some(mirror) => Ok(Ok(mirror.clone())),
        None => choose::by_identity(network, settings.region.as_deref(), cluster).await,
    }
}

/// The mirror, as far as it is known without AWS: private names are translated back only below it.
pub fn known_mirror(settings: &Settings, cluster: Option<&ClusterSnapshot>) -> Option<Mirror> {
    let artifacts = &settings.artifacts;
    let planned = artifacts.plan.given().and_then(|plan| plan.destinations.first()).map(|plan| &plan.mirror);
    let locked = artifacts.lock.given().and_then(|lock| lock.destinations.first()).map(|lock| &lock.mirror);
    match planned.or(locked).or(settings.mirror.registry.as_ref()) {
        Some(mirror) => Some(mirror.clone()),
        None => default_of(cluster?, settings.mirror.region.as_deref()),
    }
}

/// The default ECR mirror, as far as it is known from the cluster alone.
pub fn default_of(cluster: &ClusterSnapshot, region: Option<&str>) -> Option<Mirror> {
    let cluster = cluster.environment.cluster(region);
    choose::of_cluster(Some(&cluster), cluster.region.as_deref()).ok()
}

/// Rejects a path that is invalid for every image.
///
/// # Errors
/// The registry does not accept the path.
pub fn refuse_path(mirror: &Mirror) -> Result<(), CommandError> {
    let capabilities = capabilities(&RegistryKind::of_host(&mirror.registry));
    let prefix = mirror.prefix.as_deref();
    let fault = prefix.and_then(|prefix| (capabilities.repository_fault)(&format!("{prefix}/image")));
    fault.map_or(Ok(()), |fault| {
        Err(CommandError::with_hint(format!("error: --registry {mirror}: {fault}"), "choose another path"))
    })
}

/// Rejects maps to names outside the mirror, which are never written, even if the user sets them.
///
/// # Errors
/// The private name of a map is outside `mirror`.
pub fn refuse_maps(mirror: &Mirror, maps: &[NameMap]) -> Result<(), CommandError> {
    let Some(map) = maps.iter().find(|map| !mirror.includes(map.private())) else { return Ok(()) };
    let message = format!("error: invalid --map {map}: {} is not below {mirror}", map.private());
    Err(CommandError::with_hint(message, "choose a name below it, or another registry with --registry"))
}

/// Which tags may be moved in `mirror`: all below the default path, else those of the repositories in `--replace`, with
/// or without the registry's host.
pub fn movable_tags(mirror: &Mirror, registry: Option<&Mirror>, replace: &[String]) -> MovableTags {
    if registry.is_none() && mirror.is_own() {
        return MovableTags::All;
    }
    let host = format!("{}/", mirror.registry);
    let path = |name: &String| name.strip_prefix(&host).unwrap_or(name).to_owned();
    MovableTags::Of(replace.iter().map(path).collect::<BTreeSet<_>>())
}
