//! `rewrite`: prints manifests with private images, and changes neither cluster nor registry.

use std::collections::BTreeSet;

use super::{CommandError, ExitStatus, discovery};
use crate::castai::derivation;
use crate::cli::{Arguments, RewriteArguments};
use crate::cluster;
use crate::model::inventory::Place;
use crate::output;
use crate::output::progress::Progress;
use crate::parse::documents::{self, Format};
use crate::sync::artifact::file::read_lock;
use crate::sync::discover::manifests;
use crate::sync::plan::decide::Target;
use crate::sync::presence::{Missing, Why};
use crate::sync::rewrite::manifests::{Part, Rewritten, Settings, run as rewrite};
use crate::sync::rewrite::text::join;
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
    let progress = Progress::new(arguments.logging.verbosity);
    let settings = settings(wanted).await?;
    let format = format(&settings.parts)?;
    if !settings.name_castai() {
        return print(settings.texts(), format);
    }
    // The cluster only determines the registry, if nothing else does.
    let mut clusters = Vec::new();
    if settings.lock.is_none() && settings.mirror.registries.is_empty() {
        clusters.push(cluster::connect(&arguments.connection.flags(&settings.filter.knowledge)).await?);
    }
    let ports = Ports { clusters, network: arguments.network.settings() };
    let rewritten = rewrite(&settings, &ports, &|event| progress.observe(event)).await;
    progress.clear();
    let Rewritten { texts, mirror, missing, missing_derived_images } = rewritten?;
    if missing.is_empty() && missing_derived_images.is_empty() {
        return print(texts, format);
    }
    for line in &missing_derived_images {
        output::say(line);
    }
    if missing.is_empty() {
        output::error(&format!("error: nothing printed, because {}", derivation::CONSEQUENCE), None);
    } else {
        tell_missing(wanted, &mirror.to_string(), &missing);
    }
    Ok(ExitStatus::Attention)
}

/// The flags as settings, with the files read that they name.
pub(super) async fn settings(wanted: &RewriteArguments) -> Result<Settings, CommandError> {
    let filter = discovery::filter(&wanted.filter, &wanted.mirror)?;
    let lock = wanted.lock.as_deref().map(|path| read_lock(path, &wanted.mirror.maps)).transpose()?;
    let parts = read(wanted).await?;
    Ok(Settings { filter, mirror: wanted.mirror.settings(), lock, parts })
}

async fn read(wanted: &RewriteArguments) -> Result<Vec<Part>, CommandError> {
    let files = wanted.files.clone();
    // Reading standard input may block, and Ctrl-C must work meanwhile.
    let read = tokio::task::spawn_blocking(move || -> Result<Vec<Part>, manifests::Error> {
        let mut parts = Vec::new();
        for file in files {
            for text in manifests::texts(&file.to_string_lossy())? {
                let manifests = manifests::parse(&text.path, &text.text)?;
                let documents = documents::read(&text.text).unwrap_or_default();
                parts.push(Part {
                    format: documents.first().map(|document| document.format),
                    text,
                    manifests,
                });
            }
        }
        Ok(parts)
    });
    read.await.map_err(std::io::Error::other)?.map_err(|error| CommandError::new(format!("error: {error}")))
}

/// The output has the format of the input. Input without documents is printed unchanged.
fn format(parts: &[Part]) -> Result<Format, CommandError> {
    let of = |format| parts.iter().find(|part| part.format == Some(format));
    match (of(Format::Json), of(Format::Yaml)) {
        (Some(json), Some(yaml)) => {
            let (json, yaml) = (&json.text.path, &yaml.text.path);
            let message = format!("error: cannot combine {json} (JSON) and {yaml} (YAML)");
            Err(CommandError::with_hint(message, "run the command once for each"))
        }
        (Some(_), None) => Ok(Format::Json),
        (None, _) => Ok(Format::Yaml),
    }
}

/// Prints everything at once: a reader must never see a part.
fn print(texts: Vec<String>, format: Format) -> Result<ExitStatus, CommandError> {
    output::verbatim(&join(texts, format))?;
    Ok(ExitStatus::Done)
}

fn tell_missing(wanted: &RewriteArguments, mirror: &str, missing: &[Missing]) {
    for Missing { target, why } in missing {
        let image = target.used_by.first().map_or(&target.destination, |used| &used.image);
        let (Why::Absent(why) | Why::Unknown(why)) = why;
        output::say(&format!("error: image {image} of {}: {why}", needing(target)));
    }
    let message = format!("error: nothing printed: some images were not found in {mirror}");
    let is_absent = missing.iter().any(|missing| matches!(missing.why, Why::Absent(_)));
    output::error(&message, is_absent.then(|| mirror_command(wanted)).as_deref());
}

/// A manifest that needs the image, and the number of others.
fn needing(target: &Target) -> String {
    let places: BTreeSet<&Place> = target.used_by.iter().map(|used| &used.used_by.place).collect();
    let first = match places.first() {
        Some(Place::File { path, manifest }) if path == "-" => format!("{manifest} in the standard input"),
        Some(Place::File { path, manifest }) => format!("{manifest} in {path}"),
        _ => "a manifest".to_owned(),
    };
    match places.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

/// The command that mirrors the missing images.
fn mirror_command(wanted: &RewriteArguments) -> String {
    let mut words = vec!["mirror first: kubectl castai-privatelink sync-images".to_owned()];
    words.extend(wanted.files.iter().map(|file| format!("-f {}", file.display())));
    words
        .extend(wanted.mirror.registry.iter().map(|registry| format!("--registry {registry} --no-discover")));
    words.push("--no-rewrite".to_owned());
    words.extend(wanted.lock.iter().map(|lock| format!("--lock {}", lock.display())));
    words.join(" ")
}
