//! `status`: the cluster, what registries hold, and who changed what: nothing is changed.

use super::survey::Survey;
use super::{CommandError, Ending, discovery, registry};
use crate::aws::error::Error;
use crate::cli::{Arguments, StatusArguments};
use crate::event::{Event, Observer, Stage};
use crate::model::image::Mirror;
use crate::model::inventory::{Cluster, Inventory};
use crate::output::progress::Progress;
use crate::output::{self, status as text};
use crate::sync::discover::ImageFilter;
use crate::sync::plan::assignment::{Assignment, assign, unused_maps};
use crate::sync::status::look::{look_at_destination, look_at_sources};
use crate::sync::status::{Seen, StatusReport, Subject, recorded_mirror, statuses};

pub(super) async fn run(arguments: &Arguments, status: &StatusArguments) -> Result<Ending, CommandError> {
    let progress = Progress::new(arguments.logging.verbosity);
    let ending = look_at(arguments, status, &progress).await;
    progress.clear();
    ending
}

async fn look_at(
    arguments: &Arguments,
    status: &StatusArguments,
    progress: &Progress,
) -> Result<Ending, CommandError> {
    let observer: Observer<'_> = &|event| progress.observe(event);
    observer(Event::Stage(Stage::Discover));
    let filter = ImageFilter::default();
    let selector = status.selector.as_deref();
    let survey = Survey::of(arguments, selector, &filter.knowledge).await?;
    let survey = survey.with_waiting_pods(arguments, selector).await?.without_outdated_pods();
    let region = status.region.as_deref();
    let known = status.registry.clone().or_else(|| survey.default_mirror(region));
    let inventory = survey.inventory(region, &[], &filter.below(known));
    let mut report = StatusReport::new(None, Vec::new(), &inventory);
    survey.add_pull_failures(arguments, selector, &inventory, &mut report).await?;
    progress.clear();
    report.notes.iter().for_each(|note| output::warning(note));
    report.skipped = skipped(status);
    if inventory.images.is_empty() {
        output::error(
            &format!("error: no image of Cast AI found {}", discovery::place(arguments, &inventory)),
            Some("look at another cluster with --context, or widen -n and -l where they are given"),
        );
    } else {
        observer(Event::Stage(Stage::Plan));
        let (mirror, assignments, seen) = look_at_registries(arguments, status, &inventory, observer).await?;
        report.images = statuses(&survey.workloads, &assignments, seen.as_ref(), &survey.surroundings);
        report.destination = Some(mirror);
        progress.clear();
    }
    text::status(&report, has_flags(arguments, status), status.output)?;
    let needs_attention = report.needs_attention() || inventory.images.is_empty();
    Ok(if needs_attention { Ending::Attention } else { Ending::Done })
}

/// What the flags leave out.
fn skipped(status: &StatusArguments) -> Vec<Subject> {
    let subjects = [(Subject::Registry, status.cluster_only), (Subject::PublicTags, !status.upstream)];
    subjects.into_iter().filter(|(_, is_skipped)| *is_skipped).map(|(subject, _)| subject).collect()
}

/// Whether `sync-images` has to be run with flags, too, to do what is missing.
fn has_flags(arguments: &Arguments, status: &StatusArguments) -> bool {
    let StatusArguments { registry, region, maps, selector, .. } = status;
    let narrowed = arguments.connection.namespace.is_some() || selector.is_some();
    narrowed || registry.is_some() || region.is_some() || !maps.is_empty()
}

/// What registries hold, and nothing with `--cluster-only`. What cannot be read has its cause there.
async fn look_at_registries(
    arguments: &Arguments,
    status: &StatusArguments,
    inventory: &Inventory,
    observer: Observer<'_>,
) -> Result<(Mirror, Vec<Assignment>, Option<Seen>), CommandError> {
    let cluster = inventory.clusters.first();
    let region = status.region.as_deref().or_else(|| cluster?.region.as_deref());
    let (mirror, refusal) = mirror(arguments, status, inventory, cluster, region).await?;
    registry::refuse_maps(&mirror, &status.maps)?;
    let assignments = assign(inventory, &mirror, &status.maps, region);
    for map in unused_maps(&assignments, &status.maps) {
        output::warning(&format!("--map {map} matches no image: compare both names with the images'"));
    }
    if status.cluster_only {
        return Ok((mirror, assignments, None));
    }
    let (client, destination) = registry::open(arguments, &mirror, observer).await?;
    let look_at_mirror = async {
        match &refusal {
            Some(error) => Seen::unread(&assignments, &error.to_string()),
            None => look_at_destination(&client, &destination, &mirror, &assignments).await,
        }
    };
    let seen = if status.upstream {
        let (seen, upstream) = tokio::join!(look_at_mirror, look_at_sources(&client, &assignments));
        Seen { upstream, ..seen }
    } else {
        look_at_mirror.await
    };
    Ok((mirror, assignments, Some(seen)))
}

/// The registry that is meant, and why AWS does not confirm it where it should.
async fn mirror(
    arguments: &Arguments,
    status: &StatusArguments,
    inventory: &Inventory,
    cluster: Option<&Cluster>,
    region: Option<&str>,
) -> Result<(Mirror, Option<Error>), CommandError> {
    // Without AWS, the account that the cluster names may be another's.
    let of_cluster = || registry::of_cluster(cluster, region);
    if status.cluster_only {
        let recorded = status.registry.clone().or_else(|| recorded_mirror(inventory));
        return Ok((recorded.map_or_else(of_cluster, Ok)?, None));
    }
    let given = status.registry.as_ref();
    let identified = registry::identified(arguments, given, status.region.as_deref(), cluster).await?;
    let error = match identified {
        Ok(mirror) => return Ok((mirror, None)),
        Err(error) => error,
    };
    let guessed = of_cluster().ok().or_else(|| recorded_mirror(inventory)).ok_or_else(|| {
        let hint = "without AWS, the cluster alone is looked at: --cluster-only, with --registry";
        CommandError::with_hint(
            format!("error: {error}"),
            registry::unidentified_hint(&error).unwrap_or(hint),
        )
    })?;
    if let Some(hint) = registry::unidentified_hint(&error) {
        output::say(&format!("hint: {hint}"));
    }
    Ok((guessed, Some(error)))
}
