//! `rewrite`: prints manifests with private images, and changes neither cluster nor registry.

use super::{CommandError, ExitStatus, aws_login, selection};
use crate::castai::derivation;
use crate::cli::{Arguments, RewriteArguments};
use crate::cluster;
use crate::output;
use crate::output::rewrite::{missing_images, public_images};
use crate::parse::documents::Format;
use crate::sync::artifact::file::read_lock;
use crate::sync::rewrite_manifests::input::{self, Input};
use crate::sync::rewrite_manifests::text::join;
use crate::sync::rewrite_manifests::{Rewritten, Settings, run as rewrite};
use crate::sync::settings::Ports;

pub(super) async fn run(
    arguments: &Arguments,
    wanted: &RewriteArguments,
) -> Result<ExitStatus, CommandError> {
    if arguments.connection.namespace.is_some() {
        return Err(CommandError::with_hint(
            "error: -n has no use with rewrite, which reads manifests alone",
            "narrow with --only and --exclude",
        ));
    }
    let progress = arguments.progress();
    let settings = settings(wanted).await?;
    let format = input::format(&settings.parts)?;
    if !settings.name_castai() {
        let texts = settings.texts();
        let filter = settings.known_filter();
        let public = settings.public_images(&texts, &filter, &|event| progress.observe(event));
        if !public.is_empty() {
            public_images(&public);
            return Ok(ExitStatus::Attention);
        }
        return print(texts, format);
    }
    // The cluster only determines the registry, if nothing else does.
    let mut clusters = Vec::new();
    if settings.lock.is_none() && settings.mirror.registries.is_empty() {
        clusters.push(cluster::connect(&arguments.connection.flags(&settings.filter.knowledge)).await?);
    }
    let network = aws_login::network(arguments, clusters.first(), &settings.mirror.registries);
    let ports = Ports { clusters, network };
    let rewritten = rewrite(&settings, &ports, &|event| progress.observe(event)).await;
    progress.clear();
    let Rewritten { texts, mirror, missing, missing_derived_images, public } = rewritten?;
    if missing.is_empty() && missing_derived_images.is_empty() && public.is_empty() {
        return print(texts, format);
    }
    for line in &missing_derived_images {
        output::say(line);
    }
    if !missing_derived_images.is_empty() && missing.is_empty() {
        output::error(&format!("error: nothing printed, because {}", derivation::CONSEQUENCE), None);
    }
    if !missing.is_empty() {
        missing_images(&wanted.mirror_command(), &mirror, &missing);
    }
    if !public.is_empty() {
        public_images(&public);
    }
    Ok(ExitStatus::Attention)
}

/// The settings, with the content of the files that the flags name.
pub(super) async fn settings(wanted: &RewriteArguments) -> Result<Settings, CommandError> {
    let filter = selection::filter(&wanted.filter, &wanted.mirror)?;
    let lock = wanted.lock.as_deref().map(|path| read_lock(path, &wanted.mirror.maps)).transpose()?;
    let Input { parts, without_pod_spec } = input::read(&wanted.files).await?;
    selection::note_skipped(&without_pod_spec);
    Ok(Settings { filter, mirror: wanted.mirror.settings(), lock, parts })
}

/// Prints everything at once: a reader must never see a part.
fn print(texts: Vec<String>, format: Format) -> Result<ExitStatus, CommandError> {
    output::verbatim(&join(texts, format))?;
    Ok(ExitStatus::Done)
}
