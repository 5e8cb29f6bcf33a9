//! `status`: the cluster, the content of registries, and who changed what; changes nothing.

use super::{CommandError, ExitStatus, aws_login, selection};
use crate::cli::{Arguments, StatusArguments};
use crate::cluster;
use crate::output::{self, status as text};
use crate::sync::status::gather::{self, Settings};

pub(super) async fn run(arguments: &Arguments, status: &StatusArguments) -> Result<ExitStatus, CommandError> {
    let settings = settings(arguments, status)?;
    let connection = cluster::connect(&arguments.connection.flags(&settings.filter.knowledge)).await?;
    let progress = arguments.progress();
    let observer = |event| progress.observe(event);
    let network = if settings.cluster_only {
        arguments.network.settings()
    } else {
        aws_login::network(arguments, Some(&connection), &settings.mirror.registries)
    };
    let report = Box::pin(gather::run(&settings, &connection, &network, &observer)).await;
    progress.clear();
    let report = report?;
    let found_nothing = report.destinations.is_empty();
    if found_nothing {
        let place = selection::searched(arguments, Some(&connection.name));
        let hint = selection::narrowing(arguments, &status.selection)
            .unwrap_or_else(|| "install Cast AI first, or choose another cluster with --context".to_owned());
        output::error(&format!("error: no image of Cast AI found {place}"), Some(&hint));
    }
    text::status(&report, has_flags(&settings, status), status.output)?;
    Ok(if report.needs_attention() || found_nothing { ExitStatus::Attention } else { ExitStatus::Done })
}

/// The flags as settings, with the file read that they name.
pub(super) fn settings(arguments: &Arguments, status: &StatusArguments) -> Result<Settings, CommandError> {
    Ok(Settings {
        scope: arguments.connection.scope(status.selection.selector()),
        filter: selection::filter(&status.selection.filter, &status.mirror)?,
        mirror: status.mirror.settings(),
        source_registries: status.source.source_registries.clone(),
        upstream: status.upstream,
        cluster_only: status.cluster_only,
    })
}

/// Whether the suggested `sync-images` command needs flags.
fn has_flags(settings: &Settings, status: &StatusArguments) -> bool {
    let (mirror, filter) = (&settings.mirror, &status.selection.filter);
    settings.scope.is_narrowed()
        || !settings.filter.knowledge.is_empty()
        || !filter.only.is_empty()
        || !filter.exclude.is_empty()
        || !mirror.registries.is_empty()
        || mirror.region.is_some()
        || !mirror.maps.is_empty()
}
