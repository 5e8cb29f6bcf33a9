//! The repositories that the images of an inventory need, without asking their sources.

use std::collections::BTreeSet;

use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::model::image::ecr::EcrRegistry;
use crate::model::inventory::Inventory;
use crate::store::default_mirror::{AccountFacts, default_mirror};
use crate::sync::mirror_choice;
use crate::sync::plan::assignment::{ImageSource, assign};
use crate::sync::settings::MirrorSettings;

/// The ECR registry, the repositories below it, and images that cannot have one. `region` and `account` are those of the VPC.
///
/// # Errors
/// The registry is unknown or not the ECR of this account and region, or a name in `settings` is not below it.
pub fn names(
    inventory: &Inventory,
    settings: &MirrorSettings,
    region: &str,
    account: Option<&str>,
) -> Result<(Mirror, BTreeSet<String>, Vec<String>), CommandError> {
    let cluster = inventory.clusters.first();
    let mirror = if let Some(mirror) = settings.registries.first() {
        mirror.clone()
    } else {
        let facts = AccountFacts {
            cluster_account: cluster.and_then(|cluster| cluster.account.clone()),
            region: cluster.and_then(|cluster| cluster.region.clone()).or_else(|| Some(region.to_owned())),
            own_account: account.map(str::to_owned),
            ..AccountFacts::default()
        };
        default_mirror(&facts)
            .map_err(|error| CommandError::with_hint(format!("error: {error}"), error.hint()))?
    };
    let is_here =
        |ecr: &EcrRegistry| ecr.region == region && account.is_none_or(|account| ecr.account == account);
    if !EcrRegistry::of_host(&mirror.registry).as_ref().is_some_and(is_here) {
        return Err(CommandError::with_hint(
            format!("error: {} is not the ECR registry of the VPC's account and region", mirror.registry),
            "without --inventory, no repositories are generated",
        ));
    }
    mirror_choice::refuse_maps(std::slice::from_ref(&mirror), &settings.maps)?;
    let maps = settings.maps_below(&mirror);
    let region = settings.region_of(cluster, &mirror);
    let assignments = assign(inventory, &mirror, &maps, region.as_deref());
    let known = assignments.iter().filter(|assigned| matches!(assigned.source, ImageSource::Known(_)));
    let names = known.map(|assigned| assigned.destination.path().to_owned()).collect();
    let unnamed = assignments.iter().filter_map(|assigned| match &assigned.source {
        ImageSource::InvalidName(why) => Some(format!("{} ({why})", assigned.destination)),
        _ => None,
    });
    let unnamed = unnamed.collect();
    Ok((mirror, names, unnamed))
}
