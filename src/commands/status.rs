//! `status`: the cluster, what registries hold, and who changed what: nothing is changed.

use super::survey::Survey;
use super::{Ending, Stop, discovery, registry};
use crate::cli::{Arguments, StatusArguments};
use crate::event::{Event, Observer, Stage};
use crate::image::Mirror;
use crate::output::progress::Progress;
use crate::output::{self, status as text};
use crate::sync::assignment::{Assignment, assign, unused_maps};
use crate::sync::discover::ImageFilter;
use crate::sync::inventory::Inventory;
use crate::sync::look::look;
use crate::sync::status::{Seen, StatusReport, recorded_mirror, statuses};

pub(super) async fn run(arguments: &Arguments, status: &StatusArguments) -> Result<Ending, Stop> {
    let progress = Progress::new(arguments.logging.verbosity);
    let ending = look_at(arguments, status, &progress).await;
    progress.clear();
    ending
}

async fn look_at(
    arguments: &Arguments,
    status: &StatusArguments,
    progress: &Progress,
) -> Result<Ending, Stop> {
    let observer: Observer<'_> = &|event| progress.observe(event);
    observer(Event::Stage(Stage::Discover));
    let filter = ImageFilter::default();
    let survey = Survey::of(arguments, status.selector.as_deref(), &filter.knowledge).await?;
    let region = status.region.as_deref();
    let known = status.registry.clone().or_else(|| survey.default_mirror(region));
    let inventory = survey.inventory(region, &[], &filter.below(known));
    progress.clear();
    inventory.notes.iter().for_each(|note| output::warning(note));
    if inventory.images.is_empty() {
        output::error(
            &format!("error: no image of Cast AI found {}", discovery::place(arguments, &inventory)),
            Some("look at another cluster with --context, or widen -n and -l where they are given"),
        );
    }

    observer(Event::Stage(Stage::Plan));
    let seen = look_at_registry(arguments, status, &inventory, observer).await?;
    let (mirror, assignments, seen) = seen;
    let images = statuses(&survey.workloads, &assignments, seen.as_ref(), &survey.surroundings);
    let report = StatusReport::new(mirror, images, &inventory);
    progress.clear();
    text::status(&report, status.upstream, has_flags(arguments, status), status.output)?;
    let needs_attention = report.needs_attention() || inventory.images.is_empty();
    Ok(if needs_attention { Ending::Attention } else { Ending::Done })
}

/// Whether `sync-images` has to be run with flags, too, to do what is missing.
fn has_flags(arguments: &Arguments, status: &StatusArguments) -> bool {
    let StatusArguments { registry, region, maps, selector, .. } = status;
    let narrowed = arguments.connection.namespace.is_some() || selector.is_some();
    narrowed || registry.is_some() || region.is_some() || !maps.is_empty()
}

/// What the registry holds. Where it cannot be asked, this is said, and the cluster is judged alone.
async fn look_at_registry(
    arguments: &Arguments,
    status: &StatusArguments,
    inventory: &Inventory,
    observer: Observer<'_>,
) -> Result<(Mirror, Vec<Assignment>, Option<Seen>), Stop> {
    let described = inventory.clusters.first();
    let region = status.region.as_deref().or_else(|| described?.region.as_deref());
    let assigned = |mirror: &Mirror| -> Result<Vec<Assignment>, Stop> {
        registry::refuse_maps(mirror, &status.maps)?;
        let assignments = assign(inventory, mirror, &status.maps, region);
        for map in unused_maps(&assignments, &status.maps) {
            output::warning(&format!("--map {map} matches no image: compare both names with the images'"));
        }
        Ok(assignments)
    };
    if status.cluster_only {
        let recorded = status.registry.clone().or_else(|| recorded_mirror(inventory));
        let mirror = match recorded {
            Some(mirror) => mirror,
            // Without AWS nobody says that the account is another's.
            None => registry::of_cluster(described, region)?,
        };
        let assignments = assigned(&mirror)?;
        return Ok((mirror, assignments, None));
    }
    let chosen = registry::chosen(arguments, status.registry.as_ref(), status.region.as_deref(), described);
    let mirror = chosen.await.map_err(|stop| Stop {
        hint: stop
            .hint
            .or_else(|| Some("without AWS, the cluster alone is looked at: --cluster-only".to_owned())),
        ..stop
    })?;
    let assignments = assigned(&mirror)?;
    let (client, destination) = registry::open(arguments, &mirror, observer).await?;
    let seen = match look(&client, &destination, &mirror, &assignments, status.upstream).await {
        Ok(seen) => Some(seen),
        Err(error) => {
            output::warning(&format!("what {mirror} holds is not known: {error}"));
            None
        }
    };
    Ok((mirror, assignments, seen))
}
