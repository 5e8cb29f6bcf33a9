//! `images`: what Cast AI needs, by the cluster or by manifests alone; nothing else is asked, and nothing changed.

use jiff::Timestamp;

use super::survey::Survey;
use super::{CommandError, Ending, discovery};
use crate::cli::{Arguments, ImagesArguments, OutputFormat};
use crate::event::{Event, Observer, Stage};
use crate::model::inventory::Inventory;
use crate::output::progress::Progress;
use crate::output::{self, images as text};
use crate::sync::discover::{Found, ImageFilter, discover, explain};

pub(super) async fn run(arguments: &Arguments, images: &ImagesArguments) -> Result<Ending, CommandError> {
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
fn check(arguments: &Arguments, images: &ImagesArguments) -> Result<(), CommandError> {
    let refused = |message: &str, hint: &str| Err(CommandError::with_hint(format!("error: {message}"), hint));
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
) -> Result<Inventory, CommandError> {
    let filter = discovery::filter(&images.selection)?;
    let manifests = discovery::read_manifests(&images.files).await?;
    observer(Event::Stage(Stage::Discover));
    if !images.files.is_empty() {
        let found = Found { manifests: &manifests, named: &filter.knowledge.images, ..Found::default() };
        let inventory = discover(Vec::new(), found, &filter, Vec::new(), Timestamp::now());
        return Ok(explained(inventory, found, images, &filter));
    }
    let selector = images.selection.selector.as_deref();
    let survey = Survey::of(arguments, selector, &filter.knowledge).await?;
    let survey = survey.with_waiting_pods(arguments, selector).await?;
    let filter = filter.below(survey.default_mirror(None));
    let inventory = survey.inventory(None, &[], &filter);
    Ok(explained(inventory, survey.found(&[], &filter), images, &filter))
}

fn explained(
    mut inventory: Inventory,
    found: Found<'_>,
    images: &ImagesArguments,
    filter: &ImageFilter,
) -> Inventory {
    if images.explain {
        inventory.explanation = Some(explain(&inventory, found, filter));
    }
    inventory
}

/// That nothing was found is no success: the ways on are named.
fn nothing_found(arguments: &Arguments, images: &ImagesArguments, inventory: &Inventory) -> Ending {
    let place = discovery::place(arguments, inventory);
    let hint = discovery::narrowing(arguments, &images.selection).unwrap_or_else(|| {
        let next = if images.explain {
            "render a chart with helm template first"
        } else {
            "see what was looked at with --explain"
        };
        if inventory.clusters.is_empty() {
            return next.to_owned();
        }
        format!(
            "{next}; before the first install: helm template … | kubectl castai-privatelink images -f -; or look at \
             another cluster with --context"
        )
    });
    output::error(&format!("error: no image of Cast AI found {place}"), Some(&hint));
    Ending::Attention
}
