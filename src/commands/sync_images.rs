//! `sync-images`: discover → plan → mirror → verify → rewrite → rollout → report.

mod filter;
mod images;
mod request;
mod workloads;

use jiff::Timestamp;

use self::images::Registry;
use self::request::{Halves, Narrowing, Request};
use super::survey::Survey;
use super::{CommandError, Ending, discovery, handed_over};
use crate::cli::{Arguments, DryRun, SyncArguments};
use crate::event::{Event, Observer, Stage};
use crate::model::inventory::Inventory;
use crate::output::progress::Progress;
use crate::output::{self, sync as text};
use crate::sync::discover::{Found, discover};
use crate::sync::report::SyncReport;

pub(super) async fn run(arguments: &Arguments, sync: &SyncArguments) -> Result<Ending, CommandError> {
    let narrowing = Narrowing {
        namespace: arguments.connection.namespace.is_some(),
        selector: sync.selection.selector.is_some(),
    };
    let progress = Progress::new(arguments.logging.verbosity);
    if sync.rewrite_only {
        let ending = filter::run(arguments, sync, narrowing, &|event| progress.observe(event)).await;
        progress.clear();
        return ending;
    }
    let request = Request::read(sync, narrowing).await?;
    let ending = Box::pin(pipeline(arguments, sync, request, &progress)).await;
    progress.clear();
    ending
}

async fn pipeline(
    arguments: &Arguments,
    sync: &SyncArguments,
    mut request: Request,
    progress: &Progress,
) -> Result<Ending, CommandError> {
    let observer: Observer<'_> = &|event| progress.observe(event);
    let Halves { discover, mirror, rewrite } = request.halves;
    if let (Some(path), true) = (&sync.lock, mirror) {
        handed_over::check(path)?;
    }

    // Discover: from the cluster and files, or what another machine discovered.
    observer(Event::Stage(Stage::Discover));
    let mut cluster = if discover || rewrite { Some(survey(arguments, sync, &request).await?) } else { None };
    let mirror_known = request.mirror(sync, cluster.as_ref());
    request.filter = request.filter.below(mirror_known);
    let inventory = inventory(sync, &request, cluster.as_ref())?;
    progress.clear();
    if inventory.images.is_empty() && request.plan.is_none() {
        return nothing_found(arguments, sync, &inventory);
    }
    if !mirror && !rewrite {
        text::inventory(&inventory, sync.output)?;
        return Ok(if inventory.unlisted.is_empty() { Ending::Done } else { Ending::Attention });
    }

    // Plan: a lock that was made elsewhere says what is verified; else the registries do.
    let registry = match &request.lock {
        Some(lock) => Registry::of_lock(lock.clone(), &inventory, sync)?,
        None => Registry::plan(arguments, sync, &request, &inventory, cluster.as_ref(), observer).await?,
    };
    if let (Some(path), Some(plan), None) = (&sync.plan, registry.plan_made(), &request.plan) {
        handed_over::write(path, plan)?;
    }
    let expected = registry.expected_lock(mirror);
    let rewriter = registry.rewriter(&expected, &request.filter);
    if sync.dry_run != DryRun::None {
        let mut report = registry.planned_report(&inventory, mirror);
        if let Some(cluster) = cluster.as_ref().filter(|_| rewrite) {
            report.workloads = workloads::preview(cluster, rewriter, sync, observer).await;
        }
        progress.clear();
        if arguments.logging.verbosity > 0 {
            registry.traffic().iter().for_each(|line| output::say(line));
        }
        // A plan to copy is no plan where nothing is copied.
        text::planned(registry.plan_made().filter(|_| mirror), &report, rewrite, sync.output)?;
        return Ok(ending_of(&report));
    }
    let found = cluster.as_ref().filter(|_| rewrite);
    let patches = found.map_or(0, |cluster| workloads::count_patches(cluster, rewriter, sync));
    progress.clear();
    let show = || {
        let mut report = registry.planned_report(&inventory, mirror);
        if let Some(cluster) = found {
            report.workloads = workloads::preview_alone(cluster, rewriter, sync);
        }
        text::show_planned(registry.plan_made().filter(|_| mirror), &report);
    };
    if !request::confirm(sync, registry.copies(), patches, registry.mirror(), show).await? {
        output::say("nothing was changed");
        return Ok(Ending::Attention);
    }

    if let (Some(cluster), true) = (found, sync.yes) {
        text::owner_notes(&workloads::preview_alone(cluster, rewriter, sync));
    }

    // Mirror and verify: only what the registry itself confirms comes into the lock.
    let (mut report, lock) = registry.carry_out(&request, sync, &inventory, observer).await?;
    if let (Some(path), true) = (&sync.lock, mirror) {
        handed_over::write(path, &lock)?;
    }

    // Rewrite and roll out: by the lock alone.
    if let Some(cluster) = cluster.as_mut().filter(|_| rewrite) {
        if report.has_copied() {
            cluster.look_again(arguments, sync.selection.selector.as_deref()).await?;
        }
        let rewriter = registry.rewriter(&lock, &request.filter);
        report.workloads = workloads::rewrite(cluster, rewriter, sync, observer).await;
    }
    progress.clear();
    if arguments.logging.verbosity > 0 {
        registry.traffic().iter().for_each(|line| output::say(line));
    }
    text::done(&report, rewrite, sync.output)?;
    Ok(ending_of(&report))
}

async fn survey(
    arguments: &Arguments,
    sync: &SyncArguments,
    request: &Request,
) -> Result<Survey, CommandError> {
    let selector = sync.selection.selector.as_deref();
    let survey = Survey::of(arguments, selector, &request.filter.knowledge).await?;
    if request.halves.discover { survey.with_waiting_pods(arguments, selector).await } else { Ok(survey) }
}

fn inventory(
    sync: &SyncArguments,
    request: &Request,
    cluster: Option<&Survey>,
) -> Result<Inventory, CommandError> {
    let inventory = match (&request.inventory, cluster.filter(|_| request.halves.discover)) {
        (Some(inventory), _) => {
            let mut inventory = inventory.clone();
            inventory.images.retain(|wanted| {
                let recorded = wanted.used_by.iter().map(|used_by| used_by.recorded_source.as_ref());
                let mut sources = recorded.chain([wanted.source.as_ref()]);
                sources.any(|source| request.filter.admits(&wanted.image, source))
            });
            inventory
        }
        (None, Some(cluster)) => {
            cluster.inventory(sync.region.as_deref(), &request.manifests, &request.filter)
        }
        (None, None) => {
            let named = &request.filter.knowledge.images;
            let found = Found { manifests: &request.manifests, named, ..Found::default() };
            discover(Vec::new(), found, &request.filter, Vec::new(), Timestamp::now())
        }
    };
    for note in &inventory.notes {
        output::warning(note);
    }
    if let (Some(path), true) = (&sync.inventory, request.halves.discover) {
        handed_over::write(path, &inventory)?;
    }
    Ok(inventory)
}

/// Nothing to do because nothing was found is no success: the ways on are named.
fn nothing_found(
    arguments: &Arguments,
    sync: &SyncArguments,
    inventory: &Inventory,
) -> Result<Ending, CommandError> {
    let place = discovery::place(arguments, inventory);
    let hint = discovery::narrowing(arguments, &sync.selection).unwrap_or_else(|| {
        if inventory.clusters.is_empty() {
            return "see what they hold: kubectl castai-privatelink images --explain -f FILE".to_owned();
        }
        "install Cast AI first; or mirror its images before that: helm template … | kubectl castai-privatelink \
         sync-images -f - --no-rewrite; or look at another cluster with --context"
            .to_owned()
    });
    output::error(&format!("error: no image of Cast AI found {place}"), Some(&hint));
    text::done(&SyncReport::new(None, inventory), false, sync.output)?;
    Ok(Ending::Attention)
}

fn ending_of(report: &SyncReport) -> Ending {
    if report.needs_attention() { Ending::Attention } else { Ending::Done }
}
