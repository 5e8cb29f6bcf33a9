//! Plans for all destinations of a run.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::error::CommandError;
use crate::event::{Event, Observer};
use crate::model::image::Mirror;
use crate::model::inventory::{API_VERSION, Inventory};
use crate::model::plan::{DestinationPlan, Plan, PlanKind, PlannedImage};
use crate::store::Stores;
use crate::sync::mirror_choice;
use crate::sync::plan::assign_all;
use crate::sync::plan::assignment::Assignment;
use crate::sync::plan::prepare::{NeededImages, Prepared, prepare, renew};
use crate::sync::plan::tree::ManifestCache;
use crate::sync::plan::uploads::join_uploads;
use crate::sync::settings::Settings;

/// A plan that another run made, with what the destinations hold by now.
pub(super) async fn renewed(
    plan: &Plan,
    settings: &Settings,
    stores: &Stores<'_>,
    cache: &ManifestCache,
) -> Result<Plan, CommandError> {
    let mut prepared = Vec::new();
    for planned in &plan.destinations {
        let (mirror, registries) = (&planned.mirror, &settings.mirror.registries);
        let movable = mirror_choice::movable_tags(mirror, registries, &settings.replace);
        let (sources, destination) = (stores.sources(), stores.destination(mirror));
        let renewed = renew(&sources, &destination, planned, movable, settings.attestations, cache).await;
        prepared.push(renewed?);
    }
    Ok(with_prepared(plan.clone(), prepared))
}

/// The plan that brings what is wanted to every mirror.
pub(super) async fn fresh(
    mirrors: &[Mirror],
    settings: &Settings,
    inventory: &Inventory,
    stores: &Stores<'_>,
    cache: &ManifestCache,
    observer: Observer<'_>,
) -> Result<Plan, CommandError> {
    let clusters = inventory.clusters.iter();
    let node_platforms: BTreeSet<_> =
        clusters.flat_map(|cluster| cluster.platforms.iter().cloned()).collect();
    let mut prepared = Vec::new();
    for mirror in mirrors {
        let wanted = NeededImages {
            assignments: assigned(inventory, mirror, settings, observer),
            node_platforms: node_platforms.clone(),
            detail: settings.detail,
            movable: mirror_choice::movable_tags(mirror, &settings.mirror.registries, &settings.replace),
            attestations: settings.attestations,
        };
        let (sources, destination) = (stores.sources(), stores.destination(mirror));
        prepared.push(prepare(&sources, &destination, mirror, wanted, cache).await?);
    }
    let plan = Plan {
        api_version: API_VERSION.to_owned(),
        kind: PlanKind::Plan,
        created: Timestamp::now(),
        clusters: inventory.clusters.clone(),
        destinations: Vec::new(),
        uploads: Vec::new(),
        cluster_plans: Vec::new(),
        notes: Vec::new(),
    };
    Ok(with_prepared(plan, prepared))
}

fn with_prepared(mut plan: Plan, prepared: Vec<Prepared>) -> Plan {
    plan.destinations.clear();
    let mut uploads = Vec::new();
    for prepared in prepared {
        plan.destinations.push(prepared.plan);
        plan.notes.extend(prepared.notes);
        uploads.push(prepared.uploads);
    }
    plan.uploads = join_uploads(uploads);
    plan
}

/// The assignments, with a warning for each `--map` that matches no image, which is probably misspelt.
pub(super) fn assigned(
    inventory: &Inventory,
    mirror: &Mirror,
    settings: &Settings,
    observer: Observer<'_>,
) -> Vec<Assignment> {
    let region = settings.mirror.region_of(inventory.clusters.first(), mirror);
    let maps = settings.mirror.maps_below(mirror);
    assign_all(inventory, mirror, &maps, region.as_deref(), observer)
}

/// Warns of each `--replace` that allows nothing.
pub(super) fn warn_of_unused_replacements(plan: &Plan, settings: &Settings, observer: Observer<'_>) {
    let mirrors: Vec<_> = plan.destinations.iter().map(|plan| &plan.mirror).collect();
    let shown = || mirrors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let images =
        || plan.destinations.iter().flat_map(|plan| plan.images.iter().map(move |image| (plan, image)));
    for name in &settings.replace {
        let is_named = |(plan, image): (&DestinationPlan, &PlannedImage)| {
            let path = image.destination.path();
            name == path || *name == format!("{}/{path}", plan.mirror.registry)
        };
        let is_default =
            settings.mirror.registries.is_empty() && mirrors.iter().all(|mirror| mirror.is_own());
        if is_default {
            observer(Event::Warning(format!(
                "--replace {name} has no effect: tags in {} are replaced by default",
                shown()
            )));
        } else if !images().any(is_named) {
            observer(Event::Warning(format!("--replace {name} matches no repository in {}", shown())));
        }
    }
}
