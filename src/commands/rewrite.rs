//! `--rewrite-only`: manifests with private images on standard output, and no change of cluster or registry.

use std::collections::BTreeSet;

use super::{CommandError, Ending, discovery};
use crate::cli::{Arguments, OutputFormat, SyncArguments};
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

pub(super) async fn run(arguments: &Arguments, sync: &SyncArguments) -> Result<Ending, CommandError> {
    check(arguments, sync)?;
    let progress = Progress::new(arguments.logging.verbosity);
    let filter = discovery::filter(&sync.selection)?;
    let lock = sync.lock.as_deref().map(|path| read_lock(path, &sync.mirror.maps)).transpose()?;
    let parts = read(sync).await?;
    let format = format(sync, &parts)?;
    // The cluster only says which registry is meant, where nobody else does.
    let cluster = match (&lock, &sync.mirror.registry) {
        (None, None) => Some(cluster::connect(&arguments.connection.flags()).await?),
        _ => None,
    };
    let ports = Ports { cluster, network: arguments.network.settings() };
    let settings = Settings { filter, mirror: sync.mirror.settings(), lock, parts };
    let rewritten = rewrite(&settings, &ports, &|event| progress.observe(event)).await;
    progress.clear();
    let Rewritten { texts, mirror, missing, lost_scanners } = rewritten?;
    let Some(mirror) = mirror else {
        output::warning("no image was found in the manifests: they are printed as they are");
        return print(texts, format);
    };
    if missing.is_empty() && lost_scanners.is_empty() {
        return print(texts, format);
    }
    for line in &lost_scanners {
        output::say(line);
    }
    if missing.is_empty() {
        output::error("error: nothing is printed, because kvisor's scans would fail", None);
    } else {
        tell_missing(sync, &mirror.to_string(), &missing);
    }
    Ok(Ending::Attention)
}

/// Flags that clap cannot tell from their defaults, or that are about the cluster.
fn check(arguments: &Arguments, sync: &SyncArguments) -> Result<(), CommandError> {
    let refused = |message: &str, hint: &str| Err(CommandError::with_hint(format!("error: {message}"), hint));
    if sync.files.is_empty() {
        return refused(
            "--rewrite-only needs manifests",
            "give them with -f: a file, a directory, or - for standard input",
        );
    }
    if arguments.connection.namespace.is_some() {
        return refused("-n has no use with --rewrite-only", "narrow with --only and --exclude");
    }
    if sync.lock.is_some() && sync.mirror.registry.is_some() {
        return refused(
            "--registry has no use where --lock is read",
            "the lock names the registry that it proves",
        );
    }
    if !matches!(sync.output, OutputFormat::Yaml | OutputFormat::Json) {
        return refused(
            "--rewrite-only prints manifests, so that it takes -o yaml or -o json alone",
            "add -o yaml, or -o json where they are JSON",
        );
    }
    Ok(())
}

async fn read(sync: &SyncArguments) -> Result<Vec<Part>, CommandError> {
    let files = sync.files.clone();
    // Standard input may be a person who types, and Ctrl-C must be heard meanwhile.
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

/// What is printed has the format of what was read.
fn format(sync: &SyncArguments, parts: &[Part]) -> Result<Format, CommandError> {
    let of = |format| parts.iter().find(|part| part.format == Some(format));
    match (of(Format::Json), of(Format::Yaml)) {
        (None, None) => Err(CommandError::new("error: there is no manifest in what was given with -f")),
        (Some(json), Some(yaml)) => {
            let (json, yaml) = (&json.text.path, &yaml.text.path);
            let message = format!("error: {json} is JSON and {yaml} is YAML, which make no text together");
            Err(CommandError::with_hint(message, "give them one after the other"))
        }
        (None, Some(yaml)) if sync.output == OutputFormat::Json => {
            let message = format!("error: {} is YAML, and is printed as it is written", yaml.text.path);
            Err(CommandError::with_hint(message, "say -o yaml"))
        }
        (Some(_), None) => Ok(Format::Json),
        (None, Some(_)) => Ok(Format::Yaml),
    }
}

/// All at once: whoever reads must not act on a part.
fn print(texts: Vec<String>, format: Format) -> Result<Ending, CommandError> {
    output::verbatim(&join(texts, format))?;
    Ok(Ending::Done)
}

fn tell_missing(sync: &SyncArguments, mirror: &str, missing: &[Missing]) {
    for Missing { target, why } in missing {
        let image = target.used_by.first().map_or(&target.destination, |used| &used.image);
        let (Why::Absent(why) | Why::Unknown(why)) = why;
        output::say(&format!("error: {image}, which {} needs: {why}", needing(target)));
    }
    let message = format!("error: nothing is printed, because not every image is known to be in {mirror}");
    let is_absent = missing.iter().any(|missing| matches!(missing.why, Why::Absent(_)));
    output::error(&message, is_absent.then(|| way(sync)).as_deref());
}

/// A manifest that needs the image, and how many more do.
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

/// The command that mirrors what is missing.
fn way(sync: &SyncArguments) -> String {
    let mut words = vec!["mirror first: kubectl castai-privatelink sync-images".to_owned()];
    words.extend(sync.files.iter().map(|file| format!("-f {}", file.display())));
    words.extend(sync.mirror.registry.iter().map(|registry| format!("--registry {registry} --no-discover")));
    words.push("--no-rewrite".to_owned());
    words.extend(sync.lock.iter().map(|lock| format!("--lock {}", lock.display())));
    words.join(" ")
}
