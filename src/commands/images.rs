//! `images`: lists what Cast AI needs, from the cluster or from manifests; read-only.

use super::{CommandError, ExitStatus, selection};
use crate::cli::{Arguments, ImagesArguments, OutputFormat};
use crate::cluster;
use crate::model::inventory::Inventory;
use crate::output::{self, images as text};
use crate::sync::images::{Settings, run as list};

pub(super) async fn run(arguments: &Arguments, images: &ImagesArguments) -> Result<ExitStatus, CommandError> {
    check(arguments, images)?;
    let settings = settings(arguments, images).await?;
    let connection = if images.files.is_empty() {
        Some(cluster::connect(&arguments.connection.flags(&settings.filter.knowledge)).await?)
    } else {
        None
    };
    let progress = arguments.progress();
    let inventory = Box::pin(list(&settings, connection.as_ref(), &|event| progress.observe(event))).await;
    progress.clear();
    let inventory = inventory?;
    inventory.notes.iter().for_each(|note| output::warning(note));
    text::images(&inventory, images.output)?;
    if inventory.images.is_empty() {
        return Ok(nothing_found(arguments, images, &inventory));
    }
    Ok(if inventory.is_incomplete() { ExitStatus::Attention } else { ExitStatus::Done })
}

/// The flags as settings, with the files read that they name.
pub(super) async fn settings(
    arguments: &Arguments,
    images: &ImagesArguments,
) -> Result<Settings, CommandError> {
    let filter = selection::filter(&images.selection.filter, &images.mirror)?;
    let given = selection::read_manifests(&images.files, &filter.knowledge).await?;
    Ok(Settings {
        scope: arguments.connection.scope(images.selection.selector()),
        filter,
        mirror: images.mirror.settings(),
        manifests: given.manifests,
        public: given.public,
        explain: images.explain,
    })
}

/// Rejects combinations of flags without effect, so that none is silently ignored.
fn check(arguments: &Arguments, images: &ImagesArguments) -> Result<(), CommandError> {
    let refused = |message: &str, hint: &str| Err(CommandError::with_hint(format!("error: {message}"), hint));
    let narrowed = arguments.connection.namespace.is_some() || images.selection.selector().is_some();
    if !images.files.is_empty() && narrowed {
        return refused(
            "-n and -l cannot be used with -f, which reads no cluster",
            "narrow with --only and --exclude",
        );
    }
    if images.explain && images.output == OutputFormat::Name {
        return refused("--explain cannot be used with -o name", "remove -o or choose another format");
    }
    Ok(())
}

const SEE_SEARCHED: &str = "see what was searched with --explain";

/// Finding nothing is not a success: prints what to try next.
fn nothing_found(arguments: &Arguments, images: &ImagesArguments, inventory: &Inventory) -> ExitStatus {
    let place =
        selection::searched(arguments, inventory.clusters.first().map(|cluster| cluster.name.as_str()));
    let hint = selection::narrowing(arguments, &images.selection).unwrap_or_else(|| {
        let before_install = "before the first install: helm template … | kubectl castai-privatelink images -f -; or \
                              choose another cluster with --context";
        match (images.explain, inventory.clusters.is_empty()) {
            (true, true) => "render a chart with helm template first".to_owned(),
            (true, false) => before_install.to_owned(),
            (false, true) => SEE_SEARCHED.to_owned(),
            (false, false) => format!("{SEE_SEARCHED}; {before_install}"),
        }
    });
    output::error(&format!("error: no image of Cast AI found {place}"), Some(&hint));
    ExitStatus::Attention
}
