//! `images`: what Cast AI needs, by the cluster or by manifests alone; nothing else is asked, and nothing changed.

use jiff::Timestamp;

use super::discovery::{self, Seen};
use super::{Ending, Stop};
use crate::cli::{Arguments, ImagesArguments, OutputFormat};
use crate::event::{Event, Observer, Stage};
use crate::output::progress::Progress;
use crate::output::{self, images as text};
use crate::sync::discover::{Found, discover, explain};
use crate::sync::inventory::Inventory;

pub(super) async fn run(arguments: &Arguments, images: &ImagesArguments) -> Result<Ending, Stop> {
    check(arguments, images)?;
    let progress = Progress::new(arguments.logging.verbosity);
    let found = inventory(arguments, images, &|event| progress.observe(event)).await;
    progress.clear();
    let inventory = found?;
    inventory.notes.iter().for_each(|note| output::warning(note));
    text::images(&inventory, images.output)?;
    if inventory.images.is_empty() {
        return Ok(nothing_found(arguments, images, &inventory));
    }
    Ok(if inventory.unlisted.is_empty() { Ending::Done } else { Ending::Attention })
}

/// Combinations that mean nothing are refused, so that none is silently ignored.
fn check(arguments: &Arguments, images: &ImagesArguments) -> Result<(), Stop> {
    let refused = |message: &str, hint: &str| Err(Stop::with_hint(format!("error: {message}"), hint));
    let narrowed = arguments.connection.namespace.is_some() || images.selection.selector.is_some();
    if !images.files.is_empty() && narrowed {
        return refused(
            "-n and -l have no use with -f, because no cluster is looked at",
            "narrow with --only and --exclude",
        );
    }
    if images.explain && images.output == OutputFormat::Name {
        return refused("--explain has no use with -o name", "choose another -o, or leave it out");
    }
    Ok(())
}

async fn inventory(
    arguments: &Arguments,
    images: &ImagesArguments,
    observer: Observer<'_>,
) -> Result<Inventory, Stop> {
    let filter = discovery::filter(&images.selection)?;
    let manifests = discovery::read_manifests(&images.files).await?;
    observer(Event::Stage(Stage::Discover));
    let seen = if images.files.is_empty() {
        let selector = images.selection.selector.as_deref();
        let seen = Seen::gather(arguments, selector, &filter.knowledge).await?;
        Some(seen.with_waiting_pods(arguments, selector).await?)
    } else {
        None
    };
    let named = &filter.knowledge.images;
    let found = match &seen {
        Some(seen) => seen.found(&manifests, named),
        None => Found { manifests: &manifests, named, ..Found::default() },
    };
    let clusters = seen.iter().map(|seen| seen.scene.cluster(None)).collect();
    let notes = seen.iter().flat_map(|seen| seen.notes.iter().cloned()).collect();
    let mut inventory = Inventory {
        unlisted: seen.iter().flat_map(|seen| seen.unlisted.iter().cloned()).collect(),
        ..discover(clusters, found, &filter, notes, Timestamp::now())
    };
    if images.explain {
        inventory.explanation = Some(explain(&inventory, found, &filter));
    }
    Ok(inventory)
}

/// That nothing was found is no success: the ways on are named.
fn nothing_found(arguments: &Arguments, images: &ImagesArguments, inventory: &Inventory) -> Ending {
    let place = discovery::place(arguments, inventory);
    let hint = discovery::narrowing(arguments, &images.selection).unwrap_or_else(|| {
        let next = "see what was looked at with --explain";
        match inventory.clusters.is_empty() {
            true => next.to_owned(),
            false => format!(
                "{next}; before the first install: helm template … | kubectl castai-privatelink images -f -; or \
                 look at another cluster with --context"
            ),
        }
    });
    output::error(&format!("error: no image of Cast AI found {place}"), Some(&hint));
    Ending::Attention
}
