//! Which mirrors images are copied to, and which of them a cluster uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::model::inventory::Cluster;
use crate::model::lock::Lock;
use crate::model::name_map::NameMap;
use crate::model::plan::RegistryKind;
use crate::store::capabilities;
use crate::store::choose::{self, Unidentified};
use crate::sync::discover::snapshot::ClusterSnapshot;
use crate::sync::plan::decide::MovableTags;
use crate::sync::settings::{MirrorSettings, Settings};
use crate::transport;

/// The mirrors that the user names, or else our path in the ECR of each cluster's account and region.
///
/// # Errors
/// AWS does not say who we are, or the accounts of a cluster and of the credentials differ.
pub async fn all_chosen(
    network: &transport::Settings,
    settings: &MirrorSettings,
    clusters: &[Cluster],
) -> Result<Vec<Mirror>, CommandError> {
    if !settings.registries.is_empty() {
        return Ok(settings.registries.clone());
    }
    let place = |cluster: &Cluster| (cluster.account.clone(), cluster.region.clone());
    let places: BTreeMap<_, _> = clusters.iter().map(|cluster| (place(cluster), cluster)).collect();
    let mut mirrors = Vec::new();
    for cluster in places.into_values() {
        mirrors.push(chosen(network, settings, Some(cluster)).await?);
    }
    if clusters.is_empty() {
        mirrors.push(chosen(network, settings, None).await?);
    }
    // Without nodes and an ARN, a cluster has the account of the credentials.
    mirrors.sort();
    mirrors.dedup();
    Ok(mirrors)
}

/// That a default registry is in the credentials' account, if a cluster's own account is unknown.
pub fn by_credentials(mirrors: &[Mirror], settings: &MirrorSettings, clusters: &[Cluster]) -> Option<String> {
    let is_unknown = clusters.iter().all(|cluster| cluster.account.is_none());
    let ecr = mirrors.first().and_then(|mirror| EcrRegistry::of_host(&mirror.registry))?;
    (settings.registries.is_empty() && is_unknown).then(|| {
        format!(
            "note: images are mirrored to account {}, which the AWS credentials belong to (STS): no other account of the \
             cluster is known",
            ecr.account
        )
    })
}

/// The mirror whose names the workloads of one cluster get.
///
/// # Errors
/// As [`all_chosen`].
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
    match mirror_of_cluster(cluster, &settings.registries) {
        Some(mirror) => Ok(Ok(mirror.clone())),
        None => choose::by_identity(network, settings.region.as_deref(), cluster).await,
    }
}

/// The one of `mirrors` whose names a cluster's workloads get: its nodes pull from the ECR of their own account and
/// region best, then from their region, and else from the first one.
pub fn mirror_of_cluster<'m>(
    cluster: Option<&Cluster>,
    mirrors: impl IntoIterator<Item = &'m Mirror>,
) -> Option<&'m Mirror> {
    let distance = |mirror: &&Mirror| {
        let ecr = EcrRegistry::of_host(&mirror.registry);
        let Some((cluster, ecr)) = cluster.zip(ecr) else { return 2 };
        let is_near = cluster.region.as_ref() == Some(&ecr.region);
        let is_own = cluster.account.as_ref() == Some(&ecr.account);
        match (is_near, is_own) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        }
    };
    mirrors.into_iter().min_by_key(distance)
}

/// The mirror of `lock` whose names a cluster's workloads get.
///
/// # Errors
/// The lock has no destination.
pub fn locked_mirror<'l>(lock: &'l Lock, cluster: Option<&Cluster>) -> Result<&'l Mirror, CommandError> {
    let mirrors = lock.destinations.iter().map(|locked| &locked.mirror);
    mirror_of_cluster(cluster, mirrors).ok_or_else(|| CommandError::new("error: the lock has no destination"))
}

/// The mirrors as far as they are known without AWS: private names are read back below them alone.
pub fn known_mirrors(settings: &Settings, clusters: &[ClusterSnapshot]) -> Vec<Mirror> {
    let artifacts = &settings.artifacts;
    if let Some(plan) = artifacts.plan.given() {
        return plan.destinations.iter().map(|planned| planned.mirror.clone()).collect();
    }
    if let Some(lock) = artifacts.lock.given() {
        return lock.destinations.iter().map(|locked| locked.mirror.clone()).collect();
    }
    if !settings.mirror.registries.is_empty() {
        return settings.mirror.registries.clone();
    }
    let region = settings.mirror.region.as_deref();
    clusters.iter().filter_map(|cluster| default_of(cluster, region)).collect()
}

/// The mirrors that one cluster may use, as far as they are known without AWS.
pub fn known_to_cluster(settings: &MirrorSettings, cluster: &ClusterSnapshot) -> Vec<Mirror> {
    match &settings.registries[..] {
        [] => default_of(cluster, settings.region.as_deref()).into_iter().collect(),
        given => given.to_vec(),
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

/// A name outside of the mirrors is never written, even if the user sets it.
///
/// # Errors
/// A map's private name lies outside of all `mirrors`.
pub fn refuse_maps(mirrors: &[Mirror], maps: &[NameMap]) -> Result<(), CommandError> {
    let is_outside = |map: &&NameMap| !mirrors.iter().any(|mirror| mirror.includes(map.private()));
    let Some(map) = maps.iter().find(is_outside) else { return Ok(()) };
    let mirrors: Vec<_> = mirrors.iter().map(Mirror::to_string).collect();
    let message =
        format!("error: invalid --map {map}: {} is not below {}", map.private(), mirrors.join(" or "));
    Err(CommandError::with_hint(message, "choose a name below it, or another registry with --registry"))
}

/// Which tags may be moved in `mirror`: all below the default path where the user names no registry, else those of the
/// repositories that `replace` names, with or without the registry's host.
pub fn movable_tags(mirror: &Mirror, registries: &[Mirror], replace: &[String]) -> MovableTags {
    if registries.is_empty() && mirror.is_own() {
        return MovableTags::All;
    }
    let host = format!("{}/", mirror.registry);
    let path = |name: &String| name.strip_prefix(&host).unwrap_or(name).to_owned();
    MovableTags::Of(replace.iter().map(path).collect::<BTreeSet<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_gets_the_nearest_mirror() {
        let cluster = |account: Option<&str>, region: Option<&str>| Cluster {
            name: "staging".to_owned(),
            account: account.map(str::to_owned),
            account_origin: None,
            region: region.map(str::to_owned),
            platforms: Vec::new(),
        };
        let mirrors: Vec<Mirror> = [
            "registry.example.com/cast",
            "111111111111.dkr.ecr.eu-west-1.amazonaws.com/cast",
            "222222222222.dkr.ecr.eu-west-1.amazonaws.com/cast",
            "222222222222.dkr.ecr.us-east-1.amazonaws.com/cast",
        ]
        .iter()
        .map(|mirror| mirror.parse().unwrap())
        .collect();
        for (cluster, expected) in [
            (Some(cluster(Some("222222222222"), Some("eu-west-1"))), 2),
            (Some(cluster(Some("222222222222"), Some("us-east-1"))), 3),
            (Some(cluster(Some("333333333333"), Some("us-east-1"))), 3),
            (Some(cluster(None, Some("eu-west-1"))), 1),
            (Some(cluster(Some("222222222222"), Some("ap-south-1"))), 0),
            (Some(cluster(None, None)), 0),
            (None, 0),
        ] {
            let chosen = mirror_of_cluster(cluster.as_ref(), &mirrors);
            assert_eq!(chosen, Some(&mirrors[expected]), "{cluster:?}");
        }
        assert_eq!(mirror_of_cluster(None, &[]), None);
    }
}
